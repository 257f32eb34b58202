"""How much disk the weights take that a study keeps on the way (the key ``checkpoints``), said and checked before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gantlet.data.specification import SampleSpec
from gantlet.errors import Refused
from gantlet.requests.keeping import parse_keeping
from gantlet.requests.resolve import Resolved
from gantlet.training.blueprint import Execution

from .best import keeps_discriminators
from .build import blueprint, steps_of
from .cache import Cache
from .plan import Plan
from .record import FleetPlan
from .runner import evaluation_steps
from .size import parameters_of

__all__ = ["KeptSize", "check_disk", "kept_size", "noted", "times_kept"]


@dataclass(frozen=True)
class KeptSize:
    """What is kept of all members together.

    Attributes:
        rules: The values of the key ``checkpoints`` by which it is.
        files: At most so many files, one for each member and step.
        bytes: About so many.
    """

    rules: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return f"checkpoints={','.join(self.rules)} keeps up to {self.files:,} files of weights, about {_bytes(self.bytes)} in all"


def times_kept(checkpoints: str, steps: int, evaluations: int) -> int:
    """Of how many steps a member's weights are kept at most.

    Example:
        >>> times_kept("all", 100, 10), times_kept("all+every:25+best:kl", 100, 10), times_kept("best:kl", 100, 10)
        (10, 12, 1)
    """
    rule = parse_keeping(checkpoints)
    every = steps // rule.every if rule.every else 0
    if not rule.every_evaluation:
        return every + bool(rule.best)
    if not every:
        return min(evaluations, steps)
    return every + sum(1 for step in evaluation_steps(steps, evaluations) if step % rule.every)


def kept_size(plan: Plan, samples: Sequence[SampleSpec], cache: Cache | None) -> KeptSize:
    """What the members of a plan keep; settings whose length only the data would say are left out.

    Arguments:
        plan: The plan.
        samples: The specification of each setting's samples.
        cache: Has the metrics, which say whether discriminators are kept, too; without it they are not counted.
    """
    rules: dict[str, None] = {}
    files, size = 0, 0
    seeds = [0] * len(plan.settings)
    for member in plan.members:
        seeds[member.setting] += 1
    for resolved, sample, members in zip(plan.settings, samples, seeds, strict=True):
        training = resolved.training
        if not (training.steps or sample.pool):
            continue
        times = times_kept(training.checkpoints, steps_of(training, sample.pool), training.evaluations)
        if times and members:
            rules[training.checkpoints] = None
            rule = parse_keeping(training.checkpoints)
            scored = cache is not None and bool(rule.best) and keeps_discriminators(rule, cache.metrics(resolved))
            files += times * members
            size += times * members * _bytes_of_weights(resolved, sample, discriminator=scored)
    return KeptSize(tuple(rules), files, size)


def noted(fleets: Sequence[FleetPlan], size: KeptSize) -> tuple[FleetPlan, ...]:
    """The fleets, with a note of what is kept if it is anything."""
    if not size.files:
        return tuple(fleets)
    return tuple(fleet.model_copy(update={"notes": (*fleet.notes, str(size))}) for fleet in fleets)


def check_disk(size: KeptSize, folder: Path) -> None:
    """Refuse to keep more than the disk has room for.

    Arguments:
        size: What is to be kept.
        folder: The study's folder, which need not be there yet; what it has of kept weights counts as room.

    Raises:
        Refused: There is less room.
    """
    there, free = 0, None
    with suppress(OSError):
        there = sum(path.stat().st_size for path in folder.glob("fleets/*/weights/*.safetensors"))
    for place in (folder, *folder.absolute().parents):
        with suppress(OSError):
            free = shutil.disk_usage(place).free
            break
    if free is not None and size.bytes > there + free:
        raise Refused(
            f"{size}, and {_bytes(free)} are free where {folder} is. Keep fewer of them (every:N, best:METRIC), or choose "
            f"another --out."
        )


def _bytes_of_weights(resolved: Resolved, sample: SampleSpec, *, discriminator: bool) -> int:
    """Of one file: a member's generators, their averages where it has some, and its discriminator where that is kept."""
    sheet = blueprint([(resolved, 1)], sample, Execution(), to_train=False)
    numbers = sheet.sizes.generators * parameters_of(sheet.generator.build) * (2 if resolved.training.ema else 1)
    if discriminator:
        numbers += parameters_of(sheet.discriminator.build)
    return numbers * (8 if resolved.training.dtype == "float64" else 4)


def _bytes(count: int) -> str:
    """In a unit that leaves few digits."""
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:,.3g} {unit}" if size < 1000 else f"{size:,.0f} {unit}"
