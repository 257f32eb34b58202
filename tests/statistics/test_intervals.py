"""Wilson and bootstrap intervals: published limits, their defining equations, SciPy, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gantlet.errors import BadValue
from gantlet.statistics import intervals as module
from gantlet.statistics.intervals import Interval, bootstrap_mean, bootstrap_means, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_limits_are_those_of_newcombe_1998(successes: int, trials: int, low: float, high: float) -> None:
    """Two-sided confidence intervals for the single proportion, table I, method 3."""
    found = wilson(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(trials=st.integers(1, 500), data=st.data(), level=st.floats(0.5, 0.999))
def test_wilson_limits_solve_their_equation(trials: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, trials))
    found, z = wilson(successes, trials, level=level), stats.norm.ppf((1 + level) / 2)
    for p in (found.low, found.high):
        assert (found.estimate - p) ** 2 == pytest.approx(z * z * p * (1 - p) / trials, rel=1e-6, abs=1e-15)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


@pytest.mark.parametrize("trials", [1, 7, 200])
def test_wilson_limits_of_none_and_of_all_are_closed(trials: int) -> None:
    z2 = stats.norm.ppf(0.975) ** 2
    none, all_of_them = wilson(0, trials), wilson(trials, trials)
    assert (none.low, all_of_them.high) == (0.0, 1.0)
    assert none.high == pytest.approx(z2 / (trials + z2), rel=1e-12)
    assert all_of_them.low == pytest.approx(trials / (trials + z2), rel=1e-12)


@given(trials=st.integers(1, 80), data=st.data())
def test_wilson_agrees_with_scipy(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    theirs = stats.binomtest(successes, trials).proportion_ci(0.9, method="wilson")
    found = wilson(successes, trials, level=0.9)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_covers_the_rate_as_often_as_it_says() -> None:
    """Exactly, by summing over all outcomes of 20 trials, and averaged over rates."""
    limits = [wilson(k, 20) for k in range(21)]
    rates = np.linspace(0.05, 0.95, 181)
    coverage = [
        sum(stats.binom.pmf(k, 20, rate) for k, found in enumerate(limits) if found.low <= rate <= found.high)
        for rate in rates
    ]
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.01)
    assert min(coverage) > 0.89


def test_wilson_without_trials_knows_nothing() -> None:
    found = wilson(0, 0)
    assert math.isnan(found.estimate)
    assert (found.low, found.high, found.n) == (0.0, 1.0, 0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5)])
def test_wilson_refuses_counts_that_cannot_be(successes: int, trials: int) -> None:
    with pytest.raises(BadValue, match=f"successes={successes}, trials={trials} is out of range"):
        wilson(successes, trials)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_levels_are_shares(level: float) -> None:
    for make in (lambda: wilson(1, 2, level=level), lambda: bootstrap_mean([1.0, 2.0], level=level)):
        with pytest.raises(BadValue, match="0 < level < 1"):
            make()


SKEWED = np.random.default_rng(3).exponential(size=25)


HEAVY = np.random.default_rng(0).lognormal(sigma=1.2, size=12)
TIED = np.array([0.0] * 9 + [1.0] * 3)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("values", [SKEWED, HEAVY, TIED], ids=["skewed", "heavy", "tied"])
def test_the_bootstrap_agrees_with_scipys(values: np.ndarray, level: float) -> None:
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=40_000,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(9),
    ).confidence_interval
    found = bootstrap_mean(values, level=level, resamples=40_000)
    width = found.high - found.low
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)


def test_the_bootstrap_leans_where_the_values_lean() -> None:
    """BCa moves both limits of a right-skewed sample upwards; plain percentiles do not."""
    found = bootstrap_mean(SKEWED)
    assert found.high - found.estimate > 1.2 * (found.estimate - found.low)


@given(scale=st.floats(0.1, 100), shift=st.floats(-1000, 1000))
def test_the_bootstrap_moves_and_stretches_with_its_values(scale: float, shift: float) -> None:
    base, moved = bootstrap_mean(SKEWED), bootstrap_mean(scale * SKEWED + shift)
    for name in ("estimate", "low", "high"):
        assert getattr(moved, name) == pytest.approx(scale * getattr(base, name) + shift, rel=1e-6, abs=1e-6 * scale)


def test_the_bootstrap_of_mirrored_values_is_mirrored() -> None:
    base, mirrored = bootstrap_mean(SKEWED), bootstrap_mean(-SKEWED)
    assert (mirrored.low, mirrored.high) == pytest.approx((-base.high, -base.low), rel=1e-9)


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    """400 samples of 30 exponentials: 0.95 less the small-sample loss that BCa is known for."""
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        found = bootstrap_mean(generator.exponential(size=30), resamples=2000)
        hits += found.low <= 1.0 <= found.high
    assert 0.89 <= hits / 400 <= 0.97


def test_the_bootstrap_of_a_normal_sample_has_the_width_of_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(size=400)
    found = bootstrap_mean(values, level=0.9)
    expected = 2 * 1.645 * values.std() / 20
    assert found.high - found.low == pytest.approx(expected, rel=0.03)


def test_blocks_of_draws_give_the_same_interval_up_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_mean(SKEWED)
    monkeypatch.setattr(module, "_BLOCK", 25 * 999)
    parts = [block.copy() for block in module._draws(25, 10_000, 0)]
    assert [len(part) for part in parts] == [999] * 10 + [10]
    assert all((part.sum(1) == 25).all() for part in parts)
    assert not np.array_equal(parts[0], parts[1])
    found = bootstrap_mean(SKEWED)
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), abs=0.03)


def test_the_same_values_give_the_same_interval_and_another_seed_another() -> None:
    assert bootstrap_mean(SKEWED) == bootstrap_mean(list(SKEWED)) != bootstrap_mean(SKEWED, seed=1)


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    with_gaps = [*SKEWED, math.nan, math.inf, -math.inf]
    found, clean = bootstrap_mean(with_gaps), bootstrap_mean(SKEWED)
    assert (found.low, found.high, found.n, found.missing) == (clean.low, clean.high, 25, 3)


def test_one_value_has_no_limits_and_none_no_mean() -> None:
    one = bootstrap_mean([3.0, math.nan])
    assert (one.estimate, one.n, one.missing) == (3.0, 1, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    none = bootstrap_mean([])
    assert math.isnan(none.estimate)
    assert (none.n, none.missing) == (0, 0)


def test_equal_values_have_no_width() -> None:
    assert bootstrap_mean([0.1] * 7) == Interval(0.1, 0.1, 0.1, 0.95, n=7)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0] * 9 + [1.0], [1.0, 2.0, 1e6]])
def test_few_values_keep_their_limits_inside_their_range(values: list[float]) -> None:
    found = bootstrap_mean(values)
    assert min(values) <= found.low <= found.estimate <= found.high <= max(values)


def test_resamples_are_needed() -> None:
    with pytest.raises(BadValue, match="resamples=0"):
        bootstrap_mean([1.0, 2.0], resamples=0)


def test_many_columns_have_the_intervals_of_each() -> None:
    """One product of the draws with all columns of a length; only the order of summing differs."""
    generator = np.random.default_rng(3)
    columns = [generator.gamma(1 + place, size=size) for place in range(70) for size in (5, 40)]
    columns += [np.array([2.0, 2.0]), np.array([1.0]), np.array([]), np.array([np.nan, 1.0, 5.0, np.inf])]
    for one, values in zip(bootstrap_means(columns), columns, strict=True):
        alone = bootstrap_mean(values)
        assert (one.n, one.missing) == (alone.n, alone.missing)
        np.testing.assert_allclose(
            [one.estimate, one.low, one.high], [alone.estimate, alone.low, alone.high], rtol=1e-12
        )


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_draws_are_cut_where_numpy_s_quantile_cuts_them(count: int) -> None:
    numbers = np.random.default_rng(count)
    for shares in (np.array([0.0, 1.0]), *np.sort(numbers.random((50, 2)), axis=1)):
        means = numbers.normal(size=count)
        assert np.array_equal(module._cut(means, shares), np.quantile(means, shares))  # pyright: ignore[reportPrivateUsage]
