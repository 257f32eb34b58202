"""One generator as large as a team: the width at which a family's generator has K times its parameters.

Counting happens without memory, on torch's ``meta`` device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch

from gantlet.errors import Refused
from gantlet.settings import settings_of

from .base import Family

__all__ = ["matched"]

_WIDTHS = ("g_hidden", "g_width", "width", "hidden")
_WITHIN = 0.02


def matched(family: Family, team: int, *, latent: int, shape: tuple[int, ...]) -> tuple[Family, str]:
    """The family with the width whose generator comes nearest to a team's parameters, and a sentence that says so.

    Arguments:
        family: A family with a width among its settings.
        team: How many of its generators the single one should equal.
        latent: Numbers of a latent.
        shape: Of one sample.

    Raises:
        Refused: A family without a width, or none comes within 2 %.

    Example:
        >>> from gantlet.networks.mlp import StackelbergMixture
        >>> family, said = matched(StackelbergMixture(g_hidden=16), 8, latent=2, shape=(2,))
        >>> family.g_hidden, said
        (131, 'one generator of g_hidden=131 (657 parameters) replaces 8 of g_hidden=16 (656)')
    """
    key = next((name for name in _WIDTHS if name in settings_of(family)), None)
    if key is None:
        raise Refused(
            f"match_capacity widens a generator, but {type(family).__name__} has none of the settings "
            f"{', '.join(_WIDTHS)}. Choose another network."
        )

    def count(width: int) -> int:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            module = replace(cast(Any, family), **{key: width}).generator(latent=latent, shape=shape)
        return sum(parameter.numel() for parameter in module.parameters())

    base = int(getattr(family, key))
    goal = team * count(base)
    width = _nearest(count, goal, low=base, high=2 * base * team)
    if abs(count(width) - goal) > _WITHIN * goal:
        raise Refused(
            f"match_capacity found no width within 2 % of {goal:,} parameters: {key}={width} has {count(width):,}."
        )
    said = f"one generator of {key}={width} ({count(width):,} parameters) replaces {team} of {key}={base} ({goal:,})"
    return replace(cast(Any, family), **{key: width}), said


def _nearest(count: Callable[[int], int], goal: int, *, low: int, high: int) -> int:
    """The width whose count is nearest to a goal; counts rise with the width."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= goal else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - goal))
