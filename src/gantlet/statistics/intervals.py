r"""Confidence intervals: Wilson's for rates, the bias-corrected and accelerated bootstrap for means.

Wilson's limits are the two solutions p of ``(p̂ - p)² = z² p (1 - p) / n``:

.. math::
    \frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}}}{1 + \frac{z^2}{n}}

The bootstrap draws n values with replacement, many times. Its interval is cut from the means of the draws at the shares

.. math::
    \Phi\Big(z_0 + \frac{z_0 + z}{1 - a (z_0 + z)}\Big), \quad z = \pm z_{\text{level}}, \quad
    a = \frac{\sum_i (x_i - \bar x)^3}{6 (\sum_i (x_i - \bar x)^2)^{3/2}},

where :math:`\Phi(z_0)` is the share of draws whose mean is below that of the values (ties count half).

Legend: ``n`` values, ``R`` resamples.

Reference:
    | Probable inference (Wilson, 1927), https://doi.org/10.1080/01621459.1927.10502953
    | Better bootstrap confidence intervals (Efron, 1987), https://doi.org/10.1080/01621459.1987.10478410
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from gantlet.errors import BadValue

__all__ = ["Floats", "Interval", "bootstrap_mean", "bootstrap_means", "wilson"]

Floats: TypeAlias = NDArray[np.float64]
"""Numbers of any shape."""

_BLOCK = 1 << 22  # numbers of a block of resamples: 32 MiB
_TOGETHER = 64  # columns of one product


@dataclass(frozen=True)
class Interval:
    """An estimate between its confidence limits.

    Attributes:
        estimate: A rate or a mean; nan where there is nothing to estimate it from.
        low: The lower limit.
        high: The upper limit.
        level: The confidence, such as 0.95.
        n: How many values it rests on.
        missing: How many values are not finite, and were left out.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int = 0
    missing: int = 0


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Wilson's score interval of a rate; with no trials the estimate is nan and the limits are 0 and 1.

    Raises:
        BadValue: Not 0 ≤ successes ≤ trials, or not 0 < level < 1.

    Example:
        >>> rate = wilson(81, 263)
        >>> round(rate.estimate, 4), round(rate.low, 4), round(rate.high, 4)
        (0.308, 0.2553, 0.3662)
    """
    _check_level(level)
    if not 0 <= successes <= trials:
        raise BadValue(f"successes={successes}, trials={trials} is out of range: expected 0 ≤ successes ≤ trials.")
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, level)
    z, rate = _quantile(level), successes / trials
    weight = z * z / trials
    centre = (rate + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (rate * (1 - rate) + weight / 4)) / (1 + weight)
    # Exactly 0 and 1 at the ends, where the formula leaves 1e-17.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(rate, low, high, level, n=trials)


def bootstrap_mean(
    values: Sequence[float] | Floats, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean and its BCa bootstrap interval; the same values always give the same interval.

    Values that are not finite are left out and counted in ``missing``. One value has a mean but no limits (nan), none
    has neither. Equal values give an interval of no width: it says that none was seen to differ, not that none will.

    Arguments:
        values: ``[n]``.
        level: The confidence.
        resamples: How many draws, R.
        seed: Of the draws.

    Raises:
        BadValue: Not 0 < level < 1, or fewer than 1 resample.

    Example:
        >>> mean = bootstrap_mean([1.0, 2.0, 4.0, float("nan")])
        >>> round(mean.estimate, 3), mean.n, mean.missing
        (2.333, 3, 1)
    """
    return bootstrap_means([values], level=level, resamples=resamples, seed=seed)[0]


def bootstrap_means(
    columns: Sequence[Sequence[float] | Floats], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> list[Interval]:
    """The intervals of :func:`bootstrap_mean` of many columns: those of one length share their draws, in one product.

    Arguments:
        columns: Each ``[n]``.
        level: The confidence.
        resamples: How many draws, R.
        seed: Of the draws.

    Raises:
        BadValue: Not 0 < level < 1, or fewer than 1 resample.

    Example:
        >>> [round(mean.estimate, 3) for mean in bootstrap_means([[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]])]
        [2.333, 0.333]
    """
    _check_level(level)
    if resamples < 1:
        raise BadValue(f"resamples={resamples} is out of range: expected 1 ≤ resamples.")
    given = [np.asarray(values, dtype=np.float64).ravel() for values in columns]
    known = [values[np.isfinite(values)] for values in given]
    alike: dict[int, list[int]] = {}
    for place, values in enumerate(known):
        if len(values) > 1 and values.min() < values.max():
            alike.setdefault(len(values), []).append(place)
    limits: dict[int, tuple[float, float]] = {}
    for n, places in alike.items():
        for start in range(0, len(places), _TOGETHER):
            chosen = places[start : start + _TOGETHER]
            stacked = np.stack([known[place] for place in chosen], axis=1)  # [n, c]
            means = np.concatenate([counts @ stacked / n for counts in _draws(n, resamples, seed)])  # [R, c]
            for place, drawn in zip(chosen, np.ascontiguousarray(means.T), strict=True):
                low, high = _cut(drawn, _shares(known[place], drawn, level))
                limits[place] = float(low), float(high)
    found: list[Interval] = []
    for place, (every, values) in enumerate(zip(given, known, strict=True)):
        n = len(values)
        mean = math.nan if n == 0 else float(values.mean()) if place in limits else float(values[0])
        same = (math.nan, math.nan) if n < 2 else (mean, mean)
        found.append(Interval(mean, *limits.get(place, same), level, n, len(every) - n))
    return found


def _cut(means: Floats, shares: Floats) -> Floats:  # [R], [2] -> [2]
    """What ``np.quantile`` gives, to the last bit, in two thirds of the time: means are finite, and only four places are sorted."""
    places = shares * (len(means) - 1)
    below = np.clip(np.floor(places), 0, len(means) - 1).astype(np.intp)
    above = np.minimum(below + 1, len(means) - 1)
    ordered = np.partition(means, np.unique(np.concatenate([below, above])))
    part, gap = places - below, ordered[above] - ordered[below]
    return np.where(part >= 0.5, ordered[above] - gap * (1 - part), ordered[below] + gap * part)


def _shares(values: Floats, means: Floats, level: float) -> Floats:  # [n], [R] -> [2]
    """The shares of the draws at which the BCa interval is cut."""
    mean = values.mean()
    # Means that differ by rounding alone are ties.
    gaps, tie = means - mean, 1e-12 * abs(mean)
    below = np.count_nonzero(gaps < -tie)
    close = np.count_nonzero(gaps <= tie) - below
    share = (below + close / 2) / len(means)
    # Kept inside (0, 1): with few draws all of them may fall on one side.
    bias = ndtri(np.clip(share, 0.5 / len(means), 1 - 0.5 / len(means)))
    centred = values - mean
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    shifted = bias + np.array([-1.0, 1.0]) * _quantile(level)
    return ndtr(bias + shifted / (1 - acceleration * shifted))


def _draws(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each value is drawn, in blocks of rows ``[r, n]`` whose sum over a row is n."""
    rows = max(1, _BLOCK // n)
    for block, start in enumerate(range(0, resamples, rows)):
        yield _block(n, min(rows, resamples - start), (seed, block))


@lru_cache(maxsize=2)  # a summary asks for the same draws for every quantity
def _block(n: int, rows: int, key: tuple[int, int]) -> Floats:  # [r, n]
    picks = np.random.default_rng(key).integers(n, size=(rows, n))
    cells = picks + np.arange(rows)[:, None] * n
    return np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _quantile(level: float) -> float:
    return float(ndtri((1 + level) / 2))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise BadValue(f"level={level} is out of range: expected 0 < level < 1.")
