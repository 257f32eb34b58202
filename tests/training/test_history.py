"""History: means over log intervals, at most a thousand points, ended when a member leaves."""

from __future__ import annotations

from statistics import fmean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gantlet.training.history import POINTS, History, Rows

CPU = torch.device("cpu")


def run(history: History, steps: range, slots: int = 2) -> None:
    """Add the value 100·slot + step at each step, and half of it again under another name."""
    for step in steps:
        value = torch.tensor([100.0 * slot + step for slot in range(slots)])
        history.add({"a": value})
        history.add({"b": torch.stack([value / 2, value / 2 + 2], 1)})  # a team of two
        history.close_interval(step, [True] * slots)


def table(rows: Rows) -> list[tuple[int, int, str, float]]:
    return sorted(zip(rows.slot, rows.step, rows.name, rows.value, strict=True))


@given(st.integers(1, 30_000))
def test_there_are_at_most_a_thousand_windows(steps: int) -> None:
    interval = History(1, steps, CPU).log_interval
    assert steps // interval <= POINTS
    assert interval == 1 or steps > POINTS * (interval - 1)


def test_each_point_is_the_mean_of_its_window() -> None:
    history = History(2, 3000, CPU)
    assert history.log_interval == 3
    run(history, range(1, 8))
    expected = []
    for end in (3, 6):
        inside = range(end - 2, end + 1)
        for slot in (0, 1):
            mean = fmean(100 * slot + step for step in inside)
            expected += [(slot, end, "a", mean), (slot, end, "b", mean / 2 + 1)]
    assert table(history.take()) == sorted(expected)
    assert table(history.take()) == []  # taken once


def test_several_values_of_a_step_are_averaged() -> None:
    history = History(1, 10, CPU)
    for value in (1.0, 2.0, 6.0):  # three critic updates
        history.add({"loss_d": torch.tensor([value])})
    history.add({"loss_g": torch.tensor([5.0])})
    history.close_interval(1, [True])
    assert table(history.take()) == [(0, 1, "loss_d", 3.0), (0, 1, "loss_g", 5.0)]


def test_members_that_left_have_no_more_points() -> None:
    history = History(3, 10, CPU)
    history.add({"a": torch.tensor([1.0, float("nan"), 3.0])})
    history.close_interval(1, [True, False, True])
    assert table(history.take()) == [(0, 1, "a", 1.0), (2, 1, "a", 3.0)]


@pytest.mark.parametrize("cut", range(1, 7))
def test_an_open_window_goes_on_elsewhere(cut: int) -> None:
    whole = History(2, 3000, CPU)
    run(whole, range(1, 7))
    first, second = History(2, 3000, CPU), History(2, 3000, CPU)
    run(first, range(1, cut + 1))
    second.load(*first.state())
    run(second, range(cut + 1, 7))
    assert sorted(table(first.take()) + table(second.take())) == table(whole.take())


def test_sums_are_kept_in_double_precision() -> None:
    history = History(1, 5000, CPU)
    for value in (1e8, 1.0, -1e8):
        history.add({"a": torch.tensor([value])})
    sums, counts = history.state()
    assert (sums["a"].dtype, float(sums["a"]), counts) == (torch.float64, 1.0, {"a": 3})
