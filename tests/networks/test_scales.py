"""How often an image halves, and which ones do not."""

from __future__ import annotations

import pytest

from gantlet.errors import Refused
from gantlet.networks.scales import scales_of


@pytest.mark.parametrize(
    ("side", "until", "most", "base", "count"),
    [
        (64, 7, None, 4, 4),
        (32, 7, None, 4, 3),
        (28, 7, None, 7, 2),
        (8, 7, None, 4, 1),
        (112, 7, None, 7, 4),
        (64, 8, None, 8, 3),
        (28, 8, None, 7, 2),
        (32, 8, None, 8, 2),
        (16, 8, None, 8, 1),
        (10, 8, None, 5, 1),
        (64, 7, 3, 8, 3),
        (128, 7, 3, 16, 3),
        (28, 7, 3, 7, 2),
        (16, 7, 3, 4, 2),
    ],
)
def test_the_base_and_the_count_by_hand(side: int, until: int, most: int | None, base: int, count: int) -> None:
    scales = scales_of((2, side, side), name="x", until=until, most=most)
    assert (scales.channels, scales.base, scales.count, scales.pixels) == (2, (base, base), count, base**2)
    assert base * 2**count == side


def test_both_sides_of_an_oblong_halve_as_often_as_the_shorter_one() -> None:
    assert scales_of((1, 96, 64), name="x").base == (6, 4)
    assert scales_of((1, 16, 88), name="x").base == (4, 22)


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((2,), "give images,"),
        ((28, 28), "give images,"),
        ((1, 1, 28, 28), "give images,"),
        ((1, 7, 7), "the nearest size that works is size=8,"),
        ((1, 30, 30), "the nearest size that works is size=28,"),
        ((1, 28, 27), "the nearest size that works is size=28,"),
        ((1, 6, 64), "the nearest size that works is size=8x64,"),
    ],
)
def test_shapes_that_do_not_halve_are_refused_with_a_size_that_does(shape: tuple[int, ...], remedy: str) -> None:
    came = "×".join(str(size) for size in shape)
    with pytest.raises(Refused, match=f"'began' is made for images .* 4–7 pixels .* the shape {came}: {remedy}"):
        scales_of(shape, name="began")
