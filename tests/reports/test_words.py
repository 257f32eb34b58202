"""Rounding: what is shown lies within the interval's last digit of what was computed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.reports.words import MISSING, number, percent, plain, printable, with_interval


@given(value=st.floats(-1e5, 1e5), half=st.floats(1e-4, 1e4))
def test_a_shown_number_is_off_by_less_than_a_twentieth_of_the_half_width(value: float, half: float) -> None:
    assert abs(float(number(value, half)) - value) <= max(half / 20, 5e-4 * abs(value)) * (1 + 1e-9)


@given(estimate=st.floats(0, 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_shown_rate_is_off_by_at_most_a_twentieth_of_a_point(estimate: float, low: float, high: float) -> None:
    text, interval = with_interval(estimate, low, high, rate=True)
    shown = [float(part) for part in [text.removesuffix(" %"), *interval.strip("[]").split(", ")]]
    assert shown == pytest.approx([100 * estimate, 100 * low, 100 * high], abs=0.0501)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((7.1684, 6.8991, 7.4112), ("7.17", "[6.90, 7.41]")),
        ((541.27, 498.1, 584.5), ("541", "[498, 584]")),
        ((0.01321, 0.01279, 0.01363), ("0.01321", "[0.01279, 0.01363]")),
        ((-0.0004, -0.3, 0.3), ("0.00", "[-0.30, 0.30]")),  # never a negative zero
        ((8.0, 8.0, 8.0), ("8", "[8, 8]")),
        ((1.9e-17, 0.0, 7.4e-17), ("0", "[0, 0]")),  # equal numbers, subtracted
        ((2.5e7, 2.4e7, 2.6e7), ("2.5e+07", "[2.4e+07, 2.6e+07]")),
        ((math.nan, math.nan, math.nan), (MISSING, "")),
        ((3.25, math.nan, math.nan), ("3.25", "")),
        ((math.inf, math.nan, math.nan), (MISSING, "")),
    ],
)
def test_estimates_with_their_intervals(parts: tuple[float, float, float], expected: tuple[str, str]) -> None:
    assert with_interval(*parts) == expected


def test_a_rate_without_an_interval_or_without_members() -> None:
    assert with_interval(0.5, math.nan, math.nan, rate=True) == ("50.0 %", "")
    assert percent(math.nan) == MISSING


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.bool_(True), "true"),
        (float("inf"), "inf"),
        (math.nan, MISSING),
        (pd.NA, MISSING),
        (pd.NaT, MISSING),
        (1e-8, "1e-08"),
        (199999.0, "199999"),
        (50_000_000.0, "50000000"),
        ({"a": [1, {"b": None}]}, "a: 1, b: –"),
        ("x\ty", "x�y"),
    ],
)
def test_any_value_is_shown_plainly(value: object, expected: str) -> None:
    assert plain(value) == expected


def test_numbers_that_are_not_finite_are_named() -> None:
    assert (number(math.inf), number(-math.inf), number(math.nan)) == ("inf", "-inf", MISSING)


def test_control_characters_and_turned_text_are_shown_and_letters_are_kept() -> None:
    assert printable("\x1b]0;title\x07") == "�]0;title�"
    assert printable("a\u202eb\ud800") == "a�b�"
    kept = "α_D=∞ 数字 é 👩‍🔬"
    assert printable(kept) == kept
