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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from gantlet.errors import BadValue

from .intervals import Floats, Interval, bootstrap_mean

__all__ = ["EXACT_UP_TO", "RANDOM_SIGNS", "Paired", "TestKind", "mcnemar", "paired", "sign_flip"]

TestKind = Literal["mcnemar", "sign-flip", "sign-flip, random"]
"""The test that a p value is from; the first two are exact."""

EXACT_UP_TO = 15
"""Up to so many differences every choice of signs is enumerated."""

RANDOM_SIGNS = 99_999
"""Random choices of signs, where there are more differences."""

_BLOCK = 1 << 20  # signs at once


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
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise BadValue(
            f"The two settings share no seed: one has {_listed(a)}, the other {_listed(b)}. "
            "Run both with the same seeds."
        )
    left, right = (np.array([side[key] for key in shared], dtype=np.float64) for side in (a, b))
    finite = np.isfinite(left) & np.isfinite(right)
    left, right = left[finite], right[finite]
    p_value, test = _p_value(left, right, seed=seed)
    return Paired(
        difference=bootstrap_mean(left - right, level=level, resamples=resamples, seed=seed),
        mean_a=float(left.mean()) if len(left) else float("nan"),
        mean_b=float(right.mean()) if len(right) else float("nan"),
        n=len(left),
        missing=len(shared) - len(left),
        unshared=len(a.keys() ^ b.keys()),
        p_value=p_value,
        test=test,
        deviation=float((left - right).std(ddof=1)) if len(left) > 1 else float("nan"),
    )


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
    moved = differences[differences != 0]  # a sign changes nothing in the others
    # The observed choice itself must count, whatever the order of summing.
    least = abs(moved.sum()) - 1e-12 * np.abs(moved).sum()
    exact = len(moved) <= EXACT_UP_TO
    blocks = _all_signs(len(moved)) if exact else _random_signs(len(moved), seed)
    far, total = (0, 0) if exact else (1, 1)
    for signs in blocks:
        far += int((np.abs(signs @ moved) >= least).sum())
        total += len(signs)
    return far / total, exact


def _p_value(left: Floats, right: Floats, *, seed: int) -> tuple[float, TestKind]:
    if not len(left):
        return float("nan"), "sign-flip"
    values = np.concatenate([left, right])
    if bool(np.isin(values, (0.0, 1.0)).all()):
        return mcnemar(only_a=int((left > right).sum()), only_b=int((left < right).sum())), "mcnemar"
    p_value, exact = sign_flip(left - right, seed=seed)
    return p_value, "sign-flip" if exact else "sign-flip, random"


def _all_signs(n: int) -> Iterator[Floats]:  # [2ⁿ, n]
    yield (1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)).astype(np.float64)


def _random_signs(n: int, seed: int) -> Iterator[Floats]:  # [r, n]
    return (1 - 2 * bits.astype(np.float64) for bits in _random_bits(n, seed))


@lru_cache(maxsize=2)  # a table asks for the same signs in every cell
def _random_bits(n: int, seed: int) -> list[NDArray[np.int8]]:  # [r, n]
    generator, rows = np.random.default_rng(seed), max(1, _BLOCK // n)
    return [
        generator.integers(2, size=(min(rows, RANDOM_SIGNS - start), n)).astype(np.int8)
        for start in range(0, RANDOM_SIGNS, rows)
    ]


def _listed(seeds: Mapping[int, float]) -> str:
    first = sorted(seeds)[:5]
    return (", ".join(map(str, first)) or "none") + (", …" if len(seeds) > len(first) else "")
