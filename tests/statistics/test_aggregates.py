"""Aggregates against the definitions of rliable, restated here since its pins cannot be met.

Reference:
    | google-research/rliable, rliable/metrics.py (aggregate_iqm, probability_of_improvement) and rliable/library.py
      (run_score_deviation, StratifiedBootstrap with percentile intervals)
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gantlet.errors import BadValue
from gantlet.statistics.aggregates import interquartile_mean, performance_profile, probability_of_improvement

SCORES = {"a": [0.1, 0.9, 0.4, 0.6, 0.5], "b": [0.2, 0.3, 0.3, 0.8, 0.7]}
OTHERS = {"a": [0.0, 0.5, 0.4, 0.2, 0.3], "b": [0.9, 0.1, 0.3, 0.6, 0.2]}


def matrix(scores: dict[str, list[float]]) -> np.ndarray:  # as rliable has it: [runs, tasks]
    return np.array(list(scores.values())).T


def test_the_interquartile_mean_is_rliables() -> None:
    found = interquartile_mean(SCORES)
    assert found.estimate == pytest.approx(stats.trim_mean(matrix(SCORES), proportiontocut=0.25, axis=None))
    assert found.n == 10


def test_its_interval_is_that_of_runs_drawn_task_by_task() -> None:
    generator, scores = np.random.default_rng(7), matrix(SCORES)
    draws = [
        stats.trim_mean(
            np.stack([scores[generator.integers(5, size=5), task] for task in (0, 1)], axis=1), 0.25, axis=None
        )
        for _ in range(1500)
    ]
    found = interquartile_mean(SCORES)
    assert [found.low, found.high] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)


def test_strata_matter_where_tasks_lie_apart() -> None:
    apart = {"easy": [1.0, 1.1, 0.9, 1.0], "hard": [0.0, 0.1, 0.0, 0.1]}
    width = interquartile_mean(apart).high - interquartile_mean(apart).low
    pooled = interquartile_mean({"all": [*apart["easy"], *apart["hard"]]})
    assert width < 0.5 * (pooled.high - pooled.low)


def test_one_run_of_each_task_gives_no_interval_and_two_of_one_do() -> None:
    lone = interquartile_mean({"a": [1.0], "b": [3.0], "c": [math.nan]})
    assert (lone.estimate, lone.n, lone.missing) == (2.0, 2, 1)
    assert math.isnan(lone.low)
    assert math.isnan(lone.high)
    assert interquartile_mean({"a": [1.0, 2.0], "b": [3.0]}).low < 2.0


def test_one_bad_run_moves_the_mean_but_not_the_interquartile_mean() -> None:
    good = [7.0, 8.0, 8.0, 7.0, 8.0, 7.0, 8.0, 8.0]
    spoilt = [*good[:-1], -1e6]
    assert abs(interquartile_mean({"": spoilt}).estimate - interquartile_mean({"": good}).estimate) <= 0.25


def test_the_probability_of_improvement_is_rliables() -> None:
    """Over all pairs, ties half; averaged over tasks."""
    by_pairs = [
        np.mean([float(x > y) + 0.5 * float(x == y) for x, y in itertools.product(SCORES[task], OTHERS[task])])
        for task in SCORES
    ]
    by_rliable = [
        stats.mannwhitneyu(SCORES[task], OTHERS[task], alternative="greater").statistic / 25 for task in SCORES
    ]
    found = probability_of_improvement(SCORES, OTHERS)
    assert found.estimate == pytest.approx(np.mean(by_pairs)) == pytest.approx(np.mean(by_rliable))
    assert found.low < found.estimate < found.high


def test_better_is_lower_where_it_is_said_and_both_directions_add_up() -> None:
    up, down = (probability_of_improvement(SCORES, OTHERS, higher=higher).estimate for higher in (True, False))
    back = probability_of_improvement(OTHERS, SCORES).estimate
    assert up + down == pytest.approx(1.0) == pytest.approx(up + back)


def test_a_sure_improvement_is_one_and_tasks_of_one_method_alone_are_left_out() -> None:
    found = probability_of_improvement({"a": [2.0, 3.0], "c": [0.0]}, {"a": [1.0, 0.0, math.nan], "d": [5.0]})
    assert (found.estimate, found.low, found.high, found.n, found.missing) == (1.0, 1.0, 1.0, 4, 1)
    with pytest.raises(BadValue, match="share no task"):
        probability_of_improvement({"a": [1.0]}, {"b": [1.0]})


def test_a_profile_is_the_share_above_each_threshold() -> None:
    taus = np.array([-1.0, 0.3, 0.55, 2.0])
    found = performance_profile(SCORES, taus)
    scores = matrix(SCORES)
    assert found.share == pytest.approx([np.mean(scores > tau) for tau in taus])
    assert found.share[[0, -1]].tolist() == [1.0, 0.0]
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    low = performance_profile(SCORES, taus, higher=False)
    assert low.share == pytest.approx([np.mean(scores < tau) for tau in taus])


def test_the_band_of_a_profile_is_that_of_a_binomial() -> None:
    scores = {"a": np.arange(40.0)}
    found = performance_profile(scores, [19.5], resamples=4000)
    low, high = stats.binom.ppf([0.025, 0.975], 40, 0.5) / 40
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=0.026)


def test_missing_scores_are_counted_and_none_at_all_are_refused() -> None:
    found = interquartile_mean({"a": [1.0, math.nan], "b": [math.inf]})
    assert (found.estimate, found.n, found.missing, math.isnan(found.low)) == (1.0, 1, 2, True)
    assert math.isnan(interquartile_mean({"a": []}).estimate)
    with pytest.raises(BadValue, match="at least one score"):
        performance_profile({"a": [math.nan]}, [0.0])
    with pytest.raises(BadValue, match="expected 0 < level < 1"):
        interquartile_mean(SCORES, level=1.0)
