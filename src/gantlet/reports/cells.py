"""A table as the page shows it: columns, rows of cells, and how each cell reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .words import number, plain, with_interval

__all__ = ["Cell", "Column", "Kind", "Table", "estimate_cell", "value_cell"]

Kind = Literal["", "number", "wide", "user", "bad"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: The text.
        small: The small print under it, line by line.
        order: The sort key; empty where nothing is known.
        kind: How it is set: ``number`` to the right, ``wide`` with line breaks, ``user``, ``bad`` in colour.
        rank: The setting whose swatch is shown before the text.
        strong: Whether it is set in bold.
    """

    text: str
    small: str = ""
    order: str | None = None
    kind: Kind = ""
    rank: int | None = None
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """One column's head: its title, the small print under it, and whether it holds numbers."""

    title: str
    small: str = ""
    kind: Kind = ""


@dataclass(frozen=True)
class Table:
    """Columns and rows; the first cell of a row is its head. The ``note`` stands under the table."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


def estimate_cell(estimate: float, low: float, high: float, *, rate: bool = False, missing: int = 0) -> Cell:
    """An estimate over its interval, and how many members had no value.

    Example:
        >>> estimate_cell(0.795, 0.734, 0.845, rate=True)
        Cell(text='79.5 %', small='[73.4, 84.5]', order='0.795', kind='number', rank=None, strong=False)
    """
    text, interval = with_interval(estimate, low, high, rate=rate)
    small = [interval] * bool(interval) + [f"{missing} missing"] * bool(missing)
    return Cell(text, "\n".join(small), order=_order(estimate), kind="number")


def value_cell(value: Any) -> Cell:
    """A member's own value: rounded where it is a fraction.

    Example:
        >>> value_cell(0.123456).text, value_cell(8).text, value_cell("finished").kind
        ('0.1235', '8', '')
    """
    if isinstance(value, (bool, str)) or not _is_number(value):
        return Cell(plain(value))
    return Cell(number(float(value)), order=_order(float(value)), kind="number")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _order(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else ""
