r"""Own results against published ones: agrees, differs, or cannot be told.

The difference of two rates has Newcombe's interval, made of the two Wilson intervals :math:`[l_i, u_i]` of rates
:math:`p_i`:

.. math::
    p_1 - p_2 - \sqrt{(p_1 - l_1)^2 + (u_2 - p_2)^2}, \qquad p_1 - p_2 + \sqrt{(u_1 - p_1)^2 + (p_2 - l_2)^2}

That of two means is Welch's, with the published standard deviation, or one's own where none was published. All cells of a
table are judged together: each interval has the level :math:`1 - 0.05 / m` for m cells (Bonferroni), so that in a table whose
numbers all agree one is called different in at most one case of twenty.

Reference:
    | Interval estimation for the difference between independent proportions (Newcombe, 1998), method 10
    | The generalization of Student's problem (Welch, 1947), https://doi.org/10.1093/biomet/34.1-2.28
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from gantlet.errors import BadValue

from .intervals import Floats, wilson

__all__ = ["Against", "detectable_rate", "mean_against", "rate_against"]

_Verdict = Literal["agrees", "differs", "cannot tell"]


@dataclass(frozen=True)
class Against:
    """Own results minus a published number.

    Attributes:
        own: The own rate or mean; nan without runs.
        published: The published one.
        low: The lower limit of the difference.
        high: The upper limit.
        n: Own runs.
        near: The half-width up to which an interval around zero counts as agreement.
    """

    own: float
    published: float
    low: float
    high: float
    n: int
    near: float

    @property
    def verdict(self) -> _Verdict:
        """``differs`` where zero is outside; ``agrees`` where it is inside a narrow interval; else it cannot be told."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return "cannot tell"
        if self.low > 0 or self.high < 0:
            return "differs"
        return "agrees" if max(self.high, -self.low) <= self.near else "cannot tell"


def rate_against(
    successes: int, n: int, *, published: float, published_n: int, level: float = 0.95, near: float = 0.15
) -> Against:
    """A rate of own runs against a published one.

    Arguments:
        successes: Own runs that count.
        n: Own runs.
        published: The published rate.
        published_n: Of how many runs it is.
        level: Of the interval.
        near: See :class:`Against`.

    Raises:
        BadValue: Not 0 ≤ successes ≤ n, or a published rate that is none.

    Example:
        >>> found = rate_against(7, 8, published=0.87, published_n=200)
        >>> round(found.low, 3), round(found.high, 3), found.verdict
        (-0.343, 0.121, 'cannot tell')
    """
    if not 0 <= published <= 1 or published_n < 1:
        raise BadValue(f"published={published} of {published_n} runs is not a rate.")
    own = wilson(successes, n, level=level)
    if n == 0:
        return Against(math.nan, published, math.nan, math.nan, 0, near)
    other = wilson(round(published * published_n), published_n, level=level)
    difference = own.estimate - other.estimate
    low = difference - math.hypot(own.estimate - own.low, other.high - other.estimate)
    high = difference + math.hypot(own.high - own.estimate, other.estimate - other.low)
    return Against(own.estimate, published, low, high, n, near)


def mean_against(
    values: Sequence[float] | Floats,
    *,
    published: float,
    published_n: int,
    deviation: float | None = None,
    level: float = 0.95,
    near: float | None = None,
) -> Against:
    """A mean over own runs against a published one.

    Arguments:
        values: ``[n]``; what is not finite is left out.
        published: The published mean.
        published_n: Of how many runs it is.
        deviation: Their standard deviation; one's own where it is None.
        level: Of the interval.
        near: See :class:`Against`; a tenth of the published mean if None.

    Example:
        >>> mean_against([1.0, 2.0, 3.0], published=2.0, published_n=100).verdict
        'cannot tell'
    """
    given = np.asarray(values, dtype=np.float64).ravel()
    known = given[np.isfinite(given)]
    n, close = len(known), abs(published) / 10 if near is None else near
    own = float(known.mean()) if n else math.nan
    if n < 2:
        return Against(own, published, math.nan, math.nan, n, close)
    mine = float(known.var(ddof=1)) / n
    theirs = (float(known.var(ddof=1)) if deviation is None else deviation**2) / published_n
    error = math.sqrt(mine + theirs)
    if error == 0:
        return Against(own, published, own - published, own - published, n, close)
    parts = mine**2 / (n - 1) + (theirs**2 / (published_n - 1) if published_n > 1 else 0.0)
    free = (mine + theirs) ** 2 / parts
    reach = float(stats.t.ppf((1 + level) / 2, free)) * error
    return Against(own, published, own - published - reach, own - published + reach, n, close)


def detectable_rate(n: int, *, published: float, published_n: int, level: float = 0.95, power: float = 0.8) -> float:
    """About how far an own rate must truly be from a published one to be called different with this power.

    By the normal approximation at the published rate; at most 1.

    Raises:
        BadValue: Fewer than one run.

    Example:
        >>> round(detectable_rate(8, published=0.5, published_n=200), 2)
        0.51
    """
    if n < 1 or published_n < 1:
        raise BadValue(f"n={n}, published_n={published_n} is out of range: expected at least one run.")
    spread = math.sqrt(max(published * (1 - published), 0.25 / max(n, 4)) * (1 / n + 1 / published_n))
    return float(min(1.0, (stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power)) * spread))
