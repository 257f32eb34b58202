r"""Stability tests: methods play the same games, each judged by its final score and by the area under its curve.

A game is what the methods share: a pair of random architectures (BogoNet), or any other values of a grid. A good final score
says that a method got there; the area under the curve of the score against time says how steadily. Here the area is divided
by the time, so that it reads as the mean score over training:

.. math::
    A = \frac{1}{t_T - t_1} \sum_{i=1}^{T-1} \frac{(f_i + f_{i+1}) (t_{i+1} - t_i)}{2}

A game is won by the method whose score alone is the best; where several have it, nobody has won. A method without a finite
score has lost.

Differs from the paper in: the area is divided by the time, and the 2.5 points of a game that both players share are counted
as games without a winner.

Legend: ``T`` evaluations, ``G`` games, ``M`` methods.

Reference:
    | On convergence and stability of GANs (Kodali et al., 2017), https://arxiv.org/abs/1705.07215, section 3.3
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gantlet.errors import BadValue

from .intervals import Floats, Interval, bootstrap_mean, wilson

__all__ = ["Standing", "area_under_curve", "standings"]


@dataclass(frozen=True)
class Standing:
    """How one method did in all games.

    Attributes:
        games: How many were counted: those that every method played.
        score: The mean score over games, with its bootstrap interval; ``missing`` counts games without a finite score.
        deviation: The standard deviation of the scores over games; nan for fewer than two.
        wins: The share of games that it won, with Wilson's interval.
        won: How many that are.
    """

    games: int
    score: Interval
    deviation: float
    wins: Interval
    won: int


def area_under_curve(steps: Floats, values: Floats) -> Floats:  # [T], [..., T] -> [...]
    """The area under the curve by trapezoids, over the time from the first to the last step; one point is its own area.

    A value that is missing after others (the member had diverged) is the last one before it; a curve that begins without a
    value has no area.

    Raises:
        BadValue: There are no steps, they do not rise, or they are not as many as the values.

    Example:
        >>> area_under_curve(np.array([0.0, 1.0, 3.0]), np.array([[0.0, 2.0, 2.0], [1.0, 3.0, np.nan]])).round(4).tolist()
        [1.6667, 2.6667]
    """
    values = np.asarray(values, dtype=np.float64)
    if len(steps) == 0 or np.any(np.diff(steps) <= 0) or values.shape[-1] != len(steps):
        raise BadValue(
            f"An area needs steps that rise and one value for each; got {len(steps)} steps and {values.shape[-1]} values."
        )
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(steps)), 0), axis=-1)  # [..., T]
    filled = np.take_along_axis(values, last, axis=-1)
    if len(steps) == 1:
        return filled[..., 0]
    middles = (filled[..., 1:] + filled[..., :-1]) / 2
    return (middles * np.diff(steps)).sum(-1) / (steps[-1] - steps[0])


def standings(scores: Mapping[str, Mapping[str, float]], *, higher: bool, level: float = 0.95) -> dict[str, Standing]:
    """What each method scored, and how often it won.

    Arguments:
        scores: Method to game to score; only games that all methods have are counted.
        higher: Whether higher scores are better.
        level: The confidence of the intervals.

    Raises:
        BadValue: There are fewer than two methods, or no game that all of them played.

    Example:
        >>> found = standings({"a": {"1": 3.0, "2": 5.0, "3": 1.0}, "b": {"1": 4.0, "2": 4.0, "3": 1.0}}, higher=True)
        >>> found["a"].won, found["b"].won, found["a"].games, found["a"].score.estimate
        (1, 1, 3, 3.0)
    """
    if len(scores) < 2:
        raise BadValue(f"Games need at least two methods; there is {', '.join(scores) or 'none'}.")
    first, *others = scores.values()
    games = [game for game in first if all(game in other for other in others)]
    if not games:
        raise BadValue(f"There is no game that all of {', '.join(scores)} played.")
    table = np.array([[scores[method][game] for game in games] for method in scores], dtype=np.float64)  # [M, G]
    worth = np.where(np.isfinite(table), table if higher else -table, -np.inf)
    best = (worth == worth.max(0)) & np.isfinite(worth)
    won = (best & (best.sum(0) == 1)).sum(1)  # [M]
    known = [row[np.isfinite(row)] for row in table]
    return {
        method: Standing(
            games=len(games),
            score=bootstrap_mean(row, level=level),
            deviation=float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
            wins=wilson(int(count), len(games), level=level),
            won=int(count),
        )
        for method, row, values, count in zip(scores, table, known, won, strict=True)
    }
