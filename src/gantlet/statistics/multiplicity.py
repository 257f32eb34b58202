r"""Many comparisons at once, and what few seeds cannot show.

Holm's procedure sorts the m p values and multiplies the i-th smallest by the number of those that are left,

.. math::
    \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)}),

so that the chance of one false finding or more among all m stays below the level, whatever they have in common.

An exact test of n pairs by signs has 2ⁿ equally likely outcomes, of which two are the most extreme: no p value is below
2¹⁻ⁿ. With m comparisons none is below m 2¹⁻ⁿ after the correction. With five seeds that is 0.0625: no difference, however
large, is significant at 0.05.

Legend: ``m`` comparisons, ``n`` pairs.

Reference:
    | A simple sequentially rejective multiple test procedure (Holm, 1979), https://www.jstor.org/stable/4615733
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantlet.errors import BadValue

from .comparisons import EXACT_UP_TO, RANDOM_SIGNS
from .intervals import Floats

__all__ = ["holm", "least_pairs", "smallest_p"]

_MOST_PAIRS = 64


def holm(p_values: Sequence[float] | Floats) -> Floats:  # [m] -> [m]
    """P values after Holm's correction; what is not a number stays so, and does not count as a comparison.

    Raises:
        BadValue: A value outside of [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    known = np.isfinite(given)
    values = given[known]
    if ((values < 0) | (values > 1)).any():
        raise BadValue("A p value lies outside of [0, 1]; give those that a test returned.")
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.full(given.shape, np.nan)
    places = np.flatnonzero(known)
    corrected[places[order]] = np.minimum(steps, 1.0)
    return corrected


def smallest_p(pairs: int, *, comparisons: int = 1) -> float:
    """The smallest p value that a paired test can give, after Holm's correction; 1 where there are no pairs.

    That of the sign-flip test and of McNemar's with pairs that all differ; with more than 15 pairs signs are drawn at random,
    and the smallest is one of all draws.

    Raises:
        BadValue: A negative number of pairs, or fewer than one comparison.

    Example:
        >>> smallest_p(5), smallest_p(5, comparisons=2), smallest_p(8)
        (0.0625, 0.125, 0.0078125)
    """
    if pairs < 0 or comparisons < 1:
        raise BadValue(
            f"pairs={pairs}, comparisons={comparisons} is out of range: expected 0 ≤ pairs, 1 ≤ comparisons."
        )
    if pairs == 0:
        return 1.0
    exact = 2.0 ** (1 - pairs)
    return min(1.0, comparisons * (exact if pairs <= EXACT_UP_TO else max(exact, 1 / (RANDOM_SIGNS + 1))))


def least_pairs(*, comparisons: int = 1, level: float = 0.95) -> int:
    """The fewest pairs with which a difference can be significant at all; 0 where no number is enough.

    Example:
        >>> least_pairs(), least_pairs(comparisons=2)
        (6, 7)
    """
    enough = (pairs for pairs in range(1, _MOST_PAIRS) if smallest_p(pairs, comparisons=comparisons) <= 1 - level)
    return next(enough, 0)
