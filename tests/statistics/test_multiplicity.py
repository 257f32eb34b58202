"""Holm's correction against statsmodels; the smallest p values by enumeration."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from gantlet.errors import BadValue
from gantlet.statistics.comparisons import mcnemar, sign_flip
from gantlet.statistics.multiplicity import holm, least_pairs, smallest_p


@given(st.lists(st.sampled_from([0.0, 1e-9, 0.003, 0.02, 0.02, 0.04, 0.5, 1.0]), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)  # it walks through all that the tests hold
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


def test_what_has_no_p_value_is_no_comparison() -> None:
    found = holm([0.02, math.nan, 0.03])
    assert np.isnan(found[1])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04])
    assert len(holm([])) == 0


def test_a_p_value_outside_of_its_range_is_refused() -> None:
    with pytest.raises(BadValue, match="outside of"):
        holm([0.5, 1.5])


def test_false_findings_stay_below_the_level() -> None:
    """Of 2,000 families of ten true zeros, whose p values depend on each other, at most 5 % may have a finding."""
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        shared = generator.uniform()
        p_values = np.where(generator.uniform(size=10) < 0.5, shared, generator.uniform(size=10))
        found += holm(p_values).min() <= 0.05
    assert found / 2000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    uncorrected = 1 - 0.95**10
    assert found / 2000 < uncorrected / 3


@pytest.mark.parametrize("pairs", [1, 2, 5, 10, 15])
def test_no_test_of_so_many_pairs_goes_below_the_smallest(pairs: int) -> None:
    assert smallest_p(pairs) == sign_flip(np.arange(1.0, pairs + 1))[0] == mcnemar(only_a=pairs, only_b=0)


def test_random_signs_have_a_smallest_p_value_of_their_own() -> None:
    assert smallest_p(40) == sign_flip(np.arange(1.0, 41.0))[0] == 1e-5


def test_five_seeds_can_show_nothing_and_six_can() -> None:
    assert smallest_p(5) == 0.0625
    assert least_pairs() == 6
    for comparisons in (1, 2, 7, 30):
        least = least_pairs(comparisons=comparisons)
        assert smallest_p(least, comparisons=comparisons) <= 0.05 < smallest_p(least - 1, comparisons=comparisons)
    assert least_pairs(comparisons=10**9) == 0
    assert smallest_p(0) == 1.0
    with pytest.raises(BadValue, match="expected 0 ≤ pairs"):
        smallest_p(-1)
