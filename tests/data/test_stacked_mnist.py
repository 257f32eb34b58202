"""Stacked digits: every channel is an image of the right part, drawn once, with its digit in the label."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.data.stacked_mnist import StackedDigits
from gantlet.errors import BadData

TRAIN, TEST = 50, 20
"""Images in the files: the i-th of all has the shade i everywhere, and the digit 7 i mod 10."""


def digit(shade: int) -> int:
    return 7 * shade % 10


def write_digits(folder: Path, *, labels: bool = True) -> str:
    """A folder of idx files in which an image's shade says which image it is; the test images follow the training ones."""
    for part, shades in (("train", range(TRAIN)), ("t10k", range(TRAIN, TRAIN + TEST))):
        head = bytes([0, 0, 8, 3]) + struct.pack(">III", len(shades), 2, 2)
        pixels = b"".join(bytes([shade] * 4) for shade in shades)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels)
        if labels:
            head = bytes([0, 0, 8, 1]) + struct.pack(">I", len(shades))
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + bytes(map(digit, shades)))
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return write_digits(tmp_path)


def shades(data: Dataset) -> tuple[Tensor, Tensor]:  # [N, 3] and [N', 3] int64
    """Which image each channel is, read from its shade."""
    low, high = data.pixel_range
    tested = ((data.test - low) * 255 / (high - low)).round().long()
    for images in (data.train.long(), tested):
        assert (images == images[:, :, :1, :1]).all()
    return data.train.long()[:, :, 0, 0], tested[:, :, 0, 0]


def test_channels_come_from_their_own_part_and_labels_are_their_digits_red_first(folder: str) -> None:
    data = StackedDigits(data_path=folder, train_size=400, test_size=300).load()
    train, test = shades(data)
    assert (data.train.dtype, data.train.shape, data.test.shape) == (torch.uint8, (400, 3, 2, 2), (300, 3, 2, 2))
    assert set(train.flatten().tolist()) == set(range(TRAIN))
    assert set(test.flatten().tolist()) == set(range(TRAIN, TRAIN + TEST))
    for images, labels in ((train, data.train_labels), (test, data.test_labels)):
        assert labels is not None
        assert labels.tolist() == [int("".join(str(digit(s)) for s in row)) for row in images.tolist()]


def test_draws_are_uniform_independent_and_with_replacement(folder: str) -> None:
    """χ² over the 50 images of each channel, and over the 2,500 pairs of two: within five standard deviations."""
    train, _ = shades(StackedDigits(data_path=folder, train_size=50_000).load())
    singles = [train[:, channel].bincount(minlength=TRAIN) for channel in range(3)]
    pairs = [(train[:, a] * TRAIN + train[:, b]).bincount(minlength=TRAIN**2) for a, b in ((0, 1), (1, 2), (0, 2))]
    for counts in (*singles, *pairs):
        expected, cells = 50_000 / len(counts), len(counts)
        chi = float(((counts - expected) ** 2 / expected).sum())
        assert abs(chi - (cells - 1)) < 5 * (2 * cells) ** 0.5
    assert len(train.unique(dim=0)) < 50_000  # of 125,000 triples, some come twice


def test_data_are_fixed_by_their_seed_and_the_test_set_does_not_move_with_the_pool(folder: str) -> None:
    def load(seed: int = 1, train: int = 100) -> Dataset:
        return StackedDigits(data_path=folder, train_size=train, test_size=60, data_seed=seed).load()

    first, again, longer, other = load(), load(), load(train=150), load(seed=2)
    assert torch.equal(first.train, again.train)
    assert torch.equal(first.test, longer.test)
    assert not torch.equal(first.train, other.train)
    assert not torch.equal(first.test, other.test)
    assert not torch.equal(shades(first)[0][:60] + TRAIN, shades(first)[1])  # the parts are drawn apart


def test_both_ranges_hold_the_same_images(folder: str) -> None:
    wide, unit = (
        StackedDigits(data_path=folder, train_size=30, test_size=30, pixel_range=span).load()
        for span in ("-1..1", "0..1")
    )
    assert torch.equal(wide.train, unit.train)
    torch.testing.assert_close(unit.test, (wide.test + 1) / 2)
    torch.testing.assert_close(unit.floats(unit.train), (wide.floats(wide.train) + 1) / 2)
    assert unit.floats(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]
    assert (unit.facts["range"], unit.facts["data_seed"]) == ([0.0, pytest.approx(49 / 255)], 1)


def test_the_digits_stay_at_hand(folder: str) -> None:
    origin = StackedDigits(data_path=folder, train_size=10, test_size=10).load().origin
    assert origin is not None
    assert (origin.train.shape, origin.test.shape) == ((TRAIN, 1, 2, 2), (TEST, 1, 2, 2))


def test_without_labels_images_have_none(tmp_path: Path) -> None:
    data = StackedDigits(data_path=write_digits(tmp_path, labels=False), train_size=10, test_size=10).load()
    assert data.train_labels is data.test_labels is None


def test_mnist_is_looked_for_at_home_and_in_the_folder_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="`gantlet data download mnist`"):
        StackedDigits().load()
    with pytest.raises(BadData, match="is empty; expected train-images-idx3-ubyte"):
        StackedDigits(data_path=str(tmp_path)).load()
