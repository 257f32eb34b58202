r"""The minimum detectable difference: how large a difference must be for n pairs of this spread to show it.

Student's paired test at level α finds a true difference δ with the power

.. math::
    P(|T| > t_{1 - \alpha / 2, n - 1}), \qquad T \sim \text{noncentral } t_{n - 1}(\sqrt n \, \delta / s),

and the δ at which this is 80 % is the minimum detectable one. A smaller one may well be there, and
stays unseen in more than one study of five.

Legend: ``n`` pairs, ``s`` the standard deviation of their differences, ``α`` the level.

Reference:
    | Statistical power analysis for the behavioral sciences (Cohen, 1988), chapter 2
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.special import nctdtr, stdtrit  # scipy.stats takes half a second to import

from gantlet.errors import BadValue

__all__ = ["detectable_difference", "power_of"]

_WIDEST = 1e4  # differences in standard deviations beyond which none is sought


def detectable_difference(
    deviation: float, pairs: int, *, comparisons: int = 1, level: float = 0.95, power: float = 0.8
) -> float:
    """The smallest true difference that such pairs show with this power; nan for fewer than two, or without spread.

    Arguments:
        deviation: The standard deviation of the differences, s.
        pairs: How many there are, n.
        comparisons: How many are made at once: the first step of Holm's procedure divides the risk by it.
        level: One minus the chance of a false finding.
        power: The chance of finding it.

    Raises:
        BadValue: ``comparisons`` below 1, or a level or power that is not between 0 and 1.

    Example:
        >>> round(detectable_difference(1.0, 10), 3)
        0.996
    """
    if comparisons < 1 or not 0 < level < 1 or not 0 < power < 1:
        raise BadValue(
            f"comparisons={comparisons}, level={level}, power={power} is out of range: expected 1 ≤ comparisons, and level "
            "and power between 0 and 1."
        )
    if pairs < 2 or not 0 < deviation < math.inf:
        return math.nan
    risk = (1 - level) / comparisons
    return _detectable(pairs, risk, power) * deviation


@lru_cache(maxsize=256)  # a table asks for the same in every cell
def _detectable(pairs: int, risk: float, power: float) -> float:
    """The same in standard deviations."""
    if power <= risk:
        return 0.0

    upper = 1.0
    while power_of(upper, pairs, risk=risk) < power and upper < _WIDEST:
        upper *= 2
    if upper >= _WIDEST:
        return math.nan
    lower = 0.0
    for _ in range(60):  # halves, down to rounding: the power grows with the effect
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if power_of(middle, pairs, risk=risk) < power else (lower, middle)
    return upper


def power_of(effect: float, pairs: int, *, risk: float = 0.05) -> float:
    """The chance that Student's two-sided test of ``pairs`` ≥ 2 differences finds a true one of ``effect`` standard deviations.

    Example:
        >>> round(power_of(1.0, 10), 3)
        0.803
    """
    bound = float(stdtrit(pairs - 1, 1 - risk / 2))
    shift = effect * math.sqrt(pairs)
    # Both are 0 to sixteen digits for large shifts, where the series gives nan.
    below, far = (float(nctdtr(pairs - 1, shift, end)) for end in (bound, -bound))
    return 1.0 - (below if math.isfinite(below) else 0.0) + (far if math.isfinite(far) else 0.0)
