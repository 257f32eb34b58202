"""Crops, pads and stretches are where their rules put them; shrinking averages instead of skipping."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gantlet.data.resize import Resize
from gantlet.errors import BadImage, BadValue

FUZZ = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Every channel alone through Pillow's filter, so that channels cannot be mixed up."""
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in pixels.transpose(2, 0, 1)]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS)) for plane in planes])


def central(length: int, kept: int) -> slice:
    """The middle of a side: what is before it is the smaller half of the rest."""
    before = next(n for n in range(length) if n <= length - kept - n < n + 2)
    return slice(before, before + kept)


def expected(pixels: np.ndarray, mode: str, height: int, width: int) -> np.ndarray:
    """The three rules once more, with fractions in the place of whole divisions."""
    came = pixels.shape[:2]
    if mode == "crop":
        rows = min(came[0], max(1, int(Fraction(came[1] * height, width))))
        columns = min(came[1], max(1, int(Fraction(came[0] * width, height))))
        return resized(pixels[central(came[0], rows), central(came[1], columns)], height, width)
    if mode == "stretch":
        return resized(pixels, height, width)
    scale = min(Fraction(height, came[0]), Fraction(width, came[1]))
    rows, columns = (max(1, round(side * scale)) for side in came)
    framed = np.empty((3, height, width), dtype=np.uint8)
    framed[...] = np.array([9, 8, 7], dtype=np.uint8)[:, None, None]
    framed[:, central(height, rows), central(width, columns)] = resized(pixels, rows, columns)
    return framed


SIDES = st.integers(1, 40)


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
@given(came=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES))
@FUZZ
def test_every_size_becomes_the_one_that_the_rule_gives(
    mode: Any, came: tuple[int, int], target: tuple[int, int]
) -> None:
    pixels = picture(*came)
    found = Resize(*target, mode=mode, background=(9, 8, 7))(pixels)
    assert found.shape == (3, *target)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected(pixels, mode, *target))


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("resample", ["antialias", "nearest2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_fits_is_left_alone(mode: Any, resample: Any, channels: int) -> None:
    pixels = picture(6, 9, channels)
    found = Resize(6, 9, mode=mode, resample=resample, enlarge=False)(pixels)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert not np.shares_memory(found, pixels)


def test_an_odd_remainder_leaves_the_larger_margin_right_and_below() -> None:
    wide = np.arange(5, dtype=np.uint8).reshape(1, 5, 1)
    assert Resize(1, 2)(wide).tolist() == [[[1, 2]]]  # 1 before, 2 after
    assert Resize(2, 1)(wide.transpose(1, 0, 2)).tolist() == [[[1], [2]]]
    assert Resize(2, 2, center_crop=2)(picture(5, 7)).tolist() == picture(5, 7)[1:3, 2:4].transpose(2, 0, 1).tolist()
    padded = Resize(1, 5, mode="pad", background=(0, 0, 0))(np.full((1, 2, 1), 7, dtype=np.uint8))
    assert padded.tolist() == [[[0, 7, 7, 0, 0]]]


def test_cropping_keeps_the_largest_part_of_the_shape() -> None:
    pixels = picture(30, 44)
    np.testing.assert_array_equal(Resize(30, 30)(pixels), pixels[:, 7:37].transpose(2, 0, 1))
    np.testing.assert_array_equal(Resize(30, 22)(pixels), pixels[:, 11:33].transpose(2, 0, 1))
    np.testing.assert_array_equal(Resize(22, 44)(pixels), pixels[4:26].transpose(2, 0, 1))
    # 31 × 3 / 2 is 46.5: 46 columns of 50.
    np.testing.assert_array_equal(Resize(2, 3)(picture(31, 50)), resized(picture(31, 50)[:, 2:48], 2, 3))


def test_celeba_is_cut_to_128_and_shrunk_to_64() -> None:
    aligned = picture(218, 178)
    cut = aligned[45:173, 25:153]
    np.testing.assert_array_equal(Resize(128, 128, center_crop=128)(aligned), cut.transpose(2, 0, 1))
    np.testing.assert_array_equal(Resize(64, 64, center_crop=128)(aligned), resized(cut, 64, 64))
    every_second = Resize(64, 64, center_crop=128, resample="nearest2")(aligned)
    np.testing.assert_array_equal(every_second, cut[::2, ::2].transpose(2, 0, 1))


def test_a_checkerboard_shrinks_to_grey_or_to_one_of_its_colours() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None]
    grey = Resize(32, 32)(board)
    assert np.abs(grey[:, 3:-3, 3:-3].astype(int) - 127.5).max() <= 1  # the filter is cut at the rim
    assert Resize(32, 32, resample="nearest2")(board).max() == 0  # aliased: every white pixel is lost


def test_shrinking_far_counts_every_pixel() -> None:
    pixels = picture(320, 320, 1)
    small = Resize(4, 4)(pixels).astype(float)
    blocks = pixels.reshape(4, 80, 4, 80).mean((1, 3))
    assert np.abs(small[0] - blocks).max() < 6  # a single pixel is off by 64 on average
    assert abs(small.mean() - pixels.mean()) < 1


def test_padding_is_the_background_and_its_luma() -> None:
    colour = Resize(4, 4, mode="pad", background=(250, 10, 20))(np.zeros((2, 4, 3), dtype=np.uint8))
    assert colour[:, 0, 0].tolist() == [250, 10, 20]
    assert colour[:, 1:3].max() == 0
    grey = Resize(4, 4, mode="pad", background=(255, 0, 0))(np.zeros((2, 4, 1), dtype=np.uint8))
    assert grey[0, :, 0].tolist() == [76, 0, 0, 76]


# Refusals


@pytest.mark.parametrize(("height", "width"), [(127, 200), (200, 127), (100, 100)])
def test_a_side_below_the_precrop_is_enough_to_refuse(height: int, width: int) -> None:
    reason = f"it is {height} × {width} pixels, smaller than the crop of 128 × 128 pixels"
    with pytest.raises(BadImage, match=reason):
        Resize(64, 64, center_crop=128)(picture(height, width))
    Resize(64, 64, center_crop=128)(picture(128, 128))


@pytest.mark.parametrize("mode", ["crop", "stretch"])
def test_enlarging_can_be_forbidden(mode: Any) -> None:
    resize = Resize(8, 8, mode=mode, enlarge=False)
    assert resize(picture(8, 20)).shape == (3, 8, 8)
    for size in ((7, 20), (20, 7), (7, 7)):
        with pytest.raises(BadImage, match="smaller than the target of 8 × 8 pixels"):
            resize(picture(*size))
        assert Resize(8, 8, mode=mode)(picture(*size)).shape == (3, 8, 8)


def test_a_padded_picture_is_enlarged_only_if_both_sides_are_smaller() -> None:
    resize = Resize(8, 8, mode="pad", enlarge=False)
    assert resize(picture(4, 8)).shape == resize(picture(4, 20)).shape == (3, 8, 8)
    with pytest.raises(BadImage, match="it is 4 × 6 pixels, smaller than the target of 5 × 8 pixels"):
        resize(picture(4, 6))


@pytest.mark.parametrize("size", [(16, 17), (15, 16), (32, 32), (4, 4)])
def test_nearest2_halves_and_nothing_else(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="nearest2 takes every second pixel and wants 16 × 16 pixels"):
        Resize(8, 8, mode="stretch", resample="nearest2")(picture(*size))


def test_nearest2_halves_what_the_crop_leaves() -> None:
    pixels = picture(16, 21)
    found = Resize(8, 8, resample="nearest2")(pixels)
    np.testing.assert_array_equal(found, pixels[::2, 2:18:2].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"height": 0}, "height and width are at least 1, not 0 and 4"),
        ({"mode": "zoom"}, "resize is 'crop', 'pad' or 'stretch', not 'zoom'"),
        ({"center_crop": -1}, "center_crop is the side of a square in pixels, or 0 for none, not -1"),
        ({"resample": "nearest"}, "resample is 'antialias' or 'nearest2', not 'nearest'"),
        ({"background": (0, 0, -1)}, "background is three numbers from 0 to 255"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        Resize(**{"height": 4, "width": 4, **options})
