"""The grammar of a criterion: ``COLUMN>=VALUE[:k]`` or ``COLUMN<=VALUE[:k]``, held for the last k evaluations.

Several that must all hold are joined by ``+``.

Example:
    >>> parse_criterion("modes>=8:3")
    Criterion(column='modes', at_least=True, value=8.0, held=3)
    >>> str(parse_criterion("kid_efficientnet-lite0 <= 5e-3"))
    'kid_efficientnet-lite0<=0.005'
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gantlet.errors import BadValue

__all__ = ["Criterion", "parse_criteria", "parse_criterion"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_WHOLE = re.compile(rf"(?P<column>[^\s<>=:,]+)\s*(?P<sign>>=|<=)\s*(?P<value>{_NUMBER})(?:\s*:\s*(?P<held>\d{{1,9}}))?")


@dataclass(frozen=True)
class Criterion:
    """A threshold on a column of the results.

    Attributes:
        column: A column, such as ``modes``.
        at_least: Whether the column must reach the value from above (``>=``), else from below (``<=``).
        value: The threshold.
        held: At how many evaluations in a row, at least 1.
    """

    column: str
    at_least: bool
    value: float
    held: int = 1

    def __str__(self) -> str:
        """As it is written on the command line."""
        number = str(int(self.value)) if self.value.is_integer() and abs(self.value) < 1e15 else repr(self.value)
        return f"{self.column}{'>=' if self.at_least else '<='}{number}{f':{self.held}' if self.held > 1 else ''}"

    def met(self, value: object) -> bool:
        """Whether one value meets the threshold; nan, and what is no number, never does.

        Example:
            >>> rule = parse_criterion("modes>=8")
            >>> rule.met(8), rule.met(7), rule.met(float("nan")), rule.met(None)
            (True, False, False, False)
        """
        if not isinstance(value, (bool, int, float)):
            return False
        return value >= self.value if self.at_least else value <= self.value

    def holds(self, values: Sequence[float]) -> bool:
        """Whether each of the last ``held`` values meets the threshold; fewer values never hold.

        Arguments:
            values: The column at each evaluation so far, the oldest first.

        Example:
            >>> rule = parse_criterion("modes>=8:2")
            >>> rule.holds([8.0, 8.0]), rule.holds([8.0, 7.0]), rule.holds([8.0])
            (True, False, False)
        """
        return len(values) >= self.held and all(self.met(value) for value in values[-self.held :])


def parse_criterion(text: str) -> Criterion:
    """Read a criterion.

    Raises:
        BadValue: Not ``COLUMN>=VALUE[:k]`` or ``COLUMN<=VALUE[:k]`` with a finite number and a whole k from 1.
    """
    match = _WHOLE.fullmatch(text.strip())
    held = int(match["held"] or 1) if match else 0
    if match is None or held < 1 or not math.isfinite(float(match["value"])):
        raise BadValue(
            f"'{text}' is not a criterion: expected COLUMN>=VALUE or COLUMN<=VALUE with a finite number, and :k behind it "
            "for k evaluations in a row (k from 1), such as modes>=8:3."
        )
    return Criterion(match["column"], at_least=match["sign"] == ">=", value=float(match["value"]), held=held)


def parse_criteria(text: str) -> tuple[Criterion, ...]:
    """Read criteria that are joined by ``+``; none where the text is empty or ``none``.

    Raises:
        BadValue: One of them is not a criterion.

    Example:
        >>> [str(rule) for rule in parse_criteria("modes>=8+high_quality>=1e+0:2")]
        ['modes>=8', 'high_quality>=1:2']
    """
    # A plus sign before a letter joins; one before a digit belongs to a number.
    parts = re.split(r"\+(?=\s*[^\W\d])", text) if text.strip() not in ("", "none") else []
    return tuple(parse_criterion(part) for part in parts)
