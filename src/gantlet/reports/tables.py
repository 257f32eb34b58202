"""The summary as a table: rates and means with their intervals, for a terminal, a file or a program.

``table`` and ``markdown`` are for readers: an estimate and its interval share a cell and are rounded to what
the interval leaves of them. ``csv`` and ``json`` are for programs: every number stands alone and in full.
"""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Container, Sequence
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gantlet.errors import BadValue
from gantlet.statistics import Aggregate, summarise

from .read import StudyData
from .value_cards import cards_of
from .words import MISSING, number, plain, with_interval

__all__ = ["FORMATS", "Format", "estimates", "floors_in", "interval_ends", "readable", "render", "summary_table"]

Format = Literal["table", "csv", "json", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "csv", "json", "markdown")

_RATE, _MEAN, _IQM, _FLOOR = "_rate", "_mean", "_iqm", "_floor"
_WIDTH = 100  # characters, where the terminal does not say


def summary_table(study: StudyData, aggregate: Aggregate = "mean") -> pd.DataFrame:
    """One row per setting, in the order of the request.

    Columns: task, method, setting, seeds, finished, diverged, unfinished; per rate ``<name>_rate``,
    ``<name>_low``, ``<name>_high``; per metric the same with ``_mean``. A rate that the task does not know is
    left out; ``<name>_missing`` counts members without a value, where there are any; ``<name>_floor`` is what real samples score. With ``iqm`` metrics have ``_iqm`` instead
    of ``_mean``: the interquartile mean.
    """
    frame = summarise(study.runs, metrics=study.metrics, aggregate=aggregate)
    order = {label: rank for rank, label in enumerate(study.labels)}
    frame = frame.iloc[frame["setting"].map(order).argsort(kind="stable")].reset_index(drop=True)
    unknown = [name for name in ("success", "failure") if name not in study.rates]
    ends = (_RATE, "_low", "_high", "_missing")
    frame = frame.drop(columns=[name + end for name in unknown for end in ends], errors="ignore")
    floors = {f"{name}{_FLOOR}": card.floor for name, card in cards_of(study).items() if card.floor is not None}
    return frame.assign(**floors)


def floors_in(frame: pd.DataFrame) -> dict[str, float]:
    """The floors of a summary's quantities: what real samples score, where that is known.

    Example:
        >>> floors_in(pd.DataFrame({"kl_mean": [0.5], "kl_low": [0.4], "kl_high": [0.6], "kl_floor": [0.001]}))
        {'kl': 0.001}
    """
    known = {name: frame[f"{name}{_FLOOR}"].dropna() for name in estimates(frame) if f"{name}{_FLOOR}" in frame}
    return {name: float(values.iloc[0]) for name, values in known.items() if len(values)}


def estimates(frame: pd.DataFrame) -> dict[str, bool]:
    """The quantities of a summary that have an interval, in order: name, and whether it is a rate.

    Example:
        >>> estimates(pd.DataFrame(columns=["dropout_rate", "success_rate", "success_low", "success_high"]))
        {'success': True}
    """
    columns = [str(column) for column in frame.columns]
    rates: dict[str, bool] = {}
    for column in columns:
        name, cut, end = column.rpartition("_")
        if f"_{end}" in (_RATE, _MEAN, _IQM) and cut and {f"{name}_low", f"{name}_high"} <= {*columns}:
            rates[name] = f"_{end}" == _RATE
    return rates


def interval_ends(columns: Container[Any], name: str, *, rate: bool) -> list[str]:
    """The three columns of a quantity of a summary: its estimate and its limits.

    Example:
        >>> interval_ends({"kl_iqm"}, "kl", rate=False)
        ['kl_iqm', 'kl_low', 'kl_high']
    """
    kind = _RATE if rate else _IQM if f"{name}{_IQM}" in columns else _MEAN
    return [f"{name}{kind}", f"{name}_low", f"{name}_high"]


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """A summary with one text per cell, such as ``79.5 % [73.4, 84.5]``; floors are a last row, ``real data``."""
    quantities = estimates(frame)
    taken = {f"{name}{end}" for name in quantities for end in (_RATE, _MEAN, _IQM, _FLOOR, "_low", "_high", "_missing")}
    kept = [column for column in frame.columns if column not in taken and not _says_nothing(frame, column)]
    cells = {str(column): [plain(value) for value in frame[column]] for column in kept}
    for name, rate in quantities.items():
        ends = interval_ends(frame, name, rate=rate)
        # Of several studies pooled, one that misses nothing has no count.
        missing = frame.get(f"{name}_missing", pd.Series(0, frame.index)).fillna(0).astype(int)
        cells[name] = [
            " ".join([*with_interval(*row, rate=rate), f"({lost} missing)" if lost else ""]).strip()
            for row, lost in zip(frame[ends].to_numpy(float), missing, strict=True)
        ]
    parts = frame.groupby("study", sort=False).groups.values() if "study" in frame else [frame.index]
    texts, own = pd.DataFrame(cells, index=frame.index), [floors_in(frame.loc[part]) for part in parts]
    real = [
        {
            **dict.fromkeys(texts, MISSING),
            **{name: number(value) for name, value in floors.items()},
            "setting": "real data",
        }
        | ({"study": texts.loc[part, "study"].iloc[0]} if "study" in texts else {})
        for part, floors in zip(parts, own, strict=True)
        if floors and "setting" in texts
    ]
    return pd.concat([texts, pd.DataFrame(real)], ignore_index=True) if real else texts


def render(frame: pd.DataFrame, format: Format, *, width: int | None = None) -> str:
    """A summary as text.

    Arguments:
        frame: What :func:`summary_table` gave.
        format: ``table`` (for a terminal of ``width`` characters), ``csv``, ``json`` or ``markdown``.
        width: The terminal's width; by default what the terminal says, or 100.

    Raises:
        BadValue: Another format.

    Example:
        >>> row = {"setting": ["alpha"], "kl_mean": [0.51], "kl_low": [0.48], "kl_high": [0.54]}
        >>> print(render(pd.DataFrame(row), "markdown"))
        | setting | kl |
        | --- | --- |
        | alpha | 0.510 [0.480, 0.540] |
    """
    if format == "csv":
        return frame.to_csv(index=False)
    if format == "json":
        return json.dumps([_finite(row) for row in frame.to_dict("records")], indent=1, ensure_ascii=False)
    if format == "markdown":
        return _markdown(readable(frame))
    if format == "table":
        return _tables(readable(frame), width or shutil.get_terminal_size((_WIDTH, 0)).columns)
    raise BadValue(f"format={format} is not one of {', '.join(FORMATS)}.")


def _says_nothing(frame: pd.DataFrame, column: Any) -> bool:
    if column in ("diverged", "unfinished"):
        return bool((frame[column] == 0).all())
    if column == "finished":
        return "seeds" in frame and bool((frame[column] == frame["seeds"]).all())
    if column == "method":  # a setting's label begins with its method
        return "setting" in frame and bool((frame[column] == frame["setting"].str.split().str[0]).all())
    return column == "task" and frame[column].nunique() == 1


def _finite(row: dict[Any, Any]) -> dict[str, Any]:
    """A row that JSON can hold: what is not a finite number becomes null."""
    values = {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }


def _markdown(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _tables(frame: pd.DataFrame, width: int) -> str:
    """The table, cut into several that each repeat the setting where it is wider than the terminal."""
    parts: list[str] = []
    for columns in _cut(frame, width):
        rows = [columns, *([str(cell) for cell in row] for row in frame[columns].to_numpy().tolist())]
        parts.append(_fitting(rows, width) or _folded(rows, width))
    return "".join(parts).rstrip("\n")


def _fitting(rows: Sequence[Sequence[str]], width: int) -> str:
    """What :func:`_folded` makes, in a tenth of the time, where each cell is a line of simple characters that fits; else nothing."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fits = min(wide) > 0 and sum(wide) + 3 * len(wide) - 1 <= width
    if not fits or not all(_is_simple(cell) for row in rows for cell in row):
        return ""
    lines = [
        "   ".join([row[0].ljust(wide[0]), *(cell.rjust(size) for cell, size in zip(row[1:], wide[1:], strict=True))])
        for row in rows
    ]
    rule = "─" * len(lines[0])
    return "".join(f" {line} \n" for line in [" " * len(rule), lines[0], rule, *lines[1:], " " * len(rule)])


def _is_simple(cell: str) -> bool:
    """Whether each character of a text takes one place of a terminal."""
    return cell.isprintable() and (cell.isascii() or all(cell_len(mark) == 1 for mark in cell))


def _folded(rows: Sequence[Sequence[str]], width: int) -> str:
    """A table whose cells take several lines where it would be too wide."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(_table(rows))
    return captured.get()


def _cut(frame: pd.DataFrame, width: int) -> list[list[str]]:
    sizes = {str(name): max(len(text) for text in [str(name), *frame[name]]) + 3 for name in frame}
    first = next((name for name in ("run", "setting") if name in sizes), str(frame.columns[0]))
    parts: list[list[str]] = [[]]
    for name, size in sizes.items():
        if name == first:
            continue
        if parts[-1] and sizes[first] + sum(sizes[other] for other in parts[-1]) + size > width:
            parts.append([])
        parts[-1].append(name)
    return [[first, *part] for part in parts]


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(rows[0]):
        table.add_column(Text(name), justify="left" if index == 0 else "right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))  # Text, because a label may hold Rich's markup
    return table
