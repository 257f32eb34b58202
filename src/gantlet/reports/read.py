"""Reading a study folder: its record (``study.json``), one row per member, and the history of training.

A report may be made from a folder that somebody else sent, so nothing in it is trusted: the shape of every
part is checked here, and every page escapes what it shows.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pandas.api.types import is_numeric_dtype

from gantlet.errors import StoreError
from gantlet.studies.record import StudyRecord, read_record

__all__ = ["StudyData", "read_study"]

_MOST_ROWS = 50_000_000
_RUNS = {"run": int, "task": str, "method": str, "setting": str, "seed": int, "status": str}
_HISTORY = {"run": int, "step": int, "name": str, "value": float}
_RATES = ("success", "failure")


@dataclass(frozen=True)
class StudyData:
    """What a study folder holds.

    Attributes:
        folder: The study's folder.
        record: The request, the plan, versions and machine.
        runs: One row per member.
        given: The history, where it is not to be read from the folder.
    """

    folder: Path
    record: StudyRecord
    runs: pd.DataFrame
    given: pd.DataFrame | None = None

    @cached_property
    def history(self) -> pd.DataFrame:
        """The long table run, step, name, value; read when it is first asked for.

        Raises:
            StoreError: It is missing, unreadable, too long, or not what a study writes.
        """
        return _read_table(self.folder / "history.parquet", _HISTORY) if self.given is None else self.given

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def labels(self) -> list[str]:
        """The settings' labels in the order of the request; their rank is their colour."""
        return [setting.label for setting in self.record.settings]

    @property
    def metrics(self) -> list[str]:
        """The metrics whose mean is reported; success and failure are reported as rates."""
        known = [name for name in self.record.metrics if name in self.runs and name not in _RATES]
        return [name for name in known if is_numeric_dtype(self.runs[name])]

    @property
    def rates(self) -> list[str]:
        """``success`` and ``failure``, where this task knows what they are."""
        return [name for name in _RATES if name in self.runs and self.runs[name].notna().any()]

    @cached_property
    def curves(self) -> dict[str, pd.DataFrame]:
        """Every quantity over training, name to a table member × step (missing after a member diverged)."""
        return {
            str(name): rows.pivot_table(index="run", columns="step", values="value", aggfunc="last")
            for name, rows in self.history.groupby("name", sort=False, observed=True)
        }

    @cached_property
    def members(self) -> dict[str, pd.DataFrame]:
        """The rows of each setting, by run."""
        ordered = self.runs.sort_values("run")
        return {label: ordered[ordered["setting"] == label] for label in self.labels}


def read_study(folder: Path) -> StudyData:
    """Read a study folder.

    Raises:
        StoreError: A file is missing, unreadable, of a newer format, or not what a study writes.
    """
    record = read_record(folder / "study.json")
    runs = _read_table(folder / "runs.parquet", _RUNS)
    unknown = set(runs["setting"]) - {setting.label for setting in record.settings}
    if unknown:
        raise StoreError(
            f"'{folder}' does not fit together: runs.parquet has the setting '{sorted(unknown)[0]}', "
            "which study.json does not know."
        )
    return StudyData(folder=folder, record=record, runs=runs)


def _read_table(path: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise StoreError(f"{path} is not a plain file, and is not read.")
        rows = pq.read_metadata(path).num_rows
        if rows > _MOST_ROWS:
            raise StoreError(f"{path} has {rows:,} rows; more than {_MOST_ROWS:,} are not read.")
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise StoreError(f"The study '{path.parent}' has no {path.name}.") from None
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise StoreError(f"'{path}' cannot be read: {error}.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise StoreError(f"'{path}' is not what a study writes: it lacks the column {', '.join(missing)}.")
    try:
        return table.astype(dict(columns))
    except (TypeError, ValueError) as error:
        raise StoreError(f"'{path}' is not what a study writes: {error}.") from error
