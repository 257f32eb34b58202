r"""Paired comparisons: two settings over the seeds that both have.

Member by member the two share data, latents and initial weights, so their difference is what the setting did. If it did
nothing, each difference is as likely as its negative; the p value is the share of the 2ⁿ choices of signs whose mean is
at least as far from zero:

.. math::
    p = 2^{-n} \, \#\Big\{ s \in \{-1, 1\}^n : \Big|\sum_i s_i d_i\Big| \ge \Big|\sum_i d_i\Big| \Big\}

For values of 0 and 1 that is McNemar's exact test, a binomial tail that needs no enumeration.

Legend: ``n`` shared seeds.

Reference:
    | The design of experiments (Fisher, 1935), section 21
    | Note on the sampling error of the difference between correlated proportions (McNemar, 1947),
      https://doi.org/10.1007/BF02295996
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from gantlet.errors import BadValue

from .intervals import Floats, Interval, bootstrap_means

__all__ = [
    "EXACT_UP_TO",
    "RANDOM_SIGNS",
    "Paired",
    "TestKind",
    "all_paired",
    "mcnemar",
    "paired",
    "sign_flip",
    "sign_flips",
]

TestKind = Literal["mcnemar", "sign-flip", "sign-flip, random"]
"""The test that a p value is from; the first two are exact."""

EXACT_UP_TO = 15
"""Up to so many differences every choice of signs is enumerated."""

RANDOM_SIGNS = 99_999
"""Random choices of signs, where there are more differences."""

_BLOCK = 1 << 20  # signs at once
_TOGETHER = 64  # columns of one product


@dataclass(frozen=True)
class Paired:
    """How setting a differs from setting b over the seeds they share.

    Attributes:
        difference: The mean of a - b, with its bootstrap interval.
        mean_a: The mean of a over the shared seeds.
        mean_b: The mean of b over the shared seeds.
        n: How many seeds were compared.
        missing: Shared seeds left out because a value is not finite.
        unshared: Seeds that only one of the two has.
        p_value: Two-sided, of the hypothesis that the setting makes no difference.
        test: Which test it is from.
        deviation: The standard deviation of the differences; nan for fewer than two.
    """

    difference: Interval
    mean_a: float
    mean_b: float
    n: int
    missing: int
    unshared: int
    p_value: float
    test: TestKind
    deviation: float = float("nan")


def paired(
    a: Mapping[int, float],
    b: Mapping[int, float],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Compare two settings over their shared seeds.

    Arguments:
        a: Seed to value; 0 and 1 (or truth values) for a success.
        b: The same of the other setting.
        level: The confidence of the interval.
        resamples: Draws of the bootstrap.
        seed: Of the bootstrap's draws and of random signs.

    Returns:
        The comparison; with no finite pair its numbers are nan.

    Raises:
        BadValue: No seed is shared.

    Example:
        >>> result = paired({1: 7.0, 2: 8.0, 3: 6.0, 9: 0.0}, {1: 5.0, 2: 7.0, 3: 3.0})
        >>> result.difference.estimate, result.n, result.unshared, result.p_value
        (2.0, 3, 1, 0.25)
    """
    if not a.keys() & b.keys():
        raise BadValue(
            f"The two settings share no seed: one has {_listed(a)}, the other {_listed(b)}. "
            "Run both with the same seeds."
        )
    return all_paired([(a, b)], level=level, resamples=resamples, seed=seed)[0]


def all_paired(
    sides: Sequence[tuple[Mapping[int, float], Mapping[int, float]]],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> list[Paired]:
    """The comparisons of :func:`paired` of many pairs of settings: those of as many seeds share their draws, in one product.

    Of two that share no seed all numbers are nan. The arguments are those of :func:`paired`, and a pair for each comparison.

    Example:
        >>> [each.difference.estimate for each in all_paired([({1: 3.0, 2: 5.0}, {1: 1.0, 2: 2.0}), ({1: 1.0}, {2: 1.0})])]
        [2.5, nan]
    """
    every: list[tuple[Floats, Floats, int]] = []
    for a, b in sides:
        shared = sorted(a.keys() & b.keys())
        left, right = (np.array([side[key] for key in shared], dtype=np.float64) for side in (a, b))
        finite = np.isfinite(left) & np.isfinite(right)
        every.append((left[finite], right[finite], len(shared)))
    gaps = [left - right for left, right, _ in every]
    tests = _p_values([(left, right) for left, right, _ in every], seed=seed)
    intervals = bootstrap_means(gaps, level=level, resamples=resamples, seed=seed)
    return [
        Paired(
            difference=interval,
            mean_a=float(left.mean()) if len(left) else float("nan"),
            mean_b=float(right.mean()) if len(right) else float("nan"),
            n=len(left),
            missing=shared - len(left),
            unshared=len(a.keys() ^ b.keys()),
            p_value=p_value,
            test=test,
            deviation=float(gap.std(ddof=1)) if len(left) > 1 else float("nan"),
        )
        for (a, b), (left, right, shared), gap, interval, (p_value, test) in zip(
            sides, every, gaps, intervals, tests, strict=True
        )
    ]


def mcnemar(*, only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p value, from how many pairs succeeded in one setting only.

    Raises:
        BadValue: A negative count.

    Example:
        >>> mcnemar(only_a=5, only_b=0)  # 2 / 2⁵
        0.0625
    """
    if min(only_a, only_b) < 0:
        raise BadValue(f"only_a={only_a}, only_b={only_b} is out of range: expected 0 ≤ only_a and 0 ≤ only_b.")
    tail = float(bdtr(min(only_a, only_b), only_a + only_b, 0.5))
    return min(1.0, 2 * tail)


def sign_flip(differences: Floats, *, seed: int = 0) -> tuple[float, bool]:
    """The two-sided p value of the sign-flip test of a mean, and whether it is exact.

    Up to 15 differences that are not zero every choice of signs is counted; beyond, the observed one and 99,999 random
    ones, so that the test keeps its level.

    Arguments:
        differences: ``[n]``, finite.
        seed: Of the random signs.

    Example:
        >>> sign_flip(np.array([1.0, 2.0, 3.0]))  # only +++ and --- are as far out
        (0.25, True)
    """
    return sign_flips([differences], seed=seed)[0]


def sign_flips(columns: Sequence[Floats], *, seed: int = 0) -> list[tuple[float, bool]]:
    """The tests of :func:`sign_flip` of many columns: those of one length share their signs, in one product.

    Arguments:
        columns: Each ``[n]``, finite.
        seed: Of the random signs.

    Example:
        >>> sign_flips([np.array([1.0, 2.0, 3.0]), np.array([0.0, -2.0, 2.0])])
        [(0.25, True), (1.0, True)]
    """
    moved = [values[values != 0] for values in columns]  # a sign changes nothing in the others
    alike: dict[int, list[int]] = {}
    for place, values in enumerate(moved):
        alike.setdefault(len(values), []).append(place)
    found: dict[int, tuple[float, bool]] = {}
    for n, places in alike.items():
        exact = n <= EXACT_UP_TO
        for start in range(0, len(places), _TOGETHER):
            chosen = places[start : start + _TOGETHER]
            stacked = np.stack([moved[place] for place in chosen], axis=1)  # [n, c]
            # The observed choice itself must count, whatever the order of summing.
            least = np.abs(stacked.sum(0)) - 1e-12 * np.abs(stacked).sum(0)
            far, total = np.full(len(chosen), int(not exact)), int(not exact)
            for signs in _all_signs(n) if exact else _random_signs(n, seed):
                far += (np.abs(signs @ stacked) >= least).sum(0)
                total += len(signs)
            found |= {place: (int(count) / total, exact) for place, count in zip(chosen, far, strict=True)}
    return [found[place] for place in range(len(columns))]


def _p_values(sides: Sequence[tuple[Floats, Floats]], *, seed: int) -> list[tuple[float, TestKind]]:
    found: dict[int, tuple[float, TestKind]] = {}
    flipped: list[int] = []
    for place, (left, right) in enumerate(sides):
        if not len(left):
            found[place] = float("nan"), "sign-flip"
        elif bool(np.isin(np.concatenate([left, right]), (0.0, 1.0)).all()):
            found[place] = mcnemar(only_a=int((left > right).sum()), only_b=int((left < right).sum())), "mcnemar"
        else:
            flipped.append(place)
    tests = sign_flips([sides[place][0] - sides[place][1] for place in flipped], seed=seed)
    for place, (p_value, exact) in zip(flipped, tests, strict=True):
        found[place] = p_value, "sign-flip" if exact else "sign-flip, random"
    return [found[place] for place in range(len(sides))]


def _all_signs(n: int) -> Iterator[Floats]:  # [2ⁿ, n]
    yield (1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)).astype(np.float64)


def _random_signs(n: int, seed: int) -> Iterator[Floats]:  # [r, n]
    return (signs.astype(np.float64) for signs in _kept_signs(n, seed))


@lru_cache(maxsize=2)  # a table asks for the same signs in every cell
def _kept_signs(n: int, seed: int) -> list[NDArray[np.int8]]:  # [r, n]
    """``1 - 2 * numpy.random.default_rng(seed).integers(2, size=(RANDOM_SIGNS, n))``, in less than half the time.

    Such an integer is the upper bit of a word of 32, of which a draw of the generator has two, the lower one first.
    """
    stream, count = np.random.default_rng(seed).bit_generator, RANDOM_SIGNS * n
    signs = np.empty(count, np.int8)
    for start in range(0, count, _BLOCK):  # an even number
        part = signs[start : start + _BLOCK]
        words = np.asarray(stream.random_raw(-(-len(part) // 2)), dtype="<u8").view("<i4")
        np.less(words[: len(part)], 0, out=part.view(np.bool_))
    np.multiply(signs, -2, out=signs)
    signs += 1
    rows = max(1, _BLOCK // n)
    return np.split(signs.reshape(RANDOM_SIGNS, n), range(rows, RANDOM_SIGNS, rows))


def _listed(seeds: Mapping[int, float]) -> str:
    first = sorted(seeds)[:5]
    return (", ".join(map(str, first)) or "none") + (", …" if len(seeds) > len(first) else "")
