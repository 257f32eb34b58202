"""What a part of the benchmarks found: a table, sentences on goals, and the numbers for a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = ["Section", "goal", "spread", "times"]


@dataclass
class Section:
    """One part's findings.

    Example:
        >>> print(Section("lengths", ("what", "cm"), [("span", "23"), ("a foot", "30.5")], ["By eye."]).text())
        lengths
          what      cm
          span      23
          a foot  30.5
        By eye.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list[str])
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])

    def text(self) -> str:
        """For a terminal: the first column flush left, the others flush right."""
        table = [self.header, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.header))]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        return "\n".join([self.title, *(f"  {line}".rstrip() for line in lines), *self.notes])


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median and the range.

    Example:
        >>> spread([1.0, 3.0, 2.0])
        '2.00 (1.00 to 3.00)'
    """
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def times(value: float) -> str:
    """A ratio.

    Example:
        >>> times(2.345)
        '2.35×'
    """
    return f"{value:.2f}×"


def goal(what: str, value: float, *, least: float | None = None, most: float | None = None) -> str:
    """Whether a goal is met, in a sentence.

    Example:
        >>> goal("Against the plain loop", 1.8, least=2.0)
        'Against the plain loop: 1.80, goal ≥ 2: missed.'
        >>> goal("Seconds until it answers", 0.21, most=0.3)
        'Seconds until it answers: 0.21, goal ≤ 0.3: met.'
    """
    asked = " and ".join(f"{sign} {bound:g}" for sign, bound in (("≥", least), ("≤", most)) if bound is not None)
    met = (least is None or value >= least) and (most is None or value <= most)
    return f"{what}: {value:.2f}, goal {asked}: {'met' if met else 'missed'}."
