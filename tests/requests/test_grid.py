"""The grammar of grids: values, ranges that reach their end, ties, and seeds."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gantlet.errors import BadGrid
from gantlet.requests.grid import Axis, axes_from_mapping, check_axes, parse_axis, parse_seeds


@pytest.mark.parametrize(
    ("word", "keys", "values"),
    [
        ("lr=1e-4", "lr", "1e-4"),
        ("alpha_d=0.3,1.0,inf", "alpha_d", "0.3 1.0 inf"),
        ("alpha_d = 0.3 , 1.0", "alpha_d", "0.3 1.0"),
        ("alpha_d+alpha_g=1,1.5", "alpha_d alpha_g", "1 1.5"),
        ("batch-size=32", "batch_size", "32"),
        ("generator=nets.py:G", "generator", "nets.py:G"),
        ("data_path=C=D.npy", "data_path", "C=D.npy"),
        ("steps=10:30:10", "steps", "10 20 30"),
        ("steps=30:10:-10", "steps", "30 20 10"),
        ("steps=10:39:10", "steps", "10 20 30"),  # STOP is not on the way
        ("steps=5:5:1", "steps", "5"),
        ("lr=0.1:0.3:0.1", "lr", "0.1 0.2 0.3"),  # 0.1 + 2 · 0.1 > 0.3 in binary
        ("lr=1e-4:3e-4:1e-4", "lr", "0.0001 0.0002 0.0003"),
        ("lr=1,2:4:1,9", "lr", "1 2 3 4 9"),
        ("x=-1:1:.5", "x", "-1 -0.5 0 0.5 1"),
        ("data_path=12:30", "data_path", "12:30"),  # two numbers are no range
    ],
)
def test_a_word_becomes_an_axis(word: str, keys: str, values: str) -> None:
    assert parse_axis(word) == Axis(tuple(keys.split()), tuple(values.split()))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("alpha_d", "'alpha_d' is not KEY=VALUE"),
        ("=3", "is not KEY=VALUE"),
        ("a+=3", "is not KEY=VALUE"),
        ("a=", "'a=' gives no value, so the grid is empty."),
        ("a=,", "gives no value"),
        ("a=1,2,1", "'a=1,2,1' lists a value twice."),
        ("a=1,1:3:1", "lists a value twice"),
        ("a=1:3:0", "never gets from 1 to 3 in steps of 0"),
        ("a=1:3:-1", "never gets from 1 to 3 in steps of -1"),
        ("a=3:1:1", "never gets"),
        ("a=0:1:1e-9", "expected at most 10000 values"),
        ("a=0:1e999999:1", "expected at most 10000 values"),
        ("a=0:1:1e-99999999999999999999", "expected at most 10000 values"),
        ("a=1e400:2e400:1e400", "up to 1.8e308"),
        ("a=0:1e99999999999999999999:1", "up to 1.8e308"),
        ("a=-9e999999:9e999999:1", "up to 1.8e308"),
    ],
)
def test_what_is_no_axis_is_refused(word: str, reason: str) -> None:
    with pytest.raises(BadGrid) as caught:
        parse_axis(word)
    assert reason in str(caught.value)


DECIMALS = st.decimals(-1000, 1000, allow_nan=False, places=3)


@given(start=DECIMALS, step=DECIMALS.filter(bool), count=st.integers(0, 50), short=st.fractions(0, 1))
@example(start=Decimal("0.1"), step=Decimal("0.1"), count=2, short=Fraction(0))
def test_a_range_holds_every_multiple_of_its_step_up_to_stop(
    start: Decimal, step: Decimal, count: int, short: Fraction
) -> None:
    beyond = step * Decimal(int(999 * short)) / 1000  # less than one step past the last value
    stop = start + step * count + beyond
    values = parse_axis(f"key={start}:{stop}:{step}").values
    assert [float(value) for value in values] == [float(start + step * place) for place in range(count + 1)]


@given(start=DECIMALS, step=DECIMALS.filter(bool), count=st.integers(1, 50))
def test_a_range_read_backwards_is_the_range_reversed(start: Decimal, step: Decimal, count: int) -> None:
    stop = start + step * count
    forward = parse_axis(f"key={start}:{stop}:{step}").values
    assert parse_axis(f"key={stop}:{start}:{-step}").values == forward[::-1]


@given(st.text(st.sampled_from("0123456789.:,+-eE=ainfx "), max_size=24))
def test_any_word_is_an_axis_or_refused(word: str) -> None:
    try:
        axis = parse_axis(word)
    except BadGrid:
        return
    assert axis.keys
    assert axis.values
    assert len(set(axis.values)) == len(axis.values)


# Python and TOML


@pytest.mark.parametrize(
    ("given_settings", "word"),
    [
        ({"lr": 1e-4}, "lr=0.0001"),
        ({"alpha_d": [0.3, 1.0]}, "alpha_d=0.3,1.0"),
        ({"alpha_d+alpha_g": (1, 1.5)}, "alpha_d+alpha_g=1,1.5"),
        ({"steps": "1:3:1"}, "steps=1:3:1"),
        ({"saturating": True}, "saturating=true"),
        ({"network": "mlp"}, "network=mlp"),
        ({"seed-like": range(3)}, "seed-like=0,1,2"),
        ({"alpha_d": float("inf")}, "alpha_d=inf"),
    ],
)
def test_python_values_say_what_words_say(given_settings: dict[str, Any], word: str) -> None:
    assert axes_from_mapping(given_settings) == [parse_axis(word)]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5, unique_by=repr))
def test_numbers_from_python_survive_exactly(numbers: list[float]) -> None:
    (axis,) = axes_from_mapping({"key": numbers})
    assert [float(value) for value in axis.values] == numbers


def test_an_empty_sequence_is_an_empty_grid() -> None:
    with pytest.raises(BadGrid, match="the grid is empty"):
        axes_from_mapping({"lr": []})


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["lr_g=1", "lr_g=2"], "sets lr_g twice, by 'lr_g' and by 'lr_g'"),
        (["lr=1", "lr_d=2"], "sets lr_d twice, by 'lr' and by 'lr_d'"),
        (["lr_d+beta1=1", "beta1=2"], "sets beta1 twice"),
        (["a+a=1"], "sets a twice"),
    ],
)
def test_one_key_is_set_once(words: list[str], reason: str) -> None:
    def meant(key: str) -> tuple[str, ...]:
        return {"lr": ("lr_g", "lr_d")}.get(key, (key,))

    with pytest.raises(BadGrid, match=reason):
        check_axes([parse_axis(word) for word in words], meant)
    check_axes([parse_axis("lr=1"), parse_axis("beta1=2")], meant)


# Seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (1,)),
        ("3", (1, 2, 3)),
        (4, (1, 2, 3, 4)),
        (np.int64(4), (1, 2, 3, 4)),
        (np.array([4, 1]), (4, 1)),
        ("7,", (7,)),
        ("1,4,9", (1, 4, 9)),
        (" 9, 1 ,", (9, 1)),
        ("0,", (0,)),
        ([5, 2], (5, 2)),
        (range(2), (0, 1)),
    ],
)
def test_seeds(text: Any, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "names no seed"),
        ("", "names no seed"),
        (",", "names no seed"),
        ("-3", "names no seed"),
        ([], "names no seed"),
        ("-1,2", "negative seed"),
        ("3,3", "one seed twice"),
        ("1.5", "is not a number N"),
        ("many", "is not a number N"),
        (True, "is not a number N"),
        ([1.5], "is not a number N"),
        (["a"], "is not a number N"),
        ("1000000000000", "expected at most 100000"),
        ("9223372036854775808,", "expected less than 2^63"),
    ],
)
def test_what_names_no_seeds_is_refused(text: Any, reason: str) -> None:
    with pytest.raises(BadGrid) as caught:
        parse_seeds(text)
    assert reason in str(caught.value)


@given(st.integers(1, 500))
def test_a_number_stands_for_the_first_seeds(count: int) -> None:
    assert parse_seeds(str(count)) == tuple(range(1, count + 1))
    assert parse_seeds(f"{count},") == (count,)


@pytest.mark.parametrize(
    ("text", "seeds"), [("6:10", (6, 7, 8, 9, 10)), ("1:3,9", (1, 2, 3, 9)), ("5:5", (5,)), (["2:3", 8], (2, 3, 8))]
)
def test_ranges_of_seeds_include_both_ends(text: Any, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("6:", "a range such as 6:10"),
        (":3", "a range such as 6:10"),
        ("9:3", "names no seed"),
        ("1:3,2", "one seed twice"),
    ],
)
def test_ranges_that_name_no_seeds_are_refused(text: str, reason: str) -> None:
    with pytest.raises(BadGrid, match=reason):
        parse_seeds(text)
