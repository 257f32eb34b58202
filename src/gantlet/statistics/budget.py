r"""Budget curves: the best score of n runs against n, so that methods are compared at equal effort.

A method of which one run in ten is excellent looks good if the best of a hundred is published, and bad if one is. With the
scores x₁ ≤ … ≤ x_N of N runs, the best of n draws with replacement is at most x_i with the probability (i / N)ⁿ, hence

.. math::
    E[\max] = \sum_i x_{(i)} \Big[ \Big(\frac iN\Big)^n - \Big(\frac{i - 1}N\Big)^n \Big],

and its quantile at q is x_(i) with i = ⌈N q^{1/n}⌉. That is what resampling n of the runs many times tends to. Without
replacement, where the mean over all subsets is unbiased but n cannot exceed N,

.. math::
    E[\max] = \sum_i x_{(i)} \binom{i - 1}{n - 1} \Big/ \binom Nn.

Legend: ``N`` runs, ``n`` the budget, ``B`` budgets.

Reference:
    | Are GANs created equal? A large-scale study (Lucic et al., 2018), https://arxiv.org/abs/1711.10337, section 5: bootstrap
    | Show your work (Dodge et al., 2019), https://arxiv.org/abs/1909.03004, equation 3: the closed form
    | Showing your work doesn't always work (Tang et al., 2020), https://arxiv.org/abs/2004.13705: without replacement
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from gantlet.errors import BadValue

from .intervals import Floats

__all__ = ["BudgetCurve", "budget_curve", "expected_best", "resampled_best"]


@dataclass(frozen=True)
class BudgetCurve:
    """The best of n runs: its expectation and the limits within which it lies; four arrays ``[B]``, and how many runs."""

    budgets: Floats
    best: Floats
    low: Floats
    high: Floats
    runs: int


def budget_curve(
    scores: Sequence[float] | Floats,
    budgets: Sequence[int] | None = None,
    *,
    higher: bool = True,
    level: float = 0.95,
) -> BudgetCurve:
    """The expected best of n runs, and the central range of the best of n draws with replacement, in closed form.

    Arguments:
        scores: ``[N]``, one per run; what is not finite is left out.
        budgets: The n; by default 1 to N.
        higher: Whether higher scores are better.
        level: The share of draws whose best lies within the limits.

    Raises:
        BadValue: There is no finite score, a budget below 1, or a level that is not between 0 and 1.

    Example:
        >>> curve = budget_curve([1.0, 2.0, 3.0], [1, 2])
        >>> curve.best.round(3).tolist()  # the best of two draws: (1·1 + 2·3 + 3·5) / 9
        [2.0, 2.444]
    """
    if not 0 < level < 1:
        raise BadValue(f"level={level} is out of range: expected 0 < level < 1.")
    known, sign = _ordered(scores, higher)
    sizes = np.arange(1, len(known) + 1) if budgets is None else np.asarray(budgets)
    best = np.array([expected_best(known, int(n)) for n in sizes])
    # A share that is exact but for rounding is the quantile of its own value, not of the next.
    worse, better = (
        known[np.ceil(len(known) * q ** (1 / sizes) - 1e-9).clip(1).astype(int) - 1]
        for q in ((1 - level) / 2, (1 + level) / 2)
    )
    low, high = (worse, better) if higher else (better, worse)
    return BudgetCurve(sizes.astype(np.float64), sign * best, sign * low, sign * high, len(known))


def expected_best(
    scores: Sequence[float] | Floats, budget: int, *, higher: bool = True, replacement: bool = True
) -> float:
    """The expected best of ``budget`` runs.

    Arguments:
        scores: ``[N]``; what is not finite is left out.
        budget: How many runs, n.
        higher: Whether higher scores are better.
        replacement: Whether a run may be drawn twice, as the bootstrap does; else n is at most N.

    Raises:
        BadValue: There is no finite score, or the budget is below 1 or, without replacement, above N.

    Example:
        >>> round(expected_best([1.0, 2.0, 3.0], 2, replacement=False), 3)  # of 12, 13, 23
        2.667
    """
    known, sign = _ordered(scores, higher)
    count = len(known)
    if budget < 1 or (not replacement and budget > count):
        raise BadValue(f"budget={budget} is out of range: expected 1 ≤ budget{'' if replacement else f' ≤ {count}'}.")
    if replacement:
        shares = (np.arange(count + 1) / count) ** budget
        return float(sign * (known @ np.diff(shares)))
    places = np.arange(budget, count + 1)  # the i-th of them is the best only of subsets of those up to it
    logs = _choose(places - 1, budget - 1) - _choose(np.array([count]), budget)
    return float(sign * (known[budget - 1 :] @ np.exp(logs)))


def resampled_best(
    scores: Sequence[float] | Floats, budget: int, *, higher: bool = True, resamples: int = 10_000, seed: int = 0
) -> Floats:  # [R]
    """The best of ``budget`` runs drawn with replacement, many times: the bootstrap of Lucic et al.

    Raises:
        BadValue: There is no finite score, or a budget or number of resamples below 1.
    """
    known, sign = _ordered(scores, higher)
    if budget < 1 or resamples < 1:
        raise BadValue(f"budget={budget}, resamples={resamples} is out of range: expected 1 ≤ both.")
    picks = np.random.default_rng(seed).integers(len(known), size=(resamples, budget))
    return sign * known[picks.max(1)]


def _ordered(scores: Sequence[float] | Floats, higher: bool) -> tuple[Floats, float]:
    """The finite scores, the best last, turned round where lower is better, and the sign that turns them back."""
    given = np.asarray(scores, dtype=np.float64).ravel()
    sign = 1.0 if higher else -1.0
    known = np.sort(sign * given[np.isfinite(given)])
    if not len(known):
        raise BadValue("The best of n runs needs at least one finite score.")
    return known, sign


def _choose(n: NDArray[np.int64], k: int) -> Floats:  # log of n over k
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
