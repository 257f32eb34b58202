"""The grammar of search spaces: ``KEY=LOW..HIGH``, ``KEY=LOW..HIGH:log``, and ``KEY=A,B,C`` for a choice.

Example:
    >>> parse_dimension("lr=1e-5..1e-2:log")
    Dimension(keys=('lr',), low=1e-05, high=0.01, log=True, choices=())
    >>> parse_dimension("network=mlp,stackelberg").choices
    ('mlp', 'stackelberg')
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gantlet.errors import BadGrid
from gantlet.settings import Scalar

from .aliases import PLAYERS, renamed
from .grid import Axis, parse_axis
from .parts import Key

__all__ = ["Dimension", "check_space", "draw", "parse_dimension", "point_values", "real_keys", "spelled"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(:log)?")
_ENDS = re.compile(r"[^/\\,]*\.\.[^/\\,]*")  # meant as a range; a path such as ../weights is not
_DIGITS = 4  # significant ones of a drawn number, so that a setting can be typed again


@dataclass(frozen=True)
class Dimension:
    """One dimension of a search space: keys that move together (nearly always one) over a range or some choices.

    Attributes:
        keys: The keys of the command line.
        low: The lower end; meaningless where there are choices.
        high: The upper end, included.
        log: Whether it is searched uniformly in the logarithm.
        choices: The values, where it is no range.
    """

    keys: tuple[str, ...]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The keys as they are written."""
        return "+".join(self.keys)

    @property
    def text(self) -> str:
        """The word that means this dimension."""
        if self.choices:
            return f"{self.name}={','.join(self.choices)}"
        return f"{self.name}={self.low!r}..{self.high!r}{':log' if self.log else ''}"


def parse_dimension(text: str) -> Dimension | Axis:
    """Read one word of the command line; one that gives a single value is no dimension, but an axis of a grid.

    Raises:
        BadGrid: No ``=``, no key, a range without extent, a logarithm of what is not positive, or a value that is given twice.
    """
    left, _, right = text.partition("=")
    match = _RANGE.fullmatch(right.strip())
    if match is None:
        if _ENDS.fullmatch(right):
            raise BadGrid(f"'{text}' is not KEY=LOW..HIGH or KEY=LOW..HIGH:log. Write for example lr=1e-5..1e-2:log.")
        axis = parse_axis(text)
        return Dimension(axis.keys, choices=axis.values) if len(axis.values) > 1 else axis
    keys = parse_axis(f"{left}=0").keys
    low, high, log = float(match[1]), float(match[2]), match[3] is not None
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise BadGrid(f"'{text}' has no extent: expected LOW below HIGH, both finite.")
    if log and low <= 0:
        raise BadGrid(f"'{text}' is searched in the logarithm, so LOW must be above 0.")
    return Dimension(keys, low, high, log)


def check_space(space: Sequence[Dimension], keys: Mapping[str, Key]) -> None:
    """Make sure that a method has the keys of a search space, and that its ends are values of theirs.

    Raises:
        BadGrid: No such key, a key twice, or a range of what is not a number.
        BadValue: An end or a choice is out of range.
    """
    seen: set[str] = set()
    for dimension in space:
        for real in real_keys(dimension, keys):
            if real not in keys:
                raise BadGrid(
                    f"'{dimension.text}': the method has no key '{real}' on this task; gantlet explain METHOD lists them."
                )
            if real in seen:
                raise BadGrid(f"The search space has {real} twice. Keep one.")
            seen.add(real)
            setting = keys[real].setting
            if dimension.choices:
                for choice in dimension.choices:
                    setting.parse(choice)
            elif setting.kind not in (int, float):
                raise BadGrid(f"'{dimension.text}': {real} is not a number. List its values, such as {real}=A,B.")
            else:
                for end in (dimension.low, dimension.high):
                    setting.parse(end)


def draw(dimension: Dimension, share: float, keys: Mapping[str, Key]) -> str:
    """The value at a share of a dimension, as it is typed: numbers with four significant digits.

    Arguments:
        dimension: The dimension.
        share: In [0, 1): 0 is the lower end or the first choice.
        keys: The keys of the method.

    Example:
        >>> draw(Dimension(("lr",), 1e-4, 1e-2, log=True), 0.5, {})
        '0.001'
    """
    if dimension.choices:
        return dimension.choices[min(int(share * len(dimension.choices)), len(dimension.choices) - 1)]
    if dimension.log:
        low, high = math.log(dimension.low), math.log(dimension.high)
        value = math.exp(low + share * (high - low))
    else:
        value = dimension.low + share * (dimension.high - dimension.low)
    return spelled(dimension, value, keys)


def spelled(dimension: Dimension, value: float | str, keys: Mapping[str, Key]) -> str:
    """A value of a dimension as it is typed: rounded to four significant digits or a whole number, and within the range."""
    if isinstance(value, str):
        return value
    whole = any(keys[real].setting.kind is int for real in real_keys(dimension, keys) if real in keys)
    rounded = float(np.round(value)) if whole else float(f"{value:.{_DIGITS}g}")
    kept = min(max(rounded, dimension.low), dimension.high)
    return str(int(kept)) if whole else f"{kept:.{_DIGITS}g}" if kept == rounded else repr(kept)


def point_values(
    space: Sequence[Dimension], point: Sequence[str], keys: Mapping[str, Key]
) -> tuple[dict[str, Scalar], tuple[str, ...]]:
    """The values of a point by their real keys, and the words that say it."""
    values: dict[str, Scalar] = {}
    for dimension, text in zip(space, point, strict=True):
        values |= {real: keys[real].setting.parse(text) for real in real_keys(dimension, keys)}
    return values, tuple(f"{dimension.name}={text}" for dimension, text in zip(space, point, strict=True))


def real_keys(dimension: Dimension, keys: Container[str]) -> tuple[str, ...]:
    """The keys that a dimension means: its own, both players' keys, or the keys that had these names before.

    Example:
        >>> real_keys(Dimension(("lr",), 1e-4, 1e-2), {"lr_g", "lr_d"})
        ('lr_g', 'lr_d')
    """
    found: list[str] = []
    for key in dimension.keys:
        found += (key,) if key in keys else PLAYERS.get(key) or PLAYERS.get(renamed(key)) or (renamed(key),)
    return tuple(found)
