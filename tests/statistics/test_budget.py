"""The best of n runs: by enumeration, against the bootstrap, and at the ends."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.errors import BadValue
from gantlet.statistics.budget import budget_curve, expected_best, resampled_best

some = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=4)


@given(some, st.integers(1, 4), st.booleans())
def test_the_expected_best_of_draws_is_enumerated(scores: list[float], budget: int, higher: bool) -> None:
    choose = max if higher else min
    every = [choose(draw) for draw in itertools.product(scores, repeat=budget)]
    assert expected_best(scores, budget, higher=higher) == pytest.approx(np.mean(every))


@given(some, st.integers(1, 4), st.booleans())
def test_without_replacement_it_is_the_mean_over_subsets(scores: list[float], budget: int, higher: bool) -> None:
    if budget > len(scores):
        with pytest.raises(BadValue, match="expected 1 ≤ budget ≤"):
            expected_best(scores, budget, replacement=False)
        return
    choose = max if higher else min
    every = [choose(draw) for draw in itertools.combinations(scores, budget)]
    assert expected_best(scores, budget, higher=higher, replacement=False) == pytest.approx(np.mean(every))


@pytest.mark.parametrize("higher", [True, False])
def test_the_closed_form_is_what_the_bootstrap_tends_to(higher: bool) -> None:
    scores = np.random.default_rng(2).gamma(2, 10, size=23)
    curve = budget_curve(scores, [1, 4, 15], higher=higher)
    for place, budget in enumerate((1, 4, 15)):
        draws = resampled_best(scores, budget, higher=higher, resamples=40_000)
        assert curve.best[place] == pytest.approx(draws.mean(), abs=4 * draws.std() / 200)
        # The quantile of a discrete distribution: the shares at and below it enclose the level.
        low, high = curve.low[place], curve.high[place]
        assert (draws < low).mean() <= 0.025 + 0.004 and (draws <= low).mean() >= 0.025 - 0.004  # noqa: PT018
        assert (draws > high).mean() <= 0.025 + 0.004 and (draws >= high).mean() >= 0.025 - 0.004  # noqa: PT018


def test_more_budget_never_hurts_and_the_first_is_the_mean() -> None:
    scores = [3.0, 9.0, 1.0, math.nan, 4.0]
    for higher in (True, False):
        curve = budget_curve(scores, higher=higher)
        assert (curve.runs, curve.budgets.tolist()) == (4, [1, 2, 3, 4])
        assert curve.best[0] == pytest.approx(4.25)
        assert (np.diff(curve.best) * (1 if higher else -1) > 0).all()
        assert (curve.low <= curve.best).all()
        assert (curve.best <= curve.high).all()
    assert expected_best(scores, 10_000) == pytest.approx(9.0)


def test_methods_may_change_places_with_the_budget() -> None:
    """The reason for these curves: one run in ten is excellent, against ten good ones."""
    wild, steady = [1.0] * 9 + [9.0], [4.0] * 10
    assert expected_best(wild, 1) < expected_best(steady, 1)
    assert expected_best(wild, 10) > expected_best(steady, 10)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(BadValue, match="at least one finite score"):
        budget_curve([math.nan])
    with pytest.raises(BadValue, match="budget=0 is out of range"):
        expected_best([1.0], 0)
    with pytest.raises(BadValue, match="expected 1 ≤ both"):
        resampled_best([1.0], 0)
    with pytest.raises(BadValue, match="expected 0 < level < 1"):
        budget_curve([1.0], level=0.0)
