"""The report's tables, section by section: what each says, before anything is drawn or escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from gantlet.statistics import Compared
from gantlet.studies.record import SettingRecord

from .cells import Cell, Column, Kind, Table, estimate_cell, value_cell
from .paired import compared_with, criterion_note, difference_texts
from .read import StudyData
from .tables import estimates, floors_in
from .words import number, plain

__all__ = ["comparisons", "headline", "members", "settings", "title_of", "troubles"]

_MOST_MEMBERS = 2000  # rows of the table of members; the rest stays in runs.parquet
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
            lost = int(row.get(f"{name}_missing", 0))
            cells.append(estimate_cell(mean, row[f"{name}_low"], row[f"{name}_high"], rate=rate, missing=lost))
        rows.append(cells)
    if floors := floors_in(summary):
        known = [value_cell(floors[name]) if name in floors else Cell(plain(None), kind=_NUMBER) for name in quantities]
        rows.append(
            [Cell("real data", "in the place of samples", order="1e9"), Cell(plain(None), kind=_NUMBER), *known]
        )
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
    compared = compared_with(study)
    if not compared:
        return None
    names = list(dict.fromkeys(each.metric for each in compared))
    by_setting: dict[str, list[Compared]] = {}
    for each in compared:
        by_setting.setdefault(each.setting, []).append(each)
    columns = [Column("setting"), Column("shared seeds", kind=_NUMBER)]
    columns += [Column(title_of(study, name), kind=_NUMBER) for name in names]
    rows: list[list[Cell]] = []
    for label, cells in by_setting.items():
        shared = max(each.pair.n if each.pair else 0 for each in cells)
        differences = [_difference_cell(each, rate=each.metric in study.rates) for each in cells]
        rows.append([_setting_cell(study, label), Cell(str(shared), kind=_NUMBER), *differences])
    return Table(columns, rows, criterion_note(compared, mark="Bold"))


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


def _difference_cell(each: Compared, *, rate: bool) -> Cell:
    text, interval, p_value = difference_texts(each, rate=rate)
    size, unit = (100, " pp") if rate else (1, "")
    reach = f"detectable {_two_digits(size * each.detectable)}{unit}" if math.isfinite(each.detectable) else ""
    if rate and each.detectable > 1:  # of a rate no difference is that large
        reach = "none detectable"
    small = "\n".join(part for part in (interval, p_value, reach) if part)
    return Cell(text, small, kind=_NUMBER, strong=each.significant)


def _two_digits(size: float) -> str:
    """A size that is itself estimated, of a few pairs."""
    return number(size, size)


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
