"""``gantlet run --dry-run``: members, fleets, memory and time, and every resolved value with its source."""

from __future__ import annotations

import json as jsonlib
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
import typer

from gantlet.cpu import threads_set
from gantlet.data.base import Dataset
from gantlet.errors import BadValue
from gantlet.requests.resolve import Resolved
from gantlet.studies.build import blueprint
from gantlet.studies.plan import bytes_per_member
from gantlet.studies.planning import PlannedStudy
from gantlet.studies.record import FleetPlan
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Estimate", "show_plan"]

_WARM, _TIMED = 2, 5  # discriminator updates, in whole steps


@dataclass(frozen=True)
class Estimate:
    """What the training of a fleet takes; None where only the data would say.

    Attributes:
        seconds: Of the whole training.
        seconds_per_step: Measured in a few real steps.
        mebibytes: Of memory.
    """

    steps: int | None
    discriminator_steps: int | None
    seconds: float | None
    seconds_per_step: float
    mebibytes: float


def show_plan(planned: PlannedStudy, *, json: bool, everything: bool = False) -> None:
    """Print what a run would do. The time is measured: a few real steps of one fleet of each kind.

    Arguments:
        planned: The study.
        json: Whether to print one JSON object, which holds every value.
        everything: Whether to print every value, and not only those that differ from the defaults.

    Raises:
        BadValue: It is planned for a GPU, and none is here.
    """
    if planned.device.type == "cuda" and not torch.cuda.is_available():
        raise BadValue("--dry-run measures steps on the device, and no GPU is here. Use it on a node that has one.")
    known: dict[tuple[str, int], Estimate] = {}
    estimates: list[Estimate] = []
    with threads_set(planned.threads):
        for fleet in planned.plan.fleets:
            kind = (planned.plan.slots(fleet)[0][0].label, len(fleet.slots))
            if kind not in known:
                known[kind] = _estimate(planned, fleet)
            estimates.append(known[kind])
    each = [estimate.seconds for estimate in estimates if estimate.seconds is not None]
    seconds = sum(each) / planned.workers if len(each) == len(estimates) else None
    if json:
        plan = {
            "settings": [setting.model_dump() for setting in planned.plan.recorded()[0]],
            "members": len(planned.plan.members),
            "fleets": [
                fleet.model_dump() | asdict(estimate)
                for fleet, estimate in zip(planned.plan.fleets, estimates, strict=True)
            ],
            "workers": planned.workers,
            "threads": planned.threads,
            "device": str(planned.device),
            "seconds": seconds,
            "missing": planned.missing,
        }
        typer.echo(jsonlib.dumps(plan))
        return
    _print(planned, estimates, seconds, everything=everything)


def _estimate(planned: PlannedStudy, fleet: FleetPlan) -> Estimate:
    slots, members = planned.plan.slots(fleet), {member.run: member for member in planned.plan.members}
    sample = planned.samples[members[fleet.slots[0]].setting]
    sheet = blueprint(slots, sample, Execution(route=fleet.route, device=planned.device))
    training = Fleet(
        sheet, _stand_in(sheet.sizes.batch, sample.shape) if planned.missing else planned.cache.dataset(slots[0][0])
    )
    each = sheet.schedule.updates(0)
    warm, timed = -(-_WARM // each), -(-_TIMED // each)
    updates, started = 0, time.perf_counter()
    for step in range(warm + timed):
        if step == warm:
            _wait_for(planned.device)
            updates, started = training.discriminator_steps, time.perf_counter()
        training.advance()
    _wait_for(planned.device)
    spent = (time.perf_counter() - started) / (training.discriminator_steps - updates)
    open_end = bool(planned.missing) and not slots[0][0].training.steps
    total = sheet.schedule.total(sheet.sizes.steps)
    return Estimate(
        steps=None if open_end else sheet.sizes.steps,
        discriminator_steps=None if open_end else total,
        seconds=None if open_end else spent * total,
        seconds_per_step=spent * each,
        mebibytes=bytes_per_member(sheet, sample) * len(slots) / 2**20,
    )


def _wait_for(device: torch.device) -> None:
    """Until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _stand_in(batch: int, shape: tuple[int, ...]) -> Dataset:
    """Noise of the samples' shape, where the data are not on this machine: a step takes as long."""
    noise = torch.rand(max(batch, 2), *shape) * 2 - 1
    return Dataset(noise, noise)


def _print(planned: PlannedStudy, estimates: list[Estimate], seconds: float | None, *, everything: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    settings, members = planned.plan.settings, planned.plan.members
    console.print(
        f"{len(members)} members: {len(settings)} settings × {len(members) // len(settings)} seeds, in "
        f"{len(estimates)} fleets, {planned.workers} at a time with {planned.threads} threads each on {planned.device}"
    )
    if planned.missing:
        console.print(
            f"The data are not on this machine; what depends on them is shown as '?': {planned.missing}", soft_wrap=True
        )
    table = Table("fleet", "setting", "members", "pads", "route", "steps", "MiB", "minutes", box=None, pad_edge=False)
    for estimate, known in zip(estimates, planned.plan.fleets, strict=True):
        labels = sorted({resolved.label for resolved, _ in planned.plan.slots(known)})
        label = labels[0] if len(labels) == 1 else f"{labels[0]} … ({len(labels)} settings)"
        table.add_row(
            known.id,
            label,
            str(len(known.runs)),
            str(known.pads),
            known.route,
            "?" if estimate.steps is None else f"{estimate.steps:,}",
            f"{estimate.mebibytes:.0f}",
            "?" if estimate.seconds is None else f"{estimate.seconds / 60:.1f}",
        )
    console.print(table)
    for note in dict.fromkeys(note for known in planned.plan.fleets for note in known.notes):
        console.print(f"note: {note}")
    if seconds is None:
        console.print(
            f"about {max(estimate.seconds_per_step for estimate in estimates):.3g} s a step; the number of steps depends on the data"
        )
    else:
        console.print(f"about {seconds / 60:.1f} minutes of training in all, without evaluations")
    for resolved in settings:
        _print_values(console, resolved, everything=everything)
    if not everything:
        console.print("Values that are not shown are defaults; --all shows them, too.")


def _print_values(console: Console, resolved: Resolved, *, everything: bool) -> None:
    from rich.table import Table

    table = Table("key", "value", "from", title=resolved.label, title_justify="left", box=None, pad_edge=False)
    for name, value in resolved.values.items():
        default = resolved.parts.keys[name].setting.default
        if everything or (value != default and resolved.sources[name] != "default"):
            table.add_row(name, str(value), resolved.sources[name])
    console.print(table)
