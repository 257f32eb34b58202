r"""Racing: settings that are clearly worse than the leader over the seeds they share are given no further seeds.

For a setting with values :math:`x_s` and the leader's :math:`y_s` over n shared seeds, the paired t test asks whether the
leader is better; with differences :math:`d_s = y_s - x_s` (signed so that more is better)

.. math::
    t = \frac{\bar d}{\sqrt{\sum_s (d_s - \bar d)^2 / (n (n - 1))}}, \qquad p = P(T_{n-1} \ge t).

A t test and not the exact test of signs, because two or three seeds must be able to decide: the exact test of n seeds never
reaches a p below :math:`2^{-n}`. It is a rule for spending a budget, not a claim: what is claimed in the end rests on fresh seeds.

Reference:
    | The racing algorithm (Maron and Moore, 1997), https://doi.org/10.1023/A:1006556606079
    | A racing algorithm for configuring metaheuristics (Birattari et al., 2002), section 3
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from gantlet.errors import BadValue

__all__ = ["hopeless", "leader"]

_SHARE = 0.05


def leader(values: Sequence[Mapping[int, float]], *, higher: bool) -> int | None:
    """The place of the best mean; one that has a value that is not finite is none, and of equals the first wins.

    Arguments:
        values: For each setting, by seed, its value.
        higher: Whether more is better.
    """
    sign = 1.0 if higher else -1.0
    means = [
        sign * math.fsum(given.values()) / len(given)
        if given and all(map(math.isfinite, given.values()))
        else -math.inf
        for given in values
    ]
    best = max(means, default=-math.inf)
    return None if best == -math.inf else means.index(best)


def hopeless(values: Sequence[Mapping[int, float]], *, higher: bool, level: float = _SHARE) -> tuple[int, ...]:
    """The places of settings that are worse than the leader by the paired t test over shared seeds.

    A value that is not finite is worse than any. With fewer than two shared seeds nobody is hopeless by the test; where all
    differences are equal, the one that is worse is.

    Arguments:
        values: For each setting, by seed, its value.
        higher: Whether more is better.
        level: The p value below which a setting is hopeless.

    Raises:
        BadValue: A level that is not between 0 and 1.

    Example:
        >>> hopeless([{1: 8.0, 2: 7.9}, {1: 7.8, 2: 8.0}, {1: 2.0, 2: 2.1}], higher=True)
        (2,)
    """
    if not 0 < level < 1:
        raise BadValue(f"level={level} is out of range: expected 0 < level < 1.")
    best = leader(values, higher=higher)
    if best is None:
        return ()
    sign = 1.0 if higher else -1.0
    out: list[int] = []
    for place, given in enumerate(values):
        shared = sorted(given.keys() & values[best].keys())
        if place == best or not shared:
            continue
        ahead = np.array([sign * (values[best][seed] - given[seed]) for seed in shared])
        if not np.isfinite(ahead).all() or _p_value(ahead) < level:
            out.append(place)
    return tuple(out)


def _p_value(ahead: np.ndarray) -> float:  # [n]
    n, mean = len(ahead), float(ahead.mean())
    if n < 2:
        return 1.0
    error = float(ahead.std(ddof=1)) / math.sqrt(n)
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(n - 1, -mean / error))
