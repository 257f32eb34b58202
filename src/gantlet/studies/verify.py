"""``gantlet verify``: reads everything in a study folder, imports and writes nothing, and says what is wrong with it.

It has no checks of its own: the readers that train, show and load a study are called one after another, and what they
refuse is told.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from gantlet.errors import Damaged, StoreError
from gantlet.files import lock_holder
from gantlet.training import checkpoint

from .checkpoints import last_step, read_checked
from .initial import check_initial
from .record import FleetPlan, StudyRecord
from .store import LOST, Store
from .views import runs_table

__all__ = ["FleetCheck", "StudyCheck", "stale_views", "verify_study"]

_OF_A_FLEET = re.compile(r"checkpoint(\.old|\.new)?|weights|history-\d+-\d+\.parquet|(results|failure|split)\.json")
_ASIDE = re.compile(
    rf"checkpoint\.damaged(\.\d+)?|(results|failure|split)\.json\.aside(\.\d+)?|history-\d+-\d+\.parquet{re.escape(LOST)}"
)
_OF_A_STUDY = {
    "study.json",
    "study.lock",
    "runs.parquet",
    "history.parquet",
    "report.html",
    "fleets",
    "samples",
    "tensorboard",
    "initial",
}
_OF_WEIGHTS = re.compile(rf"run-\d+-step-\d+\.safetensors({re.escape(LOST)})?")
_OF_INITIAL = re.compile(r"[0-9a-f]{16}\.safetensors")


@dataclass(frozen=True)
class FleetCheck:
    """What was found of one fleet.

    Attributes:
        fleet: Its id.
        runs: Its members.
        state: How far it is, in a few words.
        damage: A sentence for each thing that is wrong.
    """

    fleet: str
    runs: tuple[int, ...]
    state: str
    damage: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyCheck:
    """What was found in a study folder.

    Attributes:
        folder: The folder.
        fleets: By fleet.
        damage: A sentence for each thing that is wrong beside them.
        notes: What is worth knowing and not wrong: files of others, leftovers of processes that were killed.
    """

    folder: Path
    fleets: tuple[FleetCheck, ...] = ()
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that is wrong, a sentence each; empty for a folder that is whole."""
        return (*self.damage, *(sentence for fleet in self.fleets for sentence in fleet.damage))


def verify_study(folder: str | Path) -> StudyCheck:
    """Read everything in a study folder and say what is wrong; nothing is imported, and nothing is written.

    Arguments:
        folder: A study folder, of a study that is finished, stopped or running.

    Raises:
        StoreError: There is no study, or its record cannot be read.
    """
    store = Store(Path(folder))
    try:
        record = store.record()
    except Damaged as error:
        return StudyCheck(store.folder, damage=(f"{error} The fleets are not looked at without it.",))
    fleets = [report for planned in record.plan.fleets for report in _planned(store, record, planned)]
    damage, notes = [sentence for _, sentence in check_initial(store, record)], list[str]()
    known = {report.fleet for report in fleets} | {planned.id for planned in record.plan.fleets}
    for path, what, wrong in _strangers(store.folder, known):
        (damage if wrong else notes).append(f"{path} {what}.")
    idle = all(report.state == "finished" and not report.damage for report in fleets)
    for name, sentence in stale_views(store):
        (damage if idle else notes).append(sentence or f"{store.folder / name} is not what the fleets' files say.")
    return StudyCheck(store.folder, tuple(fleets), tuple(damage), tuple(notes))


def _leaves(store: Store, planned: FleetPlan) -> tuple[list[FleetPlan], list[str]]:
    """The fleets that a planned one was cut into, and what is wrong with the notes of where it was cut."""
    try:
        parts = store.split(planned)
    except StoreError as error:
        return [planned], [str(error)]
    if parts is None:
        if store.has_halves(planned):
            return [planned], [f"{store.fleet(planned.id) / 'split.json'} is missing, and halves were trained."]
        return [planned], []
    below = [_leaves(store, part) for part in parts]
    return [leaf for leaves, _ in below for leaf in leaves], [word for _, words in below for word in words]


def _planned(store: Store, record: StudyRecord, planned: FleetPlan) -> Iterator[FleetCheck]:
    try:
        if holder := lock_holder(store.lock(planned.id)):
            yield FleetCheck(planned.id, planned.runs, f"being trained by {holder}")
            return
        leaves, damage = _leaves(store, planned)
        if damage:
            yield FleetCheck(planned.id, planned.runs, "cut in halves", tuple(damage))
        for leaf in leaves if leaves != [planned] or not damage else []:
            yield _leaf(store, record, leaf)
    except StoreError as error:  # a link in the place of a folder
        yield FleetCheck(planned.id, planned.runs, "not read", (str(error),))


def _leaf(store: Store, record: StudyRecord, fleet: FleetPlan) -> FleetCheck:
    """One fleet that was not cut: its results, failure, checkpoints and history, by those who read them in training."""
    folder, damage, state = store.fleet(fleet.id), list[str](), "not begun"
    steps: list[int] = []
    for place in checkpoint.places(store.checkpoint(fleet.id)):
        try:
            steps.append(int(read_checked(store, fleet.id, record.lineage, place)[1]["step"]))
        except StoreError as error:
            damage.append(str(error))
    if damage:
        back = f"goes back to step {steps[0]:,}" if steps else "has no good checkpoint left"
        damage[-1] += f" Fleet {fleet.id} {back}."
    if steps:
        state = f"stopped at step {steps[0]:,}"
    failure = _said(lambda: store.failure(fleet.id), damage)
    if failure:
        state = f"failed: {failure.strip().splitlines()[-1][:200]}" if failure.strip() else "failed"
    if os.path.lexists(folder / "results.json"):
        rows = _said(lambda: store.results(fleet, record.lineage), damage)
        if rows is not None and store.finished(fleet, record.seals(fleet)):  # else it was made longer since
            state = "finished"
        if rows is not None and not damage and (not steps or steps[0] < last_step(rows)):
            damage.append(f"Fleet {fleet.id} has results, but its last checkpoint is missing.")
    return FleetCheck(fleet.id, fleet.runs, state, tuple(damage))


def _said(read: Any, damage: list[str]) -> Any:
    """What a reader returns; where it refuses, None, and its sentence is added."""
    try:
        return read()
    except StoreError as error:
        damage.append(str(error))
        return None


def stale_views(store: Store) -> Iterator[tuple[str, str]]:
    """The tables that are not what the fleets' files say, with a sentence where they cannot be read at all."""
    log = logging.getLogger("gantlet")
    before, log.disabled = log.disabled, True  # what the fleets' files lack is told by fleet
    try:
        for name, made in (("runs.parquet", runs_table), ("history.parquet", Store.history)):
            if not os.path.lexists(store.folder / name):
                yield name, f"{store.folder / name} is missing."
                continue
            try:
                tables = [
                    pa.Table.from_pandas(frame, preserve_index=False) for frame in (store.frame(name), made(store))
                ]
                if not tables[0].equals(tables[1]):
                    yield name, ""
            except StoreError as error:
                yield name, str(error)
    finally:
        log.disabled = before


def _strangers(folder: Path, fleets: set[str]) -> Iterator[tuple[Path, str, bool]]:
    """What no study writes: the path, what it is, and whether that is wrong rather than worth a note."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        place = here.relative_to(folder).parts
        for name in sorted((*folders, *files)):
            path = here / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield path, "is a link, and links within a study are not followed", True
            elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                yield path, "is not a plain file, and is not read", True
            elif name.startswith(".") and "~" in name:
                yield path, "was left by a process that ended, or is being written", False
            elif not _own(place, name, fleets):
                yield path, "is not a study's own; it is left alone", False
            elif place[:1] == ("fleets",) and _ASIDE.fullmatch(name):
                yield path, "was set aside", False
        folders[:] = [name for name in folders if not (here / name).is_symlink()]


def _own(place: tuple[str, ...], name: str, fleets: set[str]) -> bool:
    if not place:
        return name in _OF_A_STUDY
    if place == ("fleets",):
        return name.removesuffix(".lock") in fleets
    if len(place) == 2 and place[0] == "fleets":
        return place[1] not in fleets or bool(_OF_A_FLEET.fullmatch(name) or _ASIDE.fullmatch(name))
    if len(place) == 3 and place[0] == "fleets" and place[2] == "weights":
        return bool(_OF_WEIGHTS.fullmatch(name))
    return place != ("initial",) or bool(_OF_INITIAL.fullmatch(name))
