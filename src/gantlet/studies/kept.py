"""Weights that are kept beside the last checkpoint: one safetensors file per member and step, in ``fleets/<id>/weights/``.

A file is committed by the checkpoint written after it, whose state names it with its SHA-256, as it names its history. What
neither the last checkpoint nor the one before it names is deleted: the best of yesterday, or files of steps that are trained
again.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from gantlet.errors import Damaged, StoreError
from gantlet.files import clear_away, file_digest, inside, write_whole
from gantlet.leftovers import sweep
from gantlet.places import command
from gantlet.requests.keeping import Keeping
from gantlet.training import checkpoint
from gantlet.training.fleet import Fleet
from gantlet.training.member_weights import member_weights

from .fleet_history import LOST
from .record import FleetPlan
from .store import Store
from .weights_file import read_weights_file

__all__ = [
    "Best",
    "KeptFile",
    "WeightsKeeper",
    "best_of",
    "check_kept",
    "is_lost",
    "kept_files",
    "read_kept",
    "weights_folder",
]

_LOG = logging.getLogger("gantlet")
_NAME = re.compile(r"run-(\d{1,10})-step-(\d{1,18})\.safetensors")


class Best(NamedTuple):
    """The best evaluation of a member so far: its step, and the value by which it was chosen."""

    step: int
    value: float


class KeptFile(NamedTuple):
    """A file of kept weights: its name, its SHA-256, and whose they are."""

    name: str
    digest: str
    run: int
    step: int


@dataclass
class WeightsKeeper:
    """What a fleet keeps while it trains.

    Attributes:
        store: The study.
        fleet: The fleet.
        rule: What is to be kept.
        higher: Whether higher is better in the metric of the best.
        discriminator: Whether discriminators are kept, too: a metric that asks them can then be taken again.
        files: SHA-256 by name, of what was kept so far.
        best: By run.
    """

    store: Store
    fleet: FleetPlan
    rule: Keeping
    higher: bool = True
    discriminator: bool = False
    files: dict[str, str] = field(default_factory=dict[str, str])
    best: dict[int, Best] = field(default_factory=dict[int, Best])

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint says of it."""
        best = {str(run): [best.step, best.value] for run, best in self.best.items()}
        return {"kept": dict(self.files), "best": best}

    def restore(self, rest: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.files = {kept.name: kept.digest for kept in kept_files(rest)}
        self.best = best_of(rest)

    def due(self, step: int) -> bool:
        """Whether weights are kept after a step, whatever it is."""
        return bool(self.rule.every) and step % self.rule.every == 0

    def keep(self, fleet: Fleet, slots: Sequence[int]) -> None:
        """Keep the weights that some members have now.

        Raises:
            StoreError: They cannot be written.
        """
        for slot in slots:
            name = f"run-{self.fleet.slots[slot]}-step-{fleet.step}.safetensors"
            path = _path(self.store, self.fleet.id, name)
            tensors = member_weights(fleet, slot, discriminator=self.discriminator)
            advice = f"Make room or fix the permissions, then use: {command('resume', self.store.folder)}"
            write_whole(path, lambda fresh, tensors=tensors: _save(tensors, fresh), advice=advice)
            try:
                path.with_name(name + LOST).unlink(missing_ok=True)
                self.files[name] = file_digest(path)
            except OSError as error:
                raise StoreError(f"{path} cannot be read again: {error.strerror or error}. {advice}") from error

    def choose(self, fleet: Fleet, slots: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep what an evaluation calls for; of equally good ones the first is the best, and nan never is.

        Arguments:
            fleet: The fleet.
            slots: The members that are still trained.
            rows: The results of the evaluation, by slot.
        """
        better: list[int] = []
        for slot in slots if self.rule.best else ():
            run, value = self.fleet.slots[slot], rows[slot].get(self.rule.best)
            if not isinstance(value, (bool, int, float)) or math.isnan(value):
                continue
            known = self.best.get(run)
            if known is None or (value > known.value if self.higher else value < known.value):
                better.append(slot)
                if known is not None and not self._covers(known.step):
                    self.files.pop(f"run-{run}-step-{known.step}.safetensors", None)
                self.best[run] = Best(fleet.step, value)
        wanted = slots if self.rule.every_evaluation or self.due(fleet.step) else better
        self.keep(fleet, wanted)

    def tidy(self) -> None:
        """Delete what no checkpoint names, as far as that can be done: what is left goes after the next checkpoint."""
        folder = weights_folder(self.store, self.fleet.id)
        try:
            if not folder.is_dir():
                return
            sweep(folder)
            named = set(self.files)
            for place in checkpoint.places(self.store.checkpoint(self.fleet.id)):
                with suppress(Damaged):  # of one that cannot be read at the moment, all stay
                    named |= {kept.name for kept in kept_files(checkpoint.read_state(place))}
            for path in sorted(folder.iterdir()):
                if _NAME.fullmatch(path.name.removesuffix(LOST)) and path.name.removesuffix(LOST) not in named:
                    clear_away(path)
        except (OSError, StoreError) as error:
            _LOG.warning("note: weights that are needed no more stay in %s for now: %s", folder, error)

    def _covers(self, step: int) -> bool:
        return self.rule.every_evaluation or self.due(step)


def weights_folder(store: Store, fleet: str) -> Path:
    """Where a fleet's kept weights are."""
    return inside(store.folder, "fleets", fleet, "weights")


def kept_files(rest: Mapping[str, Any]) -> list[KeptFile]:
    """What a checkpoint's state says was kept, by run and step.

    Raises:
        Damaged: It is not what a fleet writes.
    """
    found: list[KeptFile] = []
    kept = rest.get("kept", {})
    for name, digest in kept.items() if isinstance(kept, dict) else [("", "")]:
        match = _NAME.fullmatch(str(name))
        if match is None:
            raise Damaged("A checkpoint does not name the weights it keeps as a fleet does.")
        found.append(KeptFile(str(name), str(digest), int(match.group(1)), int(match.group(2))))
    return sorted(found, key=lambda each: (each.run, each.step))


def best_of(rest: Mapping[str, Any]) -> dict[int, Best]:
    """What a checkpoint's state says were the best evaluations, by run.

    Raises:
        Damaged: It is not what a fleet writes.
    """
    try:
        pairs = {int(run): (step, value) for run, (step, value) in rest.get("best", {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise Damaged("A checkpoint does not name its best evaluations as a fleet does.") from error
    if not all(type(step) is int and isinstance(value, (int, float)) for step, value in pairs.values()):
        raise Damaged("A checkpoint does not name its best evaluations as a fleet does.")
    return {run: Best(step, value) for run, (step, value) in pairs.items()}


def check_kept(store: Store, fleet: str, rest: Mapping[str, Any]) -> Iterator[tuple[KeptFile, str]]:
    """The kept weights that a checkpoint names and that are not as they were written, each with a sentence.

    Those of which ``repair`` noted that they are lost count as known.

    Raises:
        Damaged: The checkpoint does not name them as a fleet does.
        StoreError: A file cannot be read at the moment.
    """
    files, best = kept_files(rest), best_of(rest)
    if missing := {(run, each.step) for run, each in best.items()} - {(kept.run, kept.step) for kept in files}:
        run, step = min(missing)
        raise Damaged(f"A checkpoint names step {step:,} as the best of run {run}, and keeps no weights of it.")
    for kept in files:
        path = _path(store, fleet, kept.name)
        if path.is_file():
            if _digest(path) != kept.digest:
                yield kept, f"The kept weights {path} are damaged."
        elif not is_lost(store, fleet, kept):
            yield kept, f"The kept weights {path} are missing."


def is_lost(store: Store, fleet: str, kept: KeptFile) -> bool:
    """Whether a member's kept weights are gone, and ``repair`` noted that they are."""
    path = _path(store, fleet, kept.name)
    return not path.is_file() and path.with_name(kept.name + LOST).is_file()


def read_kept(store: Store, fleet: str, kept: KeptFile) -> dict[str, Tensor]:
    """The tensors of a member's kept weights, checked; ``[K, ...]`` by their names in a checkpoint.

    Raises:
        Damaged: They are missing, or not what was written.
        StoreError: They cannot be read.
    """
    path = _path(store, fleet, kept.name)
    return read_weights_file(path, kept.digest, what="The kept weights", folder=store.folder)


def _path(store: Store, fleet: str, name: str) -> Path:
    return inside(store.folder, "fleets", fleet, "weights", name)


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    path.write_bytes(safetensors.torch.save(tensors))
