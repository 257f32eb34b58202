"""Settings: what parses, what is refused, and that the words of a range say what the parser does."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.errors import BadValue
from gantlet.settings import Setting, setting, settings_of


@dataclass(frozen=True)
class Owner:
    rate: float = setting(0.5, "a rate", above=0, below=1, varies=True)
    alpha: float = setting(1.0, "a parameter", above=0, varies=True, infinite=True)
    count: int = setting(3, "a number", low=1, high=10)
    seed: int = setting(1, "a seed", low=0)
    flag: bool = setting(False, "a truth value")
    kind: str = setting("fixed", "a choice", choices=("fixed", "endless"))
    path: str = setting("", "a text")
    shift: float = setting(0.0, "anything")
    free: list[int] = field(default_factory=list[int])


KNOWN = settings_of(Owner)


@pytest.mark.parametrize(
    ("name", "came", "value"),
    [
        ("rate", "0.25", 0.25),
        ("rate", " 1e-3 ", 0.001),
        ("alpha", "inf", math.inf),
        ("alpha", 2, 2.0),
        ("count", "10", 10),
        ("count", "1e1", 10),
        ("count", 2.0, 2),
        ("seed", "12345678901234567", 12345678901234567),  # beyond 2^53, where floats have gaps
        ("flag", "Yes", True),
        ("flag", "0", False),
        ("flag", True, True),
        ("kind", " endless", "endless"),
        ("path", "a b.npy", "a b.npy"),
        ("shift", "-3", -3.0),
    ],
)
def test_values_parse_into_the_declared_type(name: str, came: object, value: object) -> None:
    parsed = KNOWN[name].parse(came)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "came", "words"),
    [
        ("rate", "0", "rate=0 is out of range: expected 0 < rate < 1."),
        ("rate", "1", "out of range"),
        ("rate", "fast", "rate=fast is not a number."),
        ("rate", "nan", "nan is never a setting"),
        ("alpha", "nan", "nan is never a setting"),
        ("alpha", "-inf", "alpha=-inf is out of range: expected 0 < alpha."),
        ("shift", "inf", "is not finite"),
        ("count", "2.5", "count=2.5 is not a whole number."),
        ("count", "inf", "not a whole number"),
        ("count", "0", "expected 1 ≤ count ≤ 10"),
        ("count", "11", "expected 1 ≤ count ≤ 10"),
        ("count", True, "is not a number"),
        ("seed", "9223372036854775808", "too large"),  # 2^63
        ("seed", "1e300", "too large"),
        ("seed", "1" * 5000, "not a whole number"),
        ("rate", False, "is not a number"),
        ("flag", "maybe", "flag=maybe is neither true nor false."),
        ("flag", 2, "neither true nor false"),
        ("kind", "open", "kind=open is not one of fixed, endless."),
    ],
)
def test_what_is_refused_is_refused_in_words(name: str, came: object, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        KNOWN[name].parse(came)
    assert words in str(caught.value)


@given(st.floats(allow_nan=False))
def test_a_number_parses_exactly_where_its_range_says_so(number: float) -> None:
    inside = {"rate": 0 < number < 1, "alpha": number > 0, "shift": math.isfinite(number)}
    for name, expected in inside.items():
        try:
            parsed: Any = KNOWN[name].parse(repr(number))
        except BadValue:
            assert not expected
        else:
            assert expected
            assert parsed == number


@given(st.integers(-5, 15))
def test_closed_bounds_belong_to_the_range(number: int) -> None:
    if 1 <= number <= 10:
        assert KNOWN["count"].parse(str(number)) == number
    else:
        with pytest.raises(BadValue):
            KNOWN["count"].parse(number)


@given(st.one_of(st.floats(1e-6, 1 - 1e-6), st.integers(1, 10), st.booleans(), st.text()))
def test_parsing_twice_is_parsing_once(value: float | int | bool | str) -> None:
    for known in KNOWN.values():
        try:
            once = known.parse(value)
        except BadValue:
            continue
        assert known.parse(once) == once


def test_ranges_in_words() -> None:
    assert {name: known.range() for name, known in KNOWN.items()} == {
        "rate": "0 < rate < 1",
        "alpha": "0 < alpha",
        "count": "1 ≤ count ≤ 10",
        "seed": "0 ≤ seed",
        "flag": "true | false",
        "kind": "fixed | endless",
        "path": "any str",
        "shift": "any float",
    }


def test_settings_of_a_type_have_its_defaults_and_those_of_an_instance_its_values() -> None:
    assert {name: known.default for name, known in settings_of(Owner(rate=0.75, kind="endless")).items()} == {
        **{name: known.default for name, known in KNOWN.items()},
        "rate": 0.75,
        "kind": "endless",
    }
    assert "free" not in KNOWN
    assert KNOWN["rate"].varies
    assert not KNOWN["count"].varies
    assert KNOWN["alpha"].help == "a parameter"


def test_a_setting_carries_its_own_name() -> None:
    assert all(isinstance(known, Setting) and known.name == name for name, known in KNOWN.items())
