"""Criteria on columns: what is read, what holds, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.errors import BadValue
from gantlet.requests.criterion import Criterion, parse_criterion


@given(
    column=st.sampled_from(["modes", "kid_efficientnet-lite0", "fd_nets.py", "loss.d"]),
    at_least=st.booleans(),
    value=st.floats(allow_nan=False, allow_infinity=False),
    held=st.integers(1, 999),
)
def test_a_criterion_reads_back_what_it_writes(column: str, at_least: bool, value: float, held: int) -> None:
    rule = Criterion(column, at_least=at_least, value=value, held=held)
    assert parse_criterion(str(rule)) == rule


@pytest.mark.parametrize(
    "text", ["", "modes", "modes>8", "modes=8", "modes>=", "modes>=x", "modes>=nan", "modes>=inf", "modes>=1e999",
             ">=8", "modes>=8:0", "modes>=8:-1", "modes>=8:1.5", "modes>=8:", "a b>=8", "modes>=8:3:4"],
)  # fmt: skip
def test_anything_else_is_refused_by_one_sentence(text: str) -> None:
    with pytest.raises(BadValue, match="is not a criterion: expected COLUMN>=VALUE"):
        parse_criterion(text)


def test_the_threshold_itself_meets_it_and_nan_does_not() -> None:
    up, down = parse_criterion("x >= 0.5"), parse_criterion("x<=0.5")
    assert up.met(0.5)
    assert down.met(0.5)
    assert [up.met(0.4), down.met(0.4), up.met(math.nan), down.met(math.nan)] == [False, True, False, False]


def test_only_the_last_evaluations_count_and_all_of_them() -> None:
    rule = parse_criterion("x>=1:3")
    assert rule.holds([0, 1, 1, 1])
    assert not rule.holds([1, 1, 1, 0])
    assert not rule.holds([1, 1, math.nan])
    assert not rule.holds([1, 1])
