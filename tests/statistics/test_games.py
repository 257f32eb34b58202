"""Games: areas and winners with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gantlet.errors import BadValue
from gantlet.statistics import area_under_curve, standings


def test_the_area_is_the_integral_over_the_time() -> None:
    steps = np.array([10.0, 20.0, 50.0, 90.0])
    assert area_under_curve(steps, 3 * steps + 1) == pytest.approx(3 * (90 + 10) / 2 + 1)  # a line: its middle
    assert area_under_curve(steps, np.full((2, 4), 7.0)).tolist() == [7.0, 7.0]
    assert area_under_curve(steps, np.array([0.0, 1.0, 1.0, 1.0])) == pytest.approx((5 + 70) / 80)


def test_a_member_that_diverged_keeps_its_last_value_and_one_without_a_first_has_no_area() -> None:
    steps = np.array([0.0, 1.0, 2.0])
    values = np.array([[4.0, np.nan, np.nan], [np.nan, 4.0, 4.0], [4.0, np.nan, 8.0]])
    areas = area_under_curve(steps, values)
    assert areas[0] == 4.0
    assert math.isnan(areas[1])
    assert areas[2] == pytest.approx(5.0)


@pytest.mark.parametrize("steps", [[], [1.0, 1.0], [2.0, 1.0], [1.0, 2.0, 3.0]])
def test_steps_that_do_not_fit_are_refused(steps: list[float]) -> None:
    with pytest.raises(BadValue, match="steps that rise"):
        area_under_curve(np.array(steps), np.zeros(2))


def test_winners_are_those_that_alone_are_best() -> None:
    games = {str(game): float(game) for game in range(10)}
    ahead = {game: value + (1 if int(game) < 7 else 0) for game, value in games.items()}  # 7 won, 3 tied
    up = standings({"a": games, "b": ahead, "c": {**games, "0": math.nan, "only c": 99.0}}, higher=True)
    assert [up[name].won for name in "abc"] == [0, 7, 0]
    assert up["b"].games == 10
    assert up["b"].wins.estimate == 0.7
    assert (round(up["b"].wins.low, 3), round(up["b"].wins.high, 3)) == (0.397, 0.892)  # Wilson, 7 of 10
    assert up["c"].score.missing == 1
    down = standings({"a": games, "b": ahead}, higher=False)
    assert [down[name].won for name in "ab"] == [7, 0]


def test_a_method_without_a_score_has_lost_and_two_without_have_no_winner() -> None:
    found = standings({"a": {"0": math.nan, "1": math.nan}, "b": {"0": 5.0, "1": math.nan}}, higher=False)
    assert (found["a"].won, found["b"].won) == (0, 1)


@pytest.mark.parametrize("scores", [{}, {"a": {"0": 1.0}}, {"a": {"0": 1.0}, "b": {"1": 1.0}}])
def test_games_that_nobody_shares_are_refused(scores: dict[str, dict[str, float]]) -> None:
    with pytest.raises(BadValue, match=r"two methods|no game"):
        standings(scores, higher=True)
