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
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from gantlet.errors import Damaged, StoreError
from gantlet.figures.png import UNREADABLE, opened_png
from gantlet.files import lock_holder
from gantlet.places import command
from gantlet.training import checkpoint

from .checkpoints import last_step, read_checked
from .fleet_history import LOST
from .initial import check_initial
from .lost import Lost
from .record import FleetPlan, StudyRecord
from .store import ASIDE, OF_A_FLEET, Store
from .submissions import submissions
from .views import runs_are_written, runs_table

__all__ = ["FleetCheck", "StudyCheck", "stale_views", "verify_study"]

_OF_A_STUDY = {
    "study.json",
    "study.lock",
    "runs.parquet",
    "history.parquet",
    "views.json",
    "report.html",
    "fleets",
    "samples",
    "exports",
    "slurm",
    "tensorboard",
    "initial",
}
_OF_SLURM = re.compile(
    r"[0-9a-f]{16}\.json|submit\.lock|\d+(_\d+)?_(submission\.sh|submitted\.pkl|\d+_log\.(out|err)|\d+_result\.pkl)"
)
_OF_WEIGHTS = re.compile(rf"run-\d+-step-\d+\.safetensors({re.escape(LOST)})?")
_OF_SAMPLES = re.compile(r"(\d{9}|final|interpolation|neighbours|real|ownership)\.png")
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
        remedy: What to do about what is wrong.
    """

    folder: Path
    fleets: tuple[FleetCheck, ...] = ()
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    remedy: str = ""

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
        damage = f"{error} The fleets are not looked at without it."
        return StudyCheck(
            store.folder, damage=(damage,), remedy=f"Put a good copy of {store.folder}/study.json in its place."
        )
    used, lost = lock_holder(store.study_lock, shared=True), Lost(store)
    fleets = [report for planned in record.plan.fleets for report in _planned(store, record, planned, lost)]
    used = used or lock_holder(store.study_lock, shared=True)
    if used and any(report.damage for report in fleets):  # a file may have been replaced while it was read
        again = [report for planned in record.plan.fleets for report in _planned(store, record, planned, lost)]
        fleets = [report for report in again if not report.damage or report in fleets]
    damage, notes = [sentence for _, sentence in check_initial(store, record)], list[str]()
    _said(lambda: submissions(store), damage)
    known = {report.fleet for report in fleets} | {planned.id for planned in record.plan.fleets}
    for path, what, wrong in _strangers(store.folder, known):
        (damage if wrong else notes).append(f"{path} {what}.")
    by_hand = bool(damage)
    idle = not used and all(report.state == "finished" and not report.damage for report in fleets)
    for name, sentence in stale_views(store):
        (damage if idle else notes).append(sentence or f"{store.folder / name} is not what the fleets' files say.")
    if used:
        notes.append(f"The study is in use by {used}; its tables are written when a fleet ends.")
    remedy = f"What can be done does: {command('repair', store.folder)}"
    if by_hand:
        remedy = f"Links, special files and damaged images are for you to remove. {remedy}"
    return StudyCheck(store.folder, tuple(fleets), tuple(damage), tuple(notes), remedy)


def _leaves(store: Store, planned: FleetPlan) -> tuple[list[FleetPlan], list[str]]:
    """The fleets that a planned one was cut into, and what is wrong with the notes of where it was cut."""
    said: list[str] = []
    try:
        parts = store.split(planned)
    except Damaged as error:
        parts, said = None, [str(error)]
    if parts is None and store.has_halves(planned):
        parts = list(planned.halves)
        said = said or [f"{store.fleet(planned.id) / 'split.json'} is missing, and halves were trained."]
    if parts is None:
        return [planned], said
    below = [_leaves(store, part) for part in parts]
    return [leaf for leaves, _ in below for leaf in leaves], [*said, *(word for _, words in below for word in words)]


def _planned(store: Store, record: StudyRecord, planned: FleetPlan, lost: Lost) -> Iterator[FleetCheck]:
    try:
        if holder := lock_holder(store.lock(planned.id)):
            yield FleetCheck(planned.id, planned.runs, f"being trained by {holder}")
            return
        leaves, damage = _leaves(store, planned)
        if leaves == [planned]:
            found = _leaf(store, record, planned, lost)
            yield replace(found, damage=(*damage, *found.damage))
            return
        if damage:
            yield FleetCheck(planned.id, planned.runs, "cut in halves", tuple(damage))
        for leaf in leaves:
            yield _leaf(store, record, leaf, lost)
    except StoreError as error:  # a link in the place of a folder
        yield FleetCheck(planned.id, planned.runs, "not read", (str(error),))


def _leaf(store: Store, record: StudyRecord, fleet: FleetPlan, lost: Lost) -> FleetCheck:
    """One fleet that was not cut: its results, failure, checkpoints and history, by those who read them in training."""
    folder, damage, state = store.fleet(fleet.id), list[str](), "not begun"
    steps: list[int] = []
    for place in checkpoint.places(store.checkpoint(fleet.id)):
        try:
            steps.append(int(read_checked(store, fleet.id, record.lineage, place)[1]["step"]))
        except StoreError as error:
            damage.append(str(error))
    if steps:
        state = f"stopped at step {steps[0]:,}"
    failure = _said(lambda: store.failure(fleet.id), damage)
    if failure:
        state = f"failed: {failure.strip().splitlines()[-1][:200]}" if failure.strip() else "failed"
    rows = None
    if os.path.lexists(folder / "results.json"):
        rows = _said(lambda: store.results(fleet, record.lineage), damage)
        if rows is not None and store.finished(fleet, record.seals(fleet)):  # else it was made longer since
            state = "finished"
    elif gone := lost.of(fleet):
        damage.append(gone)
    last = last_step(rows or ())
    if damage:
        damage[-1] += f" {_consequence(store, record, fleet, steps, last)}"
    elif rows is not None and (not steps or steps[0] < last):
        damage.append(f"Fleet {fleet.id} has results, but its last checkpoint is missing.")
    return FleetCheck(fleet.id, fleet.runs, state, tuple(damage))


def _consequence(store: Store, record: StudyRecord, fleet: FleetPlan, steps: list[int], last: int) -> str:
    """What damage comes to: how far a fleet's good checkpoints reach, whose results reach to ``last`` if it has some."""
    if not last:
        back = f"goes on from step {steps[0]:,}" if steps else "begins again at step 0, without a good checkpoint"
        return f"Fleet {fleet.id} {back}."
    if last in steps:
        return f"The results and the last checkpoint of fleet {fleet.id} are good."
    with suppress(StoreError):
        place = store.checkpoint(fleet.id)
        if read_checked(store, fleet.id, record.lineage, place, history=False)[1]["step"] >= last:
            return f"The results and weights of fleet {fleet.id} are good, and part of its history is lost."
    left = f"its last good checkpoint is of step {steps[0]:,}" if steps else "no checkpoint of it is good"
    return f"The results of fleet {fleet.id} are good, but its weights at the end are lost: {left}."


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
                if made is runs_table and runs_are_written(store):
                    continue
                if not _same(made(store), store.frame(name)):
                    yield name, ""
            except StoreError as error:
                yield name, str(error)
    finally:
        log.disabled = before


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables have the same columns, column by column: those of a large study are large."""
    return list(one.columns) == list(other.columns) and all(
        _column(one, name).equals(_column(other, name)) for name in one
    )


def _column(table: pd.DataFrame, name: Any) -> Any:
    """A column as a Parquet file would hold it, in pieces, as pandas keeps texts: what is no number is missing."""
    found: Any = pa.array(table[name], from_pandas=True)
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _strangers(folder: Path, fleets: set[str]) -> Iterator[tuple[Path, str, bool]]:
    """What no study writes: the path, what it is, and whether that is wrong rather than worth a note."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        place = here.relative_to(folder).parts
        for name in sorted((*folders, *files)):
            path = here / name
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # renamed or deleted meanwhile by who trains here
                continue
            if stat.S_ISLNK(mode):
                yield path, "is a link, and links within a study are not followed", True
            elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                yield path, "is not a plain file, and is not read", True
            elif name.startswith(".") and "~" in name:
                yield path, "was left by a process that ended, or is being written", False
            elif not _own(place, name, fleets):
                yield path, "is not a study's own; it is left alone", False
            elif place[:1] == ("fleets",) and ASIDE.fullmatch(name):
                yield path, "was set aside", False
            elif len(place) == 2 and place[0] == "samples" and _OF_SAMPLES.fullmatch(name) and not _is_png(path):
                yield path, "is damaged: it is no whole PNG image. Reports and animations cannot show it", True
        folders[:] = [name for name in folders if not (here / name).is_symlink()]


def _is_png(path: Path) -> bool:
    """Whether an image is whole by its own checksums."""
    try:
        with opened_png(path) as image:
            image.verify()
    except (StoreError, *UNREADABLE):
        return not path.exists()  # deleted meanwhile
    return True


def _own(place: tuple[str, ...], name: str, fleets: set[str]) -> bool:
    if not place:
        return name in _OF_A_STUDY
    if place == ("slurm",):
        return bool(_OF_SLURM.fullmatch(name))
    if place == ("fleets",):
        return name.removesuffix(".lock") in fleets
    if len(place) == 2 and place[0] == "fleets":
        return place[1] not in fleets or bool(OF_A_FLEET.fullmatch(name) or ASIDE.fullmatch(name))
    if len(place) == 3 and place[0] == "fleets" and place[2] == "weights":
        return bool(_OF_WEIGHTS.fullmatch(name))
    return place != ("initial",) or bool(_OF_INITIAL.fullmatch(name))
