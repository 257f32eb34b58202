"""The grammar of grids: ``KEY=VALUE[,VALUE…]``, ``KEY=START:STOP:STEP``, ``KEY+KEY=…``, and seeds.

Example:
    >>> parse_axis("alpha_d=0.3,1.0")
    Axis(keys=('alpha_d',), values=('0.3', '1.0'))
    >>> parse_axis("lr=1e-4:3e-4:1e-4").values
    ('0.0001', '0.0002', '0.0003')
    >>> parse_seeds("3"), parse_seeds("1,4,9"), parse_seeds("7,"), parse_seeds("6:8")
    ((1, 2, 3), (1, 4, 9), (7,), (6, 7, 8))
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral
from typing import Any

from gantlet.catalogue import remember
from gantlet.errors import BadGrid

from .keeping import names_runs

__all__ = ["Axis", "axes_from_mapping", "check_axes", "method_names", "parse_axis", "parse_seeds", "words"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})")
_MOST, _MOST_SEEDS = 10_000, 100_000


@dataclass(frozen=True)
class Axis:
    """One axis of a grid: keys that move together (nearly always one), and the values they take."""

    keys: tuple[str, ...]
    values: tuple[str, ...]


def parse_axis(text: str) -> Axis:
    """Read one word of the command line.

    Raises:
        BadGrid: No ``=``, no key, no value, a value that is given twice, or a range that does not reach its end.
    """
    left, equals, right = text.partition("=")
    keys = tuple(key.strip().replace("-", "_") for key in left.split("+"))
    if not equals or not all(keys):
        raise BadGrid(f"'{text}' is not KEY=VALUE. Write for example alpha_d=0.3,1.0 or lr=1e-4:1e-3:1e-4.")
    return _axis(keys, [value for part in right.split(",") for value in _values(part.strip(), text)], text)


def axes_from_mapping(settings: Mapping[str, Any]) -> list[Axis]:
    """Axes from Python or a TOML file: each value a scalar, a range as text, or a sequence of them."""
    axes: list[Axis] = []
    for name, given in settings.items():
        items: Iterable[Any] = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        words = [_word(item) for item in items]
        text = f"{name}={','.join(words)}"
        keys = tuple(key.strip().replace("-", "_") for key in name.split("+"))
        axes.append(_axis(keys, [value for word in words for value in _values(word, text)], text))
    return axes


def check_axes(axes: Sequence[Axis], meant: Callable[[str], tuple[str, ...]]) -> None:
    """Refuse a grid that sets one key twice.

    Arguments:
        axes: The grid.
        meant: The keys that a word of it means.

    Raises:
        BadGrid: A key is set twice, perhaps under another name.
    """
    owner: dict[str, str] = {}
    for axis in axes:
        for key in axis.keys:
            for real in meant(key):
                if real in owner:
                    raise BadGrid(f"The grid sets {real} twice, by '{owner[real]}' and by '{key}'. Keep one.")
                owner[real] = key


def parse_seeds(text: str | int | Sequence[int]) -> tuple[int, ...]:
    """``N`` = seeds 1..N; ``1,4,9`` = these; ``7,`` = the single seed 7; ``6:10`` = 6 to 10, both included.

    Raises:
        BadGrid: Not whole numbers, none at all, negative ones, too many, or one that is given twice.
    """
    one = isinstance(text, (str, int, Integral))  # numpy's whole numbers, too
    listed = not one or "," in str(text)
    given = str(text).split(",") if one else [str(seed) for seed in text]
    seeds: list[int] = []
    try:
        for word in given:
            first, colon, last = word.strip().partition(":")
            if colon:
                seeds += _seed_range(int(first), int(last), text)
            elif first:
                seeds += [int(first)] if listed else _seed_range(1, int(first), text)
    except ValueError:
        raise BadGrid(f"--seeds {text} is not a number N, a list such as 1,4,9, or a range such as 6:10.") from None
    if not seeds:
        raise BadGrid(f"--seeds {text} names no seed. Give a number N ≥ 1, a list such as 1,4,9, or a range 6:10.")
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise BadGrid(f"--seeds {text} has a negative seed, or one seed twice. Give different seeds ≥ 0.")
    if max(seeds) >= 1 << 63:
        raise BadGrid(f"--seeds {text} has a seed that is too large: expected less than 2^63.")
    return tuple(seeds)


def words(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names from a list, or from text that separates them by commas.

    Example:
        >>> words("vanilla, alpha,")
        ('vanilla', 'alpha')
    """
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(word.strip() for word in parts if word.strip())


def method_names(methods: Any) -> tuple[str, ...]:
    """Methods from Python: a name, names separated by commas, an objective class of the user's own, or a sequence of these."""
    listed: Sequence[Any] = methods if isinstance(methods, (list, tuple)) else [methods]
    return tuple(name for entry in listed for name in (words(entry) if isinstance(entry, str) else (remember(entry),)))


def _seed_range(first: int, last: int, text: object) -> range:
    if last - first >= _MOST_SEEDS:
        raise BadGrid(f"--seeds {text} names too many seeds: expected at most {_MOST_SEEDS}.")
    return range(first, last + 1)


def _axis(keys: tuple[str, ...], values: list[str], text: str) -> Axis:
    if not values:
        raise BadGrid(f"'{text}' gives no value, so the grid is empty. Write KEY=VALUE.")
    if len(set(values)) < len(values):
        raise BadGrid(f"'{text}' lists a value twice. Keep one.")
    if keys == ("init",) and names_runs(values):
        keys = ("init_from",)
    return Axis(keys, tuple(values))


def _values(word: str, text: str) -> list[str]:
    match = _RANGE.fullmatch(word)
    if match is None:
        return [word] if word else []
    beyond = f"'{text}' has too many or too large values: expected at most {_MOST} values, up to 1.8e308."
    try:
        start, stop, step = (Decimal(number) for number in match.groups())
        steps = (stop - start) / step if step else Decimal(-1)
    except ArithmeticError:  # exponents beyond a million
        raise BadGrid(beyond) from None
    if steps < 0:
        raise BadGrid(f"'{text}' never gets from {start} to {stop} in steps of {step}.")
    if steps >= _MOST or not math.isfinite(float(start)) or not math.isfinite(float(stop)):
        raise BadGrid(beyond)
    return [_plain(start + step * index) for index in range(int(steps) + 1)]


def _plain(number: Decimal) -> str:
    value = float(number)
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _word(item: Any) -> str:
    if isinstance(item, bool):
        return str(item).lower()
    if callable(item):  # a class or function of the user's own
        return remember(item)
    return repr(item) if isinstance(item, float) else str(item)
