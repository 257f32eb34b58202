"""The merged tables of a study, from what each fleet wrote: ``runs.parquet`` and ``history.parquet``.

A study of thousands of members has hundreds of megabytes of results. So beside its tables stands ``views.json``: the size and
time of every file from which they were made, and the SHA-256 of ``runs.parquet``. While all are as they were, the table is
read in the place of the results.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gantlet.errors import StoreError
from gantlet.files import file_digest, inside

from .member_rows import MemberRows
from .record import FleetPlan, StudyRecord
from .store import Store

__all__ = ["LiveViews", "read_runs", "runs_are_written", "runs_table", "write_views"]

_CHEAP = 0.5  # seconds
_SHARE = 20
"""Where the tables take longer than that to write, they are left alone for so many times as long."""

_MANY = 2000
"""Members, from which on the table stands for the results while nothing has changed."""


def runs_table(store: Store, record: StudyRecord | None = None) -> pd.DataFrame:
    """The merged table of members; those without results are ``failed`` or ``stopped``.

    Arguments:
        store: The study.
        record: Its record, where that was read already.
    """
    return _rows(store, record or store.record()).frame()


def runs_are_written(store: Store) -> bool:
    """Whether ``runs.parquet`` holds what would be written now, to the last type, as is mostly so: told without data frames.

    Where it does not, it may still have the same values, as another version of pandas wrote them.

    Raises:
        StoreError: It cannot be read.
    """
    return store.arrow("runs.parquet").equals(_rows(store, store.record()).table(), check_metadata=True)


def _rows(store: Store, record: StudyRecord) -> MemberRows:
    by_run = record.member_by_run
    rows = MemberRows()
    for planned in record.plan.fleets:
        failure = _failure(store, planned.id)
        for fleet in store.leaves(planned):
            done, fault = _results(store, fleet, record)
            if done is not None:
                rows.add(done)
                continue
            for run in fleet.runs:
                setting = record.settings[by_run[run].setting]
                row = {
                    "run": run,
                    "task": setting.task,
                    "method": setting.method,
                    "setting": setting.label,
                    "seed": by_run[run].seed,
                    "status": "failed" if failure or fault else "stopped",
                    "cause": fault or _last_line(failure),
                }
                rows.add([row])
    return rows


def read_runs(store: Store, record: StudyRecord | None = None) -> pd.DataFrame:
    """The same table as :func:`runs_table`; that of a large study from ``runs.parquet``, while this is as it was made.

    Arguments:
        store: The study.
        record: Its record, where that was read already.

    Raises:
        StoreError: There is no study, or it is damaged.
    """
    record = record or store.record()
    if len(record.plan.members) >= _MANY:
        try:
            made = store.read_json("views.json")
            path = inside(store.folder, "runs.parquet")
            if made.get("files") == _fingerprint(store, record) and made.get("runs") == file_digest(path):
                return store.frame("runs.parquet")
        except (StoreError, OSError):  # not there, or not as it was written: the results tell
            pass
    return runs_table(store, record)


def _fingerprint(store: Store, record: StudyRecord) -> str:
    """A digest of the record, and of the name, size and time of every file that the table of members is made of.

    Raises:
        StoreError: The folders of the fleets cannot be read.
    """
    digest, folder = hashlib.sha256(record.seal.encode()), inside(store.folder, "fleets")
    try:
        for line in _listed(folder):
            digest.update(os.fsencode(line))
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _listed(folder: Path) -> Iterator[str]:
    for fleet in sorted(os.listdir(folder)) if folder.is_dir() else ():
        for name in ("results.json", "failure.json", "split.json"):
            try:
                found = os.lstat(folder / fleet / name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            yield f"{fleet}/{name} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n"


def _last_line(failure: str | None) -> str | None:
    return failure.strip().splitlines()[-1] if failure and failure.strip() else None


def _failure(store: Store, fleet: str) -> str | None:
    try:
        return store.failure(fleet)
    except StoreError as error:
        return str(error)


def _results(store: Store, fleet: FleetPlan, record: StudyRecord) -> tuple[list[dict[str, Any]] | None, str]:
    """The rows of a finished fleet, or None and what is wrong with them; those of a shorter plan are not wrong."""
    if not (store.fleet(fleet.id) / "results.json").exists():
        return None, ""
    try:
        return store.results(fleet, record.seals(fleet)), ""
    except StoreError as error:
        return None, "" if store.outgrown(fleet, record) else str(error)


def write_views(store: Store) -> None:
    """Rewrite ``runs.parquet`` and ``history.parquet`` from the fleets' files."""
    record = store.record()
    files = _fingerprint(store, record) if len(record.plan.members) >= _MANY else ""
    written = store.write_frame("runs.parquet", _rows(store, record).table())
    if files:
        store.write_json("views.json", {"files": files, "runs": written})
    store.write_frame("history.parquet", store.history())


_TABLES = ("runs.parquet", "history.parquet")


@dataclass
class LiveViews:
    """Keeps the merged tables of a study up to date while fleets end, without reading a large study at every end.

    Attributes:
        store: The study.
    """

    store: Store
    _due: float = 0.0
    _written: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Write the tables anew, unless that took long a short while ago."""
        began = time.monotonic()
        if began < self._due:
            return
        self._write()
        ended = time.monotonic()
        self._due = ended + _SHARE * (ended - began) if ended - began > _CHEAP else 0.0

    def finish(self) -> None:
        """Write the tables anew, unless they are as they were written and so are the fleets' files."""
        if not self._written or self._written != self._stamps("fleets") | self._stamps(*_TABLES):
            self._write()

    def _write(self) -> None:
        fleets = self._stamps("fleets")  # what changes from now on may not be in the tables
        write_views(self.store)
        self._written = fleets | self._stamps(*_TABLES)

    def _stamps(self, *names: str) -> frozenset[str]:
        """A line for each file of these names or in these folders, with its size and times."""
        found: set[str] = set()
        for place in (self.store.folder / name for name in names):
            for path in (place, *(Path(root) / name for root, _, held in os.walk(place) for name in held)):
                with suppress(OSError):
                    seen = os.lstat(path)
                    found.add(f"{path} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}")
        return frozenset(found)
