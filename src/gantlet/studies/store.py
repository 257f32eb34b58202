"""The study folder: everything that happened, in files that explain themselves.

Each fleet writes only its own folder, and every file appears whole (written beside its place, synced, renamed); readers
merge. So many workers may write one study at once. Whoever trains a fleet holds its lock file, which the system releases
however the process ends.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from gantlet.errors import Damaged, FolderInUse, StoreError
from gantlet.files import check_seal, clear_away, file_digest, inside, locked, read_regular, sealed, write_whole
from gantlet.leftovers import sweep
from gantlet.places import command, in_the_way

from .fleet_history import LOST, FleetHistory
from .history_table import joined_history, read_arrow, read_table, write_table
from .record import FleetPlan, StudyRecord, read_record

__all__ = ["ASIDE", "OF_A_FLEET", "Store"]

OF_A_FLEET = re.compile(
    r"checkpoint(\.old|\.new|\.gone)?|weights|history-\d+-\d+\.parquet|(results|failure|split)\.json"
)
"""The names of what a fleet writes into its folder."""

ASIDE = re.compile(
    rf"checkpoint\.damaged(\.\d+)?|((results|failure|split)\.json|weights)\.aside(\.\d+)?|history-\d+-\d+\.parquet{re.escape(LOST)}"
)
"""The names of what was set aside there."""

_ONWARD = {"search": "tune", "reproduction": "reproduce"}
"""By a fact of a record, the command that goes on with such a study."""

_LARGEST = 1 << 28  # bytes of a JSON file
_ROW = {"run": int, "task": str, "method": str, "setting": str, "seed": int, "status": str}  # what each result has
_PLAIN = {str, float, bool, type(None)}  # of a value of a result, what need not be looked at
_LOG = logging.getLogger("gantlet")


class Store:
    """One study folder.

    Arguments:
        folder: The study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # ------------------------------------------------------------------------------------------------ the study

    def create(self, record: StudyRecord, before: Callable[[], object] = lambda: None) -> None:
        """Make the folder and write ``study.json``; of several processes that do so at once, one does.

        Arguments:
            record: What it holds.
            before: Writes what must be there before it is.

        Raises:
            FolderInUse: The folder holds something already.
            StoreError: It cannot be written.
        """
        self.check_free()
        with locked(self.study_lock, wait=False, advice=self._advice()) as holder:
            if holder is not None:
                raise FolderInUse(
                    f"The folder {self.folder} is in use by {holder}; nothing was written. Choose another --out."
                )
            self.check_free()
            before()
            self.update(record)

    def update(self, record: StudyRecord) -> None:
        """Rewrite ``study.json``."""
        self._replace(self.folder / "study.json", partial(_write_text, text=record.to_json()))

    def check_free(self) -> None:
        """Make sure that a new study can be written here.

        Raises:
            FolderInUse: The folder holds something already.
        """
        try:
            content = self.folder.iterdir() if self.folder.is_dir() else ()
            other = in_the_way(self.folder)
            taken = any(path.name != self.study_lock.name for path in content)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise FolderInUse(
                f"{str(self.folder)[:80]} cannot be a study folder: {reason}. Choose another --out."
            ) from error
        if other:
            raise FolderInUse(f"{other}; --out wants a folder.")
        if taken:
            study = (self.folder / "study.json").exists()
            what = "a study" if study else "other files"
            hint = f"Continue it with: {command(self.onward, self.folder)}" if study else "Choose another --out."
            raise FolderInUse(f"The folder {self.folder} already holds {what}; nothing was written. {hint}")

    def record(self) -> StudyRecord:
        """What ``study.json`` holds.

        Raises:
            StoreError: There is no study, or it is damaged.
        """
        return read_record(self.folder / "study.json")

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file atomically."""
        text = json.dumps(sealed(content), indent=1, ensure_ascii=False, allow_nan=True)
        self._replace(self.folder / name, partial(_write_text, text=text))

    # ------------------------------------------------------------------------------------------------ fleets

    def fleet(self, fleet: str) -> Path:
        """A fleet's folder."""
        return inside(self.folder, "fleets", fleet)

    def checkpoint(self, fleet: str) -> Path:
        """A fleet's checkpoint folder."""
        return inside(self.folder, "fleets", fleet, "checkpoint")

    def lock(self, fleet: str) -> Path:
        """The file that whoever trains a fleet holds locked."""
        return inside(self.folder, "fleets", f"{fleet}.lock")

    @property
    def study_lock(self) -> Path:
        """The file that who trains here holds together with others, and who changes the plan alone."""
        return inside(self.folder, "study.lock")

    def finished(self, fleet: FleetPlan, seals: Collection[str] = ()) -> bool:
        """Whether a fleet's results are complete and as they were written; the arguments are those of :meth:`results`."""
        if not (self.fleet(fleet.id) / "results.json").exists():
            return False
        try:
            self.results(fleet, seals)
        except StoreError:
            return False
        return True

    def outgrown(self, fleet: FleetPlan, record: StudyRecord) -> bool:
        """Whether a fleet's results are those of the study before that fleet was made longer."""
        return self.finished(fleet, record.lineage) and not self.finished(fleet, record.seals(fleet))

    def results(self, fleet: FleetPlan, seals: Collection[str] = ()) -> list[dict[str, Any]]:
        """The rows of a finished fleet, one per member.

        Arguments:
            fleet: The fleet.
            seals: Digests of the records by which it may have been trained; none where that is not asked.

        Raises:
            Damaged: They are missing, damaged, or of another fleet or study.
        """
        path = self.fleet(fleet.id) / "results.json"
        found = self._read_json(path)
        rows = found.get("runs")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Damaged(f"{path} is not what a fleet writes.")
        for row in rows:
            odd = [name for name, kind in _ROW.items() if type(row.get(name, kind())) is not kind or "run" not in row]
            odd += [name for name, value in row.items() if type(value) not in _PLAIN and not _is_value(value)]
            if odd or row.get("status", "finished") not in ("finished", "diverged"):
                raise Damaged(f"{path} is not what a fleet writes: {(odd or ['status'])[0][:80]}.")
        if found.get("fleet", fleet.id) != fleet.id:
            raise Damaged(f"{path} is that of fleet {str(found['fleet'])[:40]}.")
        if sorted(row["run"] for row in rows) != sorted(fleet.runs):
            raise Damaged(f"{path} is that of other runs.")
        if seals and str(found.get("study") or "") not in seals:
            raise Damaged(f"{path} is that of another study, or of this one before it was edited.")
        return rows

    def write_results(self, fleet: str, rows: list[dict[str, Any]], *, study: str = "") -> None:
        """Declare a fleet finished; ``study`` is the digest of the record by which it was trained."""
        self.write_json(f"fleets/{fleet}/results.json", {"fleet": fleet, "study": study, "runs": rows})

    def failure(self, fleet: str) -> str | None:
        """Why a fleet failed in its last attempt, or None."""
        path = self.fleet(fleet) / "failure.json"
        return str(self._read_json(path).get("error", "")) if path.exists() else None

    def write_failure(self, fleet: str, error: str) -> None:
        """Record that a fleet failed."""
        self.write_json(f"fleets/{fleet}/failure.json", {"error": error})

    def forget_failure(self, fleet: str) -> None:
        """A fleet is tried again."""
        (self.fleet(fleet) / "failure.json").unlink(missing_ok=True)

    def split(self, fleet: FleetPlan) -> list[FleetPlan] | None:
        """The narrower fleets a fleet was cut into, or None.

        Raises:
            Damaged: It is not known into which.
        """
        path = self.fleet(fleet.id) / "split.json"
        if not path.exists():
            return None
        try:
            parts = [FleetPlan.model_validate(part) for part in self._read_json(path)["into"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{path} is not what a fleet writes.") from error
        if [(part.id, part.slots, part.pads) for part in parts] != [(h.id, h.slots, h.pads) for h in fleet.halves]:
            raise Damaged(f"{path} is that of another fleet.")
        return parts

    def write_split(self, fleet: str, parts: Sequence[FleetPlan], error: str) -> None:
        """Record that a fleet ran out of memory and was cut."""
        self.write_json(f"fleets/{fleet}/split.json", {"into": [part.model_dump() for part in parts], "error": error})

    def leaves(self, fleet: FleetPlan) -> list[FleetPlan]:
        """A planned fleet, or the narrower ones it was cut into when memory ran out.

        A damaged or missing note of the cut counts as it must have been where halves were trained, else as not cut.
        """
        try:
            split = self.split(fleet)
            if split is None and self.has_halves(fleet):
                raise Damaged(f"{self.fleet(fleet.id) / 'split.json'} is missing.")
        except Damaged as error:
            halves = self.has_halves(fleet)
            what = "cut in halves" if halves else "one that was not cut"
            _LOG.warning("note: %s Fleet %s counts as %s.", error, fleet.id, what)
            split = list(fleet.halves) if halves else None
        return [fleet] if split is None else [leaf for part in split for leaf in self.leaves(part)]

    def has_halves(self, fleet: FleetPlan) -> bool:
        """Whether a half of a fleet was trained."""
        return any(self.fleet(half.id).is_dir() for half in fleet.halves)

    def chunks(self, fleet: str) -> FleetHistory:
        """The chunks of history that a fleet wrote."""
        return FleetHistory(self.fleet(fleet), self._advice())

    def restart_fleet(self, fleet: str) -> None:
        """Forget whatever a fleet wrote; what else lies in its folder stays."""
        folder = self.fleet(fleet)
        sweep(folder)
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            if OF_A_FLEET.fullmatch(path.name) or ASIDE.fullmatch(path.name):
                with suppress(OSError):
                    clear_away(path)

    # ------------------------------------------------------------------------------------------------ views

    def history(self, fleets: Sequence[FleetPlan] | None = None) -> pd.DataFrame:
        """The merged long table: run, step, name, value; chunks that cannot be read are left out, with a warning.

        Arguments:
            fleets: The planned fleets whose members it is of; all by default.
        """
        record = self.record()
        leaves = [leaf for fleet in (record.plan.fleets if fleets is None else fleets) for leaf in self.leaves(fleet)]
        ended = ((leaf, self.finished(leaf, record.seals(leaf))) for leaf in leaves)
        return joined_history(
            [table for leaf, finished in ended for table in self.chunks(leaf.id).tables(finished=finished)]
        )

    def write_frame(self, name: str, frame: Any) -> str:
        """Write a data frame or an Arrow table as a Parquet file atomically.

        Returns:
            Its SHA-256, whatever another process may put in its place.
        """
        digests: list[str] = []

        def write(path: Path) -> None:
            write_table(path, table=frame)
            digests.append(file_digest(path))

        self._replace(self.folder / name, write)
        return digests[0]

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A Parquet file of the study as it is, or some of its columns.

        Raises:
            StoreError: It is missing, unreadable, not a plain file or too long.
        """
        return read_table(inside(self.folder, *name.split("/")), columns)

    def arrow(self, name: str) -> Any:
        """A Parquet file of the study as an Arrow table; the errors are those of :meth:`frame`."""
        return read_arrow(inside(self.folder, *name.split("/")))

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the study.

        Raises:
            StoreError: It is missing or damaged.
        """
        return self._read_json(inside(self.folder, name))

    def _read_json(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(read_regular(path, most=_LARGEST))
        except (ValueError, RecursionError) as error:
            raise Damaged(f"{path} cannot be read: {error}.") from error
        if not isinstance(found, dict):
            raise Damaged(f"{path} is not what a study writes.")
        check_seal(found, str(path))
        return found

    def _replace(self, path: Path, write: Callable[[Path], None]) -> None:
        try:
            write_whole(path, write)
        except StoreError as error:
            raise StoreError(f"{error} {self._advice(self.onward)}") from error

    @property
    def onward(self) -> str:
        """The command that goes on with the study: ``resume``, or that which began it and plans further members."""
        with suppress(StoreError):
            facts = self.record().facts
            return next((name for fact, name in _ONWARD.items() if fact in facts), "resume")
        return "resume"

    def _advice(self, onward: str = "resume") -> str:
        begun = os.path.lexists(self.folder / "study.json")
        then = f"then use: {command(onward, self.folder)}" if begun else "then start again."
        return f"Make room or fix the permissions, {then}"


def _is_value(value: object, depth: int = 2) -> bool:
    """Whether a table can hold it: nothing, a truth value, a number, a text, or lists of these."""
    if isinstance(value, list):
        return depth > 0 and all(_is_value(each, depth - 1) for each in value)
    return value is None or isinstance(value, (float, str)) or (isinstance(value, int) and abs(value) < 1 << 63)


def _write_text(path: Path, *, text: str) -> None:
    path.write_text(text, encoding="utf-8")
