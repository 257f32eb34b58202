"""What the fast suite keeps of a product of parameters: each part at least once; the rest is marked ``slow``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import product
from typing import Any

import pytest

__all__ = ["covering", "crossed", "fast", "leading"]


def crossed(*axes: Sequence[Any]) -> list[Any]:
    """Every combination of the axes' parts; those stay fast that take all axes in step, so that each part is in one.

    Example:
        >>> fast(crossed("ab", (1, 2, 3)))
        [('a', 1), ('a', 3), ('b', 2)]
    """
    longest = max(map(len, axes))
    kept = {tuple(place % len(axis) for axis in axes) for place in range(longest)}
    return [
        _entry(tuple(axis[place] for axis, place in zip(axes, places, strict=True)), fast=places in kept)
        for places in product(*(range(len(axis)) for axis in axes))
    ]


def covering(cases: Sequence[Any], *parts: Callable[[Any], Hashable]) -> list[Any]:
    """The cases in their order; those stay fast that have a part which none before had.

    Example:
        >>> fast(covering(("ant", "ape", "bee"), lambda word: word[0]))
        ['ant', 'bee']
    """
    seen: set[Hashable] = set()
    found: list[Any] = []
    for case in cases:
        mine = {(place, part(case)) for place, part in enumerate(parts)}
        found.append(_entry(case, fast=not mine <= seen))
        seen |= mine
    return found


def leading(cases: Sequence[Any], count: int = 1) -> list[Any]:
    """The cases in their order, of one kind; the first ones stay fast.

    Example:
        >>> fast(leading("abc"))
        ['a']
    """
    return [_entry(case, fast=place < count) for place, case in enumerate(cases)]


def fast(entries: Sequence[Any]) -> list[Any]:
    """Those that are not marked."""
    return [entry for entry in entries if not getattr(entry, "marks", ())]


def _entry(case: Any, *, fast: bool) -> Any:
    if fast:
        return case
    if hasattr(case, "marks"):  # a ``pytest.param``, with an id of its own
        return case._replace(marks=(*case.marks, pytest.mark.slow))
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
