"""Own results against published ones: the intervals are those of other implementations, the verdicts follow from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from gantlet.errors import BadValue
from gantlet.statistics.published import Against, detectable_rate, mean_against, rate_against


@pytest.mark.parametrize(
    ("hits", "n", "theirs", "their_n"), [(7, 8, 174, 200), (0, 8, 59, 200), (20, 20, 93, 200), (3, 9, 3, 9)]
)
@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 12])
def test_the_interval_of_rates_is_newcombes(hits: int, n: int, theirs: int, their_n: int, level: float) -> None:
    found = rate_against(hits, n, published=theirs / their_n, published_n=their_n, level=level)
    low, high = confint_proportions_2indep(hits, n, theirs, their_n, method="newcomb", alpha=1 - level)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("deviation", [None, 315.0])
def test_the_interval_of_means_is_welchs(deviation: float | None) -> None:
    values = np.random.default_rng(1).normal(600, 200, size=9)
    other = float(values.std(ddof=1)) if deviation is None else deviation
    found = mean_against(values, published=541, published_n=100, deviation=deviation)
    welch = stats.ttest_ind_from_stats(values.mean(), values.std(ddof=1), 9, 541, other, 100, equal_var=False)
    mine, theirs = values.var(ddof=1) / 9, other**2 / 100
    free = (mine + theirs) ** 2 / (mine**2 / 8 + theirs**2 / 99)
    reach = stats.t.ppf(0.975, free) * math.sqrt(mine + theirs)
    assert (found.low, found.high) == pytest.approx((values.mean() - 541 - reach, values.mean() - 541 + reach))
    assert (found.low > 0 or found.high < 0) == (welch.pvalue < 0.05)


def test_the_verdict_follows_from_the_interval() -> None:
    assert Against(0.9, 0.5, 0.1, 0.7, 9, near=0.15).verdict == "differs"
    assert Against(0.5, 0.5, -0.1, 0.1, 900, near=0.15).verdict == "agrees"
    assert Against(0.5, 0.5, -0.3, 0.1, 9, near=0.15).verdict == "cannot tell"
    assert Against(0.5, 0.5, math.nan, math.nan, 1, near=0.15).verdict == "cannot tell"


def test_without_runs_or_with_one_nothing_can_be_told() -> None:
    assert rate_against(0, 0, published=0.5, published_n=200).verdict == "cannot tell"
    assert mean_against([], published=1.0, published_n=9).verdict == "cannot tell"
    assert mean_against([1.0, math.nan], published=1.0, published_n=9).verdict == "cannot tell"
    assert mean_against([2.0, 2.0, 2.0], published=1.0, published_n=9).verdict == "differs"


def test_many_seeds_of_the_published_rate_agree_and_of_another_differ() -> None:
    assert rate_against(174, 200, published=0.87, published_n=200).verdict == "agrees"
    assert rate_against(93, 200, published=0.87, published_n=200).verdict == "differs"


def test_a_detectable_rate_is_detected_in_about_four_tries_of_five() -> None:
    least = detectable_rate(40, published=0.5, published_n=200)
    draws = np.random.default_rng(1).binomial(40, 0.5 + least, size=2000)
    told = [rate_against(int(hits), 40, published=0.5, published_n=200).verdict == "differs" for hits in draws]
    assert 0.7 < np.mean(told) < 0.95


@pytest.mark.parametrize("published", [-0.1, 1.1])
def test_what_is_no_rate_is_refused(published: float) -> None:
    with pytest.raises(BadValue, match="is not a rate"):
        rate_against(1, 2, published=published, published_n=200)
