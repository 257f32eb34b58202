"""The detectable difference against statsmodels, and by drawing such differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower

from gantlet.errors import BadValue
from gantlet.statistics.power import detectable_difference, power_of


def power_by_integration(effect: float, pairs: int, risk: float) -> float:
    """The power over the distribution of the estimated spread: what a noncentral t is made of."""
    free, shift, bound = pairs - 1, effect * math.sqrt(pairs), stats.t.ppf(1 - risk / 2, pairs - 1)

    def found_at(u: float) -> float:
        edge = bound * math.sqrt(u / free)
        return stats.chi2.pdf(u, free) * (stats.norm.sf(edge - shift) + stats.norm.cdf(-edge - shift))

    wide = 20 * math.sqrt(2 * free)  # the range of u that matters, which quad would not find by itself
    return integrate.quad(found_at, max(0.0, free - wide), free + wide + 60, limit=500)[0]


@pytest.mark.parametrize(("pairs", "comparisons"), [(2, 1), (3, 6), (5, 1), (20, 6), (200, 1)])
def test_the_detectable_difference_is_found_with_the_power_that_was_asked_for(pairs: int, comparisons: int) -> None:
    effect = detectable_difference(3.0, pairs, comparisons=comparisons) / 3.0
    assert power_by_integration(effect, pairs, 0.05 / comparisons) == pytest.approx(0.8, abs=1e-6)
    witness = TTestPower().power(effect, pairs, 0.05 / comparisons) if pairs > 2 else math.nan
    if pairs > 3 or math.isfinite(witness):  # for few pairs statsmodels has no number at some effects
        assert witness == pytest.approx(0.8, abs=1e-8)


def test_such_a_difference_is_found_in_four_studies_of_five() -> None:
    effect = detectable_difference(1.0, 8)
    draws = np.random.default_rng(1).normal(effect, size=(4000, 8))
    found = float((stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean())
    assert found == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 4000))


def test_no_difference_is_found_at_the_risk() -> None:
    assert power_of(0.0, 7, risk=0.01) == pytest.approx(0.01)


def test_what_has_no_spread_or_one_pair_has_no_detectable_difference() -> None:
    assert math.isnan(detectable_difference(1.0, 1))
    assert math.isnan(detectable_difference(0.0, 9))
    assert math.isnan(detectable_difference(math.nan, 9))
    assert detectable_difference(1.0, 9, power=0.01) == 0.0
    with pytest.raises(BadValue, match="expected 1 ≤ comparisons"):
        detectable_difference(1.0, 5, comparisons=0)
