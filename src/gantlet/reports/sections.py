"""The report's tables, section by section: what each says, before anything is drawn or escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from gantlet.errors import BadData, BadValue, UnknownName
from gantlet.statistics import Paired, compare
from gantlet.studies.record import SettingRecord

from .cells import Cell, Column, Kind, Table, estimate_cell, value_cell
from .read import StudyData
from .tables import estimates
from .words import number, plain

__all__ = ["comparisons", "headline", "members", "settings", "title_of", "troubles"]

_MOST_MEMBERS = 2000  # rows of the table of members; the rest stays in runs.parquet
_MOST_COMPARED = 40  # settings
_ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
_NUMBER: Kind = "number"


def headline(study: StudyData, summary: pd.DataFrame) -> Table:
    """One row per setting: its members, how often they succeed, and every metric's mean with its interval."""
    quantities = estimates(summary)
    columns = [Column("setting"), Column("members", kind=_NUMBER)]
    columns += [Column(title_of(study, name), kind=_NUMBER) for name in quantities]
    rows: list[list[Cell]] = []
    for row in summary.to_dict("records"):
        cells = [_setting_cell(study, str(row["setting"])), _count_cell(row)]
        for name, rate in quantities.items():
            mean = row[f"{name}_rate" if rate else f"{name}_mean"]
            cells.append(estimate_cell(mean, row[f"{name}_low"], row[f"{name}_high"], rate=rate))
        rows.append(cells)
    return Table(columns, rows)


def troubles(study: StudyData) -> Table | None:
    """The members that did not finish: when, and which player or error was the cause; None if all did."""
    lost = study.runs[~study.runs["status"].isin(["finished"])]
    if lost.empty:
        return None
    columns = [Column("run", kind=_NUMBER), Column("setting"), Column("seed", kind=_NUMBER), Column("status")]
    columns += [Column("step", kind=_NUMBER), Column("cause")]
    rows = [
        [
            value_cell(row["run"]),
            _setting_cell(study, row["setting"]),
            value_cell(row["seed"]),
            _status_cell(row["status"]),
            value_cell(_first_known(row.get("diverged_step"), row.get("generator_steps"))),
            Cell(plain(row.get("cause")), kind="wide"),
        ]
        for row in lost.sort_values("run").head(_MOST_MEMBERS).to_dict("records")
    ]
    return Table(columns, rows)


def comparisons(study: StudyData) -> Table | None:
    """Every setting against the first over the seeds that both have; None where there is only one."""
    first, *others = study.labels
    names = [*study.rates, *study.metrics]
    if not others or not names:
        return None
    columns = [Column("setting"), Column("shared seeds", kind=_NUMBER)]
    columns += [Column(title_of(study, name), kind=_NUMBER) for name in names]
    rows: list[list[Cell]] = []
    for label in others[:_MOST_COMPARED]:
        pairs = {name: _compared(study, label, first, name) for name in names}
        shared = max((pair.n for pair in pairs.values() if pair), default=0)
        cells = [_difference_cell(pair, rate=name in study.rates) for name, pair in pairs.items()]
        rows.append([_setting_cell(study, label), Cell(str(shared), kind=_NUMBER), *cells])
    return Table(columns, rows)


def members(study: StudyData) -> Table:
    """One row per member."""
    names = [*study.rates, *study.metrics]
    known = [
        name for name in ("generator_steps", "stop_step", "best_step", "images_seen", "seconds") if name in study.runs
    ]
    columns = [Column("run", kind=_NUMBER), Column("setting"), Column("seed", kind=_NUMBER), Column("status")]
    columns += [Column(title_of(study, name), kind=_NUMBER) for name in [*names, *known]]
    rows = [
        [
            value_cell(row["run"]),
            _setting_cell(study, row["setting"]),
            value_cell(row["seed"]),
            _status_cell(row["status"]),
            *(value_cell(row[name]) for name in [*names, *known]),
        ]
        for row in study.runs.sort_values("run").head(_MOST_MEMBERS).to_dict("records")
    ]
    return Table(columns, rows)


def settings(study: StudyData, *, decided: bool) -> Table:
    """Keys down, settings across, with the source of each value.

    With ``decided`` only the keys that the user set or in which the settings differ, otherwise all others.
    """
    records = study.record.settings
    keys = list(dict.fromkeys(key for record in records for key in record.values))
    shown = [key for key in keys if _was_decided(records, key) == decided]
    columns = [Column("key"), *(Column(record.label) for record in records)]
    rows = [[Cell(key), *(_value_cell(record, key) for record in records)] for key in shown]
    return Table(columns, rows)


def title_of(study: StudyData, name: str) -> str:
    """A metric's name with an arrow that says whether higher or lower is better."""
    record = study.record.metrics.get(name)
    better = record.better if record else {"success": "higher", "failure": "lower"}.get(name)
    return f"{name}{_ARROWS[better]}"


def _setting_cell(study: StudyData, label: str) -> Cell:
    record = next(setting for setting in study.record.settings if setting.label == label)
    rank = study.labels.index(label)
    return Cell(label, "" if label.startswith(record.method) else record.method, order=f"{rank}", rank=rank)


def _count_cell(row: dict[Any, Any]) -> Cell:
    lost = [f"{int(row[name])} {name}" for name in ("diverged", "unfinished") if row.get(name)]
    return Cell(str(int(row["seeds"])), ", ".join(lost), order=str(int(row["seeds"])), kind=_NUMBER)


def _status_cell(status: str) -> Cell:
    return Cell(status, kind="bad" if status in ("diverged", "failed") else "")


def _compared(study: StudyData, label: str, first: str, name: str) -> Paired | None:
    try:
        return compare(study.runs, label, first, name)
    except (BadData, BadValue, UnknownName):  # no shared seed, or a setting of which nothing has run yet
        return None


def _difference_cell(pair: Paired | None, *, rate: bool) -> Cell:
    if pair is None or not math.isfinite(pair.difference.estimate):
        return Cell(plain(None), kind=_NUMBER)
    size, unit = (100, " pp") if rate else (1, "")
    gap = pair.difference
    estimate, low, high = (size * part for part in (gap.estimate, gap.low, gap.high))
    half = (high - low) / 2
    shown = number(estimate, half)
    sign = "+" if estimate > 0 and shown != "0" else ""
    interval = f"[{number(low, half)}, {number(high, half)}]\n" if math.isfinite(half) else ""
    small = f"{interval}p {_probability(pair.p_value)}"
    return Cell(f"{sign}{shown}{unit}", small, kind=_NUMBER, strong=low > 0 or high < 0)


def _probability(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.0995 else f"{p_value:.2f}"


def _value_cell(record: SettingRecord, key: str) -> Cell:
    if key not in record.values:
        return Cell(plain(None))
    source = record.sources.get(key, "")
    return Cell(plain(record.values[key]), source, kind="user" if source == "user" else "")


def _was_decided(records: Sequence[SettingRecord], key: str) -> bool:
    values = {plain(record.values.get(key)) for record in records}
    return len(values) > 1 or any(record.sources.get(key) == "user" for record in records)


def _first_known(*values: Any) -> Any:
    return next((value for value in values if value is not None and not pd.isna(value)), None)
