"""Reading a study folder: its record (``study.json``), one row per member, and the history of training.

A report may be made from a folder that somebody else sent, so nothing in it is trusted: the shape of every
part is checked here, and every page escapes what it shows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from gantlet.errors import StoreError, UnknownName
from gantlet.files import inside
from gantlet.studies.record import StudyRecord, read_record
from gantlet.studies.store import Store
from gantlet.studies.views import read_runs

__all__ = ["StudyData", "curves_by_name", "read_study"]

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
        only: The rates and metrics that are shown; all if empty.
    """

    folder: Path
    record: StudyRecord
    runs: pd.DataFrame
    given: pd.DataFrame | None = None
    only: tuple[str, ...] = ()

    @property
    def history(self) -> pd.DataFrame:
        """The long table run, step, name, value; read whenever it is asked for, as that of a large study takes much memory.

        Raises:
            StoreError: It is missing, unreadable, too long, or not what a study writes.
        """
        if self.given is not None:
            return self.given
        store = Store(self.folder)
        if _trained(store):
            return _typed(store.history(), self.folder / "fleets", _HISTORY)
        return _read_table(store, "history.parquet", _HISTORY)

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
        return [name for name in known if is_numeric_dtype(self.runs[name]) and self._is_shown(name)]

    @property
    def rates(self) -> list[str]:
        """``success`` and ``failure``, where this task knows what they are."""
        known = [name for name in _RATES if name in self.runs and self.runs[name].notna().any()]
        return [name for name in known if self._is_shown(name)]

    def narrowed(self, names: Sequence[str]) -> StudyData:
        """The same study with these rates and metrics alone, for a table that fits on a page.

        Raises:
            UnknownName: It has no such rate or metric.
        """
        known = [*self.rates, *self.metrics]
        for name in names:
            if name not in known:
                raise UnknownName("rate or metric of this study", name, known)
        return replace(self, only=tuple(names))

    def _is_shown(self, name: str) -> bool:
        return not self.only or name in self.only

    @cached_property
    def curves(self) -> dict[str, pd.DataFrame]:
        """Every quantity over training, name to a table member × step (missing after a member diverged).

        Raises:
            StoreError: The history cannot be read, or holds a rate that is not within 0 and 1.
        """
        found = curves_by_name(self.history)
        for name in _RATES:
            if name in found:
                self._check_rate(name, found[name])
        return found

    def _check_rate(self, name: str, table: pd.DataFrame) -> None:
        values = table.to_numpy()
        rows, columns = np.nonzero((values < 0) | (values > 1))
        if not len(rows):
            return
        run, step = int(table.index.to_numpy()[rows[0]]), int(table.columns.to_numpy()[columns[0]])
        fleet = next((fleet.id for fleet in self.record.plan.fleets if run in fleet.runs), "")
        place = self.folder / "fleets" / fleet if _trained(Store(self.folder)) else self.folder / "history.parquet"
        raise StoreError(
            f"'{place}' is not what a study writes: its history has {name}={values[rows[0], columns[0]]:g} of run {run} at step {step}; "
            "expected 0 to 1."
        )

    @cached_property
    def members(self) -> dict[str, pd.DataFrame]:
        """The rows of each setting, by run."""
        ordered = self.runs.sort_values("run")
        found = dict(iter(ordered.groupby("setting", sort=False)))
        return {label: found.get(label, ordered.iloc[:0]) for label in self.labels}


def curves_by_name(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of a long table run, step, name, value each quantity as a table member × step; of two values of a place the last.

    Example:
        >>> rows = pd.DataFrame({"run": [1, 1, 0], "step": [5, 9, 5], "name": ["a"] * 3, "value": [0.5, 0.25, 1.0]})
        >>> curves_by_name(rows)["a"].to_numpy().tolist()
        [[1.0, nan], [0.5, 0.25]]
    """
    codes, names = pd.factorize(history["name"])
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    places = np.split(np.argsort(codes, kind="stable"), ends[:-1]) if len(names) else []
    columns = [history[column].to_numpy() for column in ("run", "step", "value")]
    curves: dict[str, pd.DataFrame] = {}
    for name, place in zip(names, places, strict=True):
        run, step, value = (column[place] for column in columns)
        known = ~np.isnan(value)
        runs, row = np.unique(run[known], return_inverse=True)
        steps, column = np.unique(step[known], return_inverse=True)
        table = np.full((len(runs), len(steps)), np.nan)
        table[row, column] = value[known]
        index, across = pd.Index(runs, name="run"), pd.Index(steps, name="step")
        curves[str(name)] = pd.DataFrame(table, index=index, columns=across, copy=False)
    return curves


def read_study(folder: Path) -> StudyData:
    """Read a study folder.

    Raises:
        StoreError: A file is missing, unreadable, of a newer format, or not what a study writes.
    """
    record = read_record(folder / "study.json")
    store = Store(folder)
    if _trained(store):  # what the fleets wrote has checksums; the table for others to read has none
        runs = _typed(read_runs(store, record), folder / "fleets", _RUNS)
    else:
        runs = _read_table(store, "runs.parquet", _RUNS)
    unknown = set(runs["setting"].unique()) - {setting.label for setting in record.settings}
    if unknown:
        raise StoreError(
            f"'{folder}' does not fit together: its members have the setting '{sorted(unknown)[0]}', "
            "which study.json does not know."
        )
    return StudyData(folder=folder, record=record, runs=runs)


def _trained(store: Store) -> bool:
    """Whether the folder has the fleets' own files; one that was passed on without them has only its tables."""
    return inside(store.folder, "fleets").is_dir()


def _read_table(store: Store, name: str, columns: Mapping[str, type]) -> pd.DataFrame:
    if not os.path.lexists(store.folder / name):
        raise StoreError(f"The study '{store.folder}' has no {name}.")
    return _typed(store.frame(name), store.folder / name, columns)


def _typed(table: pd.DataFrame, place: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    missing = [column for column in columns if column not in table]
    if missing:
        raise StoreError(f"'{place}' is not what a study writes: it lacks the column {', '.join(missing)}.")
    empty = [column for column, kind in columns.items() if kind is str and table[column].isna().any()]
    if empty:
        raise StoreError(f"'{place}' is not what a study writes: a row has no {empty[0]}.")
    try:
        return table.astype(dict(columns))
    except (TypeError, ValueError) as error:
        raise StoreError(f"'{place}' is not what a study writes: {error}.") from error
