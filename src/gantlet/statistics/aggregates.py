r"""Scores of a method over tasks and runs in one number: the interquartile mean, the probability of improvement, profiles.

With runs as strata (each task draws as many of its own runs anew, with replacement) every one of these has a percentile
bootstrap interval:

.. math::
    \text{IQM} &= \text{mean of the middle half of all } \textstyle\sum_k n_k \text{ scores} \\
    P(X > Y) &= \frac1K \sum_k \frac{1}{n_k m_k} \sum_{i, j} \big( [x_{ki} > y_{kj}] + \tfrac12 [x_{ki} = y_{kj}] \big) \\
    \hat F(\tau) &= \text{share of all scores above } \tau

The interquartile mean is less moved by one bad run than the mean, and less wasteful than the median. The probability of
improvement is the Mann-Whitney statistic over all pairs of runs, averaged over tasks; it does not say how large the
improvement is. A profile shows the whole distribution: where one lies above another everywhere, its method is better by every
summary.

Scores of several tasks are pooled as they are: give scores on one scale.

Legend: ``K`` tasks, ``n`` and ``m`` runs of a task, ``R`` resamples, ``T`` thresholds.

Reference:
    | Deep reinforcement learning at the edge of the statistical precipice (Agarwal et al., 2021),
      https://arxiv.org/abs/2108.13264, sections 4.1 to 4.3; code: google-research/rliable
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gantlet.errors import BadValue

from .intervals import Floats, Interval

__all__ = [
    "Profile",
    "TaskScores",
    "interquartile_mean",
    "middle_mean",
    "performance_profile",
    "probability_of_improvement",
]

TaskScores: TypeAlias = Mapping[str, Sequence[float] | Floats]
"""The scores of one method: by task, one for each run; tasks may have different numbers of runs."""

_ROWS = 500  # resamples at once


@dataclass(frozen=True)
class Profile:
    """A performance profile: at each threshold the share of scores above it, three arrays ``[T]`` and the thresholds."""

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def middle_mean(values: Floats) -> Floats:  # [..., n] -> [...]
    """The mean of the middle half of the last axis: ⌊n / 4⌋ values are cut from each end.

    Example:
        >>> float(middle_mean(np.array([0.0, 5.0, 6.0, 1000.0])))
        5.5
    """
    from scipy import stats  # takes half a second

    return np.asarray(stats.trim_mean(values, 0.25, axis=-1), dtype=np.float64)


def interquartile_mean(scores: TaskScores, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The interquartile mean of all scores, with its stratified bootstrap interval.

    Scores that are not finite are left out and counted as ``missing``. Where no task has two runs there are no limits: each
    would be drawn from itself alone, whatever the runs to come.

    Raises:
        BadValue: The level is not between 0 and 1, or there are no resamples.

    Example:
        >>> found = interquartile_mean({"ring8": [8.0, 7.0, 8.0, 1.0]})
        >>> found.estimate, found.n
        (7.5, 4)
    """
    known, missing = _finite(scores)
    count = sum(map(len, known))
    if not count:
        return Interval(math.nan, math.nan, math.nan, level, 0, missing)
    estimate = float(middle_mean(np.concatenate(known)))
    draws = _check(level, resamples)
    if max(map(len, known)) == 1:
        return Interval(estimate, math.nan, math.nan, level, count, missing)
    found = [middle_mean(np.concatenate(drawn, axis=1)) for drawn in _resampled(known, draws, seed)]
    return Interval(estimate, *_limits(np.concatenate(found), level), level, count, missing)


def probability_of_improvement(
    better: TaskScores,
    than: TaskScores,
    *,
    higher: bool = True,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """P(a run of one method beats a run of another), averaged over the tasks that both have, with its interval.

    Arguments:
        better: The scores of the method of which it is asked.
        than: Those of the other.
        higher: Whether higher scores are better.
        level: The confidence.
        resamples: Draws of the bootstrap; both methods' runs are drawn anew, task by task.
        seed: Of the draws.

    Raises:
        BadValue: The two share no task with finite scores.

    Example:
        >>> probability_of_improvement({"a": [3.0, 4.0]}, {"a": [1.0, 3.0]}).estimate
        0.875
    """
    tasks = [task for task in better if task in than]
    (left, lost), (right, gone) = (_finite({task: side[task] for task in tasks}) for side in (better, than))
    pairs = [(x, y) for x, y in zip(left, right, strict=True) if len(x) and len(y)]
    if not pairs:
        raise BadValue("The two methods share no task on which both have scores.")
    draws, sign = _check(level, resamples), 1.0 if higher else -1.0
    firsts, seconds = [sign * x for x, _ in pairs], [sign * y for _, y in pairs]
    estimate = float(np.mean([_placed_above(x[None], y[None])[0] for x, y in zip(firsts, seconds, strict=True)]))
    count = sum(len(x) + len(y) for x, y in pairs)
    drawn = zip(_resampled(firsts, draws, seed), _resampled(seconds, draws, seed + 1), strict=True)
    found = [
        np.mean([_placed_above(x, y) for x, y in zip(one, other, strict=True)], axis=0) for one, other in drawn
    ]  # blocks of [r]
    return Interval(estimate, *_limits(np.concatenate(found), level), level, count, lost + gone)


def performance_profile(
    scores: TaskScores,
    thresholds: Sequence[float] | Floats,
    *,
    higher: bool = True,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> Profile:
    """The share of scores that are better than each threshold, with pointwise stratified bootstrap limits.

    Arguments:
        scores: By task, one per run.
        thresholds: ``[T]``, τ.
        higher: Whether better means above; else below.
        level: The confidence.
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Raises:
        BadValue: There is no finite score.

    Example:
        >>> performance_profile({"a": [0.0, 1.0, 2.0, 3.0]}, [0.5, 2.5]).share.tolist()
        [0.75, 0.25]
    """
    known, _ = _finite(scores)
    if not sum(map(len, known)):
        raise BadValue("A performance profile needs at least one score.")
    draws, sign = _check(level, resamples), 1.0 if higher else -1.0
    levels = np.asarray(thresholds, dtype=np.float64)
    above = [(sign * values[:, None] > sign * levels).astype(np.float64) for values in known]  # K × [n, T]
    share = np.concatenate(above).mean(0)
    generator = np.random.default_rng(seed)
    total = np.zeros((draws, len(levels)))  # how many of a draw's scores are above: a sum over tasks
    for part in above:
        total += generator.multinomial(len(part), np.full(len(part), 1 / len(part)), draws) @ part if len(part) else 0
    low, high = np.quantile(total / sum(map(len, above)), _ends(level), axis=0)
    return Profile(levels, share, low, high)


def _placed_above(x: Floats, y: Floats) -> Floats:  # [r, n], [r, m] -> [r]
    """Mann-Whitney's U over n m: the share of pairs in which x is above y, ties half."""
    from scipy import stats  # takes half a second

    n, m = x.shape[1], y.shape[1]
    ranks = stats.rankdata(np.concatenate([x, y], axis=1), axis=1)[:, :n]
    return (ranks.sum(1) - n * (n + 1) / 2) / (n * m)


def _finite(scores: TaskScores) -> tuple[list[Floats], int]:
    given = [np.asarray(values, dtype=np.float64).ravel() for values in scores.values()]
    known = [values[np.isfinite(values)] for values in given]
    return known, sum(map(len, given)) - sum(map(len, known))


def _resampled(strata: Sequence[Floats], resamples: int, seed: int) -> Iterator[list[Floats]]:
    """Blocks of draws: in each, for every stratum ``[n]``, rows ``[r, n]`` of its values drawn with replacement."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _ROWS):
        size = min(_ROWS, resamples - start)
        yield [values[generator.integers(len(values), size=(size, len(values)))] for values in strata if len(values)]


def _limits(draws: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, _ends(level))
    return float(low), float(high)


def _ends(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _check(level: float, resamples: int) -> int:
    if not 0 < level < 1 or resamples < 1:
        raise BadValue(f"level={level}, resamples={resamples} is out of range: expected 0 < level < 1 ≤ resamples.")
    return resamples
