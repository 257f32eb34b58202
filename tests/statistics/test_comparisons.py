"""Paired comparisons: enumeration by hand, McNemar's binomial, and the level under the null hypothesis."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gantlet.errors import BadValue
from gantlet.statistics import comparisons
from gantlet.statistics.comparisons import RANDOM_SIGNS, all_paired, mcnemar, paired, sign_flip, sign_flips
from gantlet.statistics.intervals import bootstrap_mean


def enumerated(differences: list[float]) -> float:
    """The two-sided p value over all choices of signs, in whole numbers where the differences are."""
    observed = abs(math.fsum(differences))
    choices = list(itertools.product((-1, 1), repeat=len(differences)))
    far = sum(
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) >= observed - 1e-12 for signs in choices
    )
    return far / len(choices)


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=9))
def test_few_differences_are_enumerated(differences: list[float]) -> None:
    assert sign_flip(np.array(differences)) == (pytest.approx(enumerated(differences)), True)


def test_fifteen_differences_are_still_exact_and_sixteen_are_not() -> None:
    differences = np.random.default_rng(1).normal(0.3, size=16)
    assert sign_flip(differences[:15])[0] == pytest.approx(enumerated(list(differences[:15])))
    p_value, exact = sign_flip(differences)
    truth = enumerated(list(differences))
    assert not exact
    # A share of 99,999 draws: within four standard errors of the enumeration of 65,536.
    assert p_value == pytest.approx(truth, abs=4 * math.sqrt(truth * (1 - truth) / 99_999))


def test_random_signs_never_give_a_p_value_of_zero() -> None:
    assert sign_flip(np.full(60, 1.0))[0] == 1 / 100_000


def test_ties_in_sums_of_decimals_count() -> None:
    """Sums that are equal as decimals differ by 1e-16 in floating point, and with the order of summing."""
    assert sign_flip(np.array([0.1, 0.2, -0.3]))[0] == 1.0
    assert sign_flip(np.array([-0.8, -0.4, -0.1, -0.2]))[0] == 2 / 2**4
    assert sign_flip(np.array([0.8, -0.4, 0.6, 0.3, -0.9]))[0] == enumerated([8.0, -4.0, 6.0, 3.0, -9.0])


def test_differences_of_zero_say_nothing() -> None:
    differences = np.array([1.0, 2.0, 4.0])
    assert sign_flip(np.concatenate([differences, np.zeros(40)])) == sign_flip(differences)
    assert sign_flip(np.zeros(5)) == (1.0, True)


def test_columns_tested_together_are_tested_as_alone() -> None:
    draws = np.random.default_rng(3)
    columns = [draws.integers(-3, 4, size=n).astype(float) for n in (*[40] * 70, 30, 12, 12, 1, 0)]
    assert sign_flips(columns) == [sign_flip(values) for values in columns]
    assert sign_flips([]) == []


def test_pairs_compared_together_are_compared_as_alone() -> None:
    draws = np.random.default_rng(4)
    sides = [dict(enumerate(draws.normal(size=n).tolist())) for n in (20, 20, 30, 5)]
    sides += [{1: math.nan, 2: 3.0}, {seed: float(seed % 2) for seed in range(20)}, dict.fromkeys(range(9), 1.0)]
    pairs = [(a, b) for a in sides for b in sides]
    for found, (a, b) in zip(all_paired(pairs), pairs, strict=True):
        alone = paired(a, b)
        assert (found.n, found.missing, found.unshared, found.test) == (
            alone.n,
            alone.missing,
            alone.unshared,
            alone.test,
        )
        assert found.p_value == pytest.approx(alone.p_value, nan_ok=True)
        for name in ("estimate", "low", "high"):
            one, other = (getattr(each.difference, name) for each in (found, alone))
            assert one == pytest.approx(other, abs=1e-12, nan_ok=True)
    (none,) = all_paired([({1: 1.0}, {2: 1.0})])
    assert (none.n, none.unshared, math.isnan(none.p_value)) == (0, 2, True)


@given(only_a=st.integers(0, 9), only_b=st.integers(0, 9))
def test_mcnemar_is_the_binomial_test_and_the_sign_flip_test(only_a: int, only_b: int) -> None:
    p_value = mcnemar(only_a=only_a, only_b=only_b)
    if only_a + only_b:
        assert p_value == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    if only_a + only_b <= 15:
        differences = np.array([1.0] * only_a + [-1.0] * only_b)
        assert p_value == pytest.approx(sign_flip(differences)[0])


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(BadValue, match="only_a=-1"):
        mcnemar(only_a=-1, only_b=2)


def test_only_shared_seeds_are_compared() -> None:
    a = {1: 8.0, 2: 6.0, 3: 7.0, 7: 100.0}
    b = {3: 4.0, 2: 5.0, 1: 2.0, 8: -100.0, 9: -100.0}
    found = paired(a, b)
    assert (found.n, found.unshared, found.missing) == (3, 3, 0)
    assert (found.mean_a, found.mean_b) == (7.0, pytest.approx(11 / 3))
    assert found.difference == bootstrap_mean([6.0, 1.0, 3.0])
    assert (found.p_value, found.test) == (0.25, "sign-flip")


def test_swapping_the_settings_mirrors_the_difference_and_keeps_p() -> None:
    generator = np.random.default_rng(4)
    a = dict(enumerate(generator.normal(0.5, size=12)))
    b = dict(enumerate(generator.normal(size=12)))
    there, back = paired(a, b), paired(b, a)
    assert back.difference.estimate == -there.difference.estimate
    assert (back.difference.low, back.difference.high) == pytest.approx((-there.difference.high, -there.difference.low))
    assert back.p_value == there.p_value


def test_pairing_sees_through_differences_between_seeds() -> None:
    """Seeds differ by 100, settings by 1: unpaired nothing could be seen of it."""
    seeds = {seed: 100.0 * seed for seed in range(10)}
    found = paired({seed: value + 1 + 0.1 * (seed % 3) for seed, value in seeds.items()}, seeds)
    assert 1.0 < found.difference.low < found.difference.high < 1.3
    assert found.p_value == 2 / 2**10


def test_successes_are_compared_by_mcnemar() -> None:
    a = {seed: seed < 14 for seed in range(20)}
    b = {seed: seed < 8 for seed in range(20)}
    found = paired(a, b)
    assert found.test == "mcnemar"
    assert found.p_value == mcnemar(only_a=6, only_b=0)
    assert found.difference.estimate == pytest.approx(0.3)


def test_pairs_without_a_number_are_left_out_and_counted() -> None:
    a = {1: 1.0, 2: math.nan, 3: 3.0, 4: 5.0}
    b = {1: 0.0, 2: 0.0, 3: math.inf, 4: 2.0}
    found = paired(a, b)
    assert (found.n, found.missing, found.difference.estimate) == (2, 2, 2.0)
    nothing = paired({1: math.nan}, {1: 1.0})
    assert (nothing.n, nothing.missing) == (0, 1)
    assert math.isnan(nothing.p_value)
    assert math.isnan(nothing.difference.estimate)


def test_settings_without_a_shared_seed_are_refused_with_their_seeds() -> None:
    with pytest.raises(BadValue, match="one has 1, 2, 3, 4, 5, …, the other 11"):
        paired(dict.fromkeys(range(1, 9), 0.0), {11: 0.0})
    with pytest.raises(BadValue, match="the other none"):
        paired({1: 0.0}, {})


def test_the_level_is_kept_where_the_settings_do_not_differ() -> None:
    generator = np.random.default_rng(6)
    p_values = [sign_flip(generator.standard_t(3, size=8))[0] for _ in range(2000)]
    for level in (0.05, 0.2, 0.5):
        rate = np.mean(np.array(p_values) <= level)
        assert rate == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 2000) + 1 / 128)


@pytest.mark.parametrize("n", [16, 17, 33])
def test_random_signs_are_those_of_numpy_s_integers(n: int) -> None:
    signs = np.concatenate(comparisons._kept_signs(n, 5))  # pyright: ignore[reportPrivateUsage]
    assert np.array_equal(signs, 1 - 2 * np.random.default_rng(5).integers(2, size=(RANDOM_SIGNS, n)))
