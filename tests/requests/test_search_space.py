"""The grammar of search spaces, and the values at a share of a dimension."""

from __future__ import annotations

import math

import pytest

from gantlet.errors import BadGrid, BadValue
from gantlet.requests.grid import Axis
from gantlet.requests.parts import keys_of
from gantlet.requests.search_space import Dimension, check_space, draw, parse_dimension, point_values


def test_a_word_is_a_range_a_choice_or_a_fixed_value() -> None:
    assert parse_dimension("penalty-weight=1..100") == Dimension(("penalty_weight",), 1.0, 100.0)
    assert parse_dimension("lr=1e-5..1e-2:log") == Dimension(("lr",), 1e-5, 1e-2, log=True)
    assert parse_dimension("network=mlp,notebook") == Dimension(("network",), choices=("mlp", "notebook"))
    assert parse_dimension("steps=500") == Axis(("steps",), ("500",))
    assert parse_dimension("margin=-2..-1") == Dimension(("margin",), -2.0, -1.0)


@pytest.mark.parametrize("text", ["lr=1e-5..1e-2:log", "network=mlp,notebook", "beta1=0.0..0.9"])
def test_a_dimension_reads_back_what_it_writes(text: str) -> None:
    found = parse_dimension(text)
    assert isinstance(found, Dimension)
    assert parse_dimension(found.text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr=2..1", "no extent"),
        ("lr=1..1", "no extent"),
        ("lr=0..1:log", "above 0"),
        ("lr=1..2:exp", "KEY=LOW..HIGH"),
        ("lr=a..b", "KEY=LOW..HIGH"),
        ("lr=1..1e999", "no extent"),
        ("1..2", "KEY=VALUE"),
        ("network=mlp,mlp", "twice"),
    ],
)
def test_what_is_no_dimension_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadGrid, match=words):
        parse_dimension(text)


def test_shares_of_a_logarithmic_range_are_equal_factors() -> None:
    """At the shares 0, 1/4, 1/2, 3/4 of 1 to 10⁴ lie 1, 10, 100, 1000."""
    dimension = Dimension(("lr",), 1.0, 1e4, log=True)
    assert [float(draw(dimension, share, {})) for share in (0, 0.25, 0.5, 0.75)] == [1.0, 10.0, 100.0, 1000.0]
    assert float(draw(Dimension(("lr",), 2.0, 6.0), 0.25, {})) == 3.0


def test_draws_have_four_digits_and_stay_inside() -> None:
    dimension = Dimension(("lr",), 0.123456789, 0.123456999)
    assert 0.123456789 <= float(draw(dimension, 0.0, {})) <= 0.123456999
    assert draw(Dimension(("lr",), 1e-5, 1e-2, log=True), 1 / math.pi, {}) == "9.014e-05"


def test_whole_numbers_are_drawn_as_such_and_choices_evenly() -> None:
    keys = keys_of("ring8", "vanilla")
    assert draw(Dimension(("batch_size",), 16, 64), 0.51, keys) == "40"
    choices = Dimension(("network",), choices=("a", "b", "c"))
    assert [draw(choices, share, {}) for share in (0.0, 0.34, 0.99)] == ["a", "b", "c"]


def test_a_key_of_both_players_sets_both() -> None:
    keys = keys_of("ring8", "vanilla")
    values, words = point_values([Dimension(("lr",), 1e-4, 1e-2)], ["0.001"], keys)
    assert values == {"lr_g": 0.001, "lr_d": 0.001}
    assert words == ("lr=0.001",)


@pytest.mark.parametrize(
    ("space", "error", "words"),
    [
        ([Dimension(("lrx",), 1, 2)], BadGrid, "no key 'lrx'"),
        ([Dimension(("lr",), 1e-4, 1e-2), Dimension(("lr_d",), 1e-4, 1e-2)], BadGrid, "lr_d twice"),
        ([Dimension(("lr",), -1.0, 1.0)], BadValue, "out of range"),
        ([Dimension(("network",), 1, 2)], BadGrid, "not a number"),
        ([Dimension(("prior",), choices=("normal", "cauchy"))], BadValue, "cauchy"),
    ],
)
def test_a_space_that_the_method_cannot_have_is_refused(
    space: list[Dimension], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check_space(space, keys_of("ring8", "vanilla"))
