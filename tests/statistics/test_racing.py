"""Racing: who leads, and who is hopeless, against SciPy's paired t test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from gantlet.errors import BadValue
from gantlet.statistics.racing import hopeless, leader

NAN = math.nan


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_the_decision_is_that_of_the_paired_t_test(seeds: int, higher: bool) -> None:
    generator = np.random.default_rng(seeds)
    table = generator.normal(size=(40, seeds)) + generator.normal(size=(40, 1))
    values = [dict(enumerate(row.tolist())) for row in table]
    best = int(table.mean(1).argmax() if higher else table.mean(1).argmin())
    assert leader(values, higher=higher) == best
    side = "greater" if higher else "less"
    expected = [
        place
        for place in range(40)
        if place != best and ttest_rel(table[best], table[place], alternative=side).pvalue < 0.05
    ]
    assert list(hopeless(values, higher=higher)) == expected
    assert 0 < len(expected) < 39


def test_only_shared_seeds_are_compared() -> None:
    """Over the shared seeds 1 and 2 the two are equal; over their own they are not."""
    assert hopeless([{1: 5.0, 2: 6.0, 3: 90.0}, {1: 5.0, 2: 6.0, 4: -90.0}], higher=True) == ()


def test_one_seed_decides_nothing_and_equal_differences_decide() -> None:
    assert hopeless([{1: 9.0}, {1: 1.0}], higher=True) == ()
    assert hopeless([{1: 9.0, 2: 8.0}, {1: 8.0, 2: 7.0}], higher=True) == (1,)
    assert hopeless([{1: 9.0, 2: 8.0}, {1: 9.0, 2: 8.0}], higher=True) == ()


def test_what_is_not_finite_is_worse_than_any_and_never_leads() -> None:
    values = [{1: NAN, 2: 1e9}, {1: 0.0, 2: 1.0}, {1: math.inf, 2: 0.0}]
    assert leader(values, higher=True) == 1
    assert hopeless(values, higher=True) == (0, 2)
    assert leader([{}, {1: NAN}], higher=True) is None
    assert hopeless([{}, {1: NAN}], higher=True) == ()


def test_of_equals_the_first_leads() -> None:
    assert leader([{1: 1.0}, {1: 2.0}, {1: 2.0}], higher=True) == 1
    assert leader([{1: 1.0}, {1: 1.0}], higher=False) == 0


def test_a_level_is_a_probability() -> None:
    with pytest.raises(BadValue, match="level=1"):
        hopeless([{1: 1.0}], higher=True, level=1.0)
