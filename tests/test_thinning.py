"""The fast suite keeps each part of a product, and the whole suite the whole product."""

from __future__ import annotations

import doctest
from itertools import product

import pytest

import thinning
from thinning import covering, crossed, fast, leading

AXES = [("abc", "xy"), ("ab", "wxyz"), ("a", "xyz"), ("abc", "xyz"), ("abcd", "xy", "123")]


@pytest.mark.parametrize("axes", AXES)
def test_a_product_is_whole_and_each_part_of_it_fast(axes: tuple[str, ...]) -> None:
    entries = crossed(*axes)
    assert [tuple(getattr(entry, "values", entry)) for entry in entries] == list(product(*axes))
    for place, axis in enumerate(axes):
        assert {entry[place] for entry in fast(entries)} == set(axis)
    assert len(fast(entries)) == max(map(len, axes))


def test_cases_are_whole_and_each_part_of_them_fast() -> None:
    cases = [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (1, "a")]
    entries = covering(cases, lambda case: case[0], lambda case: case[1])
    assert [tuple(getattr(entry, "values", entry)) for entry in entries] == cases
    assert fast(entries) == cases[:3]


def test_of_one_kind_the_first_ones_are_fast() -> None:
    entries = leading(range(5), 2)
    assert [getattr(entry, "values", (entry,)) for entry in entries] == [(place,) for place in range(5)]
    assert fast(entries) == [0, 1]


def test_an_entry_that_has_an_id_keeps_it() -> None:
    one, other = leading([pytest.param(1, "a", id="one"), pytest.param(2, "b", id="other")])
    assert (one.values, one.id, one.marks) == ((1, "a"), "one", ())
    assert (other.values, other.id, [mark.name for mark in other.marks]) == ((2, "b"), "other", ["slow"])


def test_the_examples_hold() -> None:
    outcome = doctest.testmod(thinning)
    assert (outcome.attempted > 0, outcome.failed) == (True, 0)
