"""What was prepared is read back: pixels, labels and parts of the source, in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.data.decode import Decoding
from gantlet.data.prepare import PrepareRecipe, prepare_images
from gantlet.data.prepared import PreparedSet
from gantlet.data.readers.base import Entry, Reader, open_reader
from gantlet.data.resize import Resize
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(8)
TRAIN, TEST = (RANDOM.integers(0, 256, (count, 5, 4, 3), dtype=np.uint8) for count in (5, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards to train on, one to test on."""
    labels = {"y_train": np.arange(5) % 2, "y_test": np.arange(3) % 2}
    np.savez(tmp_path / "source.npz", x_train=TRAIN, x_test=TEST, **labels)
    prepare_images(
        PrepareRecipe("array", str(tmp_path / "source.npz"), Decoding(), Resize(5, 4), per_shard=3),
        tmp_path / "prepared",
    )
    return tmp_path / "prepared"


def test_pictures_come_back_as_they_were_prepared(folder: Path) -> None:
    reader = open_reader("prepared", str(folder))
    assert isinstance(reader, Reader)
    assert list(reader.entries) == [
        *(Entry(f"train/{number}", str(number % 2), "train") for number in range(5)),
        *(Entry(f"test/{number}", str(number % 2), "test") for number in range(3)),
    ]
    for place in (7, 0, 4, 5):
        np.testing.assert_array_equal(reader.read(place), [*TRAIN, *TEST][place])
    assert reader.facts["recipe"]["reader"] == "array"
    reader.close()


def test_sets_without_labels_or_parts_have_none(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", TRAIN)
    recipe = PrepareRecipe("array", str(tmp_path / "faces.npy"), Decoding(colour="grey"), Resize(5, 4))
    prepare_images(recipe, tmp_path / "out")
    reader = open_reader("prepared", str(tmp_path / "out"))
    assert [(entry.name, entry.label, entry.part) for entry in reader.entries][4] == ("all/4", "", "")
    assert np.asarray(reader.read(2)).shape == (5, 4, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda page: page.pop("source"),
        lambda page: page.update(recipe=3),
        lambda page: page.update(classes=-0.5),
        lambda page: page.update(shape=["x", 5, 4]),
        lambda page: page.update(shape=[1, 0, 4]),
        lambda page: page["shards"][0].update(file=7),
        lambda page: page["shards"][0].update(file="../train-00000.npy"),
        lambda page: page["shards"][0].update(part="test2"),
        lambda page: page["shards"][0].update(count="6"),
        lambda page: page["recipe"].pop("reader"),
    ],
)
def test_a_page_that_was_edited_is_refused_in_a_sentence(folder: Path, damage: Callable[[Any], object]) -> None:
    page = json.loads((folder / "set.json").read_bytes())
    damage(page)
    (folder / "set.json").write_text(json.dumps(page))
    with pytest.raises(BadData, match="holds no prepared set"):
        PreparedSet.open(folder)


def test_labels_that_are_empty_are_refused_in_a_sentence(folder: Path) -> None:
    (folder / "labels.npy").write_bytes(b"")
    with pytest.raises(BadData, match="cannot be read"):
        _ = PreparedSet.open(folder).labels


def test_what_is_no_set_is_refused_and_a_lost_shard_is_a_bad_picture(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"holds no prepared set .* gantlet data prepare SOURCE"):
        open_reader("prepared", str(tmp_path))
    reader = open_reader("prepared", str(folder))
    (folder / "test-00000.npy").unlink()
    with pytest.raises(BadImage, match="cannot be read"):
        reader.read(6)
    np.testing.assert_array_equal(reader.read(1), TRAIN[1])
