"""Reading a study folder: what was asked (``study.json``), one row per member, and the course of training.

A report may be made from a folder that somebody else sent, so nothing in it is trusted: the shape of every
part is checked here, and every page escapes what it shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pandas.api.types import is_numeric_dtype
from pydantic import TypeAdapter, ValidationError

from gantlet.errors import StoreError

__all__ = ["MetricRecord", "SettingRecord", "Spec", "StudyData", "TaskRecord", "read_study"]

_FORMAT = 1
_RUNS = {"run": int, "task": str, "method": str, "setting": str, "seed": int, "status": str}
_HISTORY = {"run": int, "step": int, "name": str, "value": float}
_RATES = ("success", "failure")


@dataclass(frozen=True)
class TaskRecord:
    """The task of a study: its name and one line about it."""

    name: str
    summary: str = ""


@dataclass(frozen=True)
class SettingRecord:
    """One setting of the grid: its label, its method, every resolved value and who decided it."""

    label: str
    method: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sources: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class MetricRecord:
    """One metric: what it is in a line, and which way is up."""

    help: str = ""
    better: Literal["higher", "lower"] | None = None


@dataclass(frozen=True)
class Spec:
    """What ``study.json`` says."""

    gantlet: str
    command: str
    created: str
    task: TaskRecord
    settings: list[SettingRecord]
    metrics: dict[str, MetricRecord]
    members: int
    note: str = ""
    git: str | None = None
    versions: dict[str, Any] = field(default_factory=dict[str, Any])
    machine: dict[str, Any] = field(default_factory=dict[str, Any])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class StudyData:
    """A study as it lies in its folder.

    Attributes:
        folder: Where it lies.
        spec: What was asked, by what, on what.
        runs: One row per member.
        history: The long table run, step, name, value.
    """

    folder: Path
    spec: Spec
    runs: pd.DataFrame
    history: pd.DataFrame

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def labels(self) -> list[str]:
        """The settings' labels in the order in which they were asked for; their rank is their colour."""
        return [setting.label for setting in self.spec.settings]

    @property
    def metrics(self) -> list[str]:
        """The metrics whose mean is reported; success and failure are reported as rates."""
        known = [name for name in self.spec.metrics if name in self.runs and name not in _RATES]
        return [name for name in known if is_numeric_dtype(self.runs[name])]

    @property
    def rates(self) -> list[str]:
        """``success`` and ``failure``, where this task knows what they are."""
        return [name for name in _RATES if name in self.runs and self.runs[name].notna().any()]

    @cached_property
    def curves(self) -> dict[str, pd.DataFrame]:
        """Every quantity over training, name to a table member × step (missing where a member had left)."""
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
    spec = _read_spec(folder / "study.json")
    runs = _read_table(folder / "runs.parquet", _RUNS)
    history = _read_table(folder / "history.parquet", _HISTORY)
    unknown = set(runs["setting"]) - {setting.label for setting in spec.settings}
    if unknown:
        raise StoreError(
            f"'{folder}' does not fit together: runs.parquet has the setting '{sorted(unknown)[0]}', "
            "which study.json does not know."
        )
    return StudyData(folder=folder, spec=spec, runs=runs, history=history)


def _read_spec(path: Path) -> Spec:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"'{path.parent}' is not a study: it has no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"'{path}' cannot be read: {error}.") from error
    form = found.get("format") if isinstance(found, dict) else None
    if form != _FORMAT:
        raise StoreError(f"'{path}' has format {form}; this gantlet reads format {_FORMAT}.")
    try:
        return TypeAdapter(Spec).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"'{path}' is not what a study writes: {where}: {first['msg']}.") from None


def _read_table(path: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    try:
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
