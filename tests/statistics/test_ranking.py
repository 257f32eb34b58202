"""Ranks of methods: by hand, with ties, and the probabilities where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gantlet.errors import BadValue
from gantlet.statistics.ranking import rank_methods


def test_mean_ranks_over_tasks_by_hand() -> None:
    scores = {
        "a": {"t1": [9.0, 9.1], "t2": [1.0, 1.1]},
        "b": {"t1": [5.0, 5.1], "t2": [5.0, 5.1]},
        "c": {"t1": [1.0, 1.1], "t2": [3.0, 3.1]},
    }
    found = rank_methods(scores)
    assert found.methods == ("b", "a", "c")
    assert found.mean_rank.tolist() == [1.5, 2.0, 2.5]
    assert found.probability.tolist() == [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]
    assert found.low.tolist() == found.high.tolist() == found.mean_rank.tolist()  # no draw changes the order


def test_lower_may_be_better_task_by_task() -> None:
    scores = {"a": {"fd": [10.0], "modes": [8.0]}, "b": {"fd": [20.0], "modes": [7.0]}}
    found = rank_methods(scores, higher={"fd": False, "modes": True})
    assert found.methods == ("a", "b")
    assert found.mean_rank.tolist() == [1.0, 2.0]


def test_methods_that_are_alike_have_every_rank_alike() -> None:
    found = rank_methods({name: {"t": [4.0, 4.0]} for name in "abc"})
    assert found.mean_rank.tolist() == [2.0] * 3
    assert found.probability == pytest.approx(np.full((3, 3), 1 / 3))


def test_the_probability_is_that_of_the_bootstrap_by_enumeration() -> None:
    """a is 1 or 3, b always 2: of the four draws of two runs of a, the mean is 1, 2, 2 or 3."""
    found = rank_methods({"a": {"t": [1.0, 3.0]}, "b": {"t": [2.0, 2.0]}}, resamples=40_000)
    first = {method: row[0] for method, row in zip(found.methods, found.probability, strict=True)}
    assert first["a"] == pytest.approx(0.25 + 0.5 / 2, abs=0.01)
    assert found.probability.sum(0) == pytest.approx(np.ones(2))
    assert found.probability.sum(1) == pytest.approx(np.ones(2))


def test_sampling_noise_shows_as_uncertain_ranks() -> None:
    generator = np.random.default_rng(3)
    noise = {name: {"t": generator.normal(size=8)} for name in "ab"}
    assert rank_methods(noise).probability.min() > 0.02
    apart = {name: {"t": generator.normal(shift, size=8)} for name, shift in (("a", 0), ("b", 5))}
    assert rank_methods(apart).probability.max() == 1.0


def test_tasks_that_not_all_methods_have_are_left_out() -> None:
    found = rank_methods({"a": {"t": [1.0], "u": [1.0]}, "b": {"t": [2.0], "u": [math.nan]}})
    assert found.tasks == ("t",)
    with pytest.raises(BadValue, match="share no task"):
        rank_methods({"a": {"t": [1.0]}, "b": {"u": [1.0]}})
    with pytest.raises(BadValue, match="share no task"):
        rank_methods({})
