"""One contract for every data set of the catalogue."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantlet import catalogue
from gantlet.data.base import Dataset, Source
from gantlet.settings import settings_of

NAMES = catalogue.names("data")
TASKS_OWN = ("reader", "card", "subset")
"""What a task says of its source, and no user."""


def make(name: str, folder: Path) -> Source:
    """The source of this name, with files of its own where it wants any."""
    source = catalogue.find("data", name)
    random = np.random.default_rng(6)
    pixels = random.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    if name in ("mnist", "fashion-mnist", "stacked-mnist"):
        for part in ("train", "t10k"):
            header = bytes([0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 8])
            (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        sizes = {"train_size": 9, "test_size": 5} if name == "stacked-mnist" else {}
        return source(data_path=str(folder), **sizes)
    if name == "points":
        np.save(folder / "own.npy", random.normal(size=(12, 2)))
        return source(data_path=str(folder / "own.npy"))
    if name in ("images", "pictures"):
        for part in ("train", "test"):
            for place, one in enumerate(pixels):
                path = folder / part / f"{place % 3}" / f"{place}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(one).save(path)
        return source(data_path=str(folder), size="8")
    return source()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    return {name: make(name, tmp_path_factory.mktemp(name)).load() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_a_frozen_dataclass_whose_every_field_is_a_setting(name: str, tmp_path: Path) -> None:
    source = make(name, tmp_path)
    assert isinstance(source, Source)
    assert dataclasses.is_dataclass(source)
    assert source.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]
    settings = settings_of(source)
    names = [field.name for field in dataclasses.fields(source)]
    assert [field for field in names if field not in TASKS_OWN] == list(settings)
    for setting in settings_of(source).values():
        assert setting.help
        assert not setting.varies  # the members of a fleet share their data
        assert setting.parse(setting.default) == setting.default


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_finite_and_contiguous_with_labels_that_fit(name: str, loaded: dict[str, Dataset]) -> None:
    data = loaded[name]
    for samples, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        assert samples.dtype == torch.float32 or (samples is data.train and samples.dtype == torch.uint8)
        assert samples.is_contiguous()
        assert bool(samples.isfinite().all())
        assert samples.shape[1:] == data.shape
        assert labels is None or (labels.dtype, labels.shape) == (torch.int64, samples.shape[:1])
    if len(data.shape) == 3:
        assert data.shape[0] in (1, 3)
        assert -1 <= float(data.floats(data.train).min()) < 0 < float(data.floats(data.train).max()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_json_and_true(name: str, loaded: dict[str, Dataset]) -> None:
    data = loaded[name]
    facts = json.loads(json.dumps(dict(data.facts)))
    assert facts["source"]
    assert (facts["train"], facts["test"]) == (len(data.train), len(data.test))
    assert facts["shape"] == list(data.shape)
    assert facts["sha256"] == hashlib.sha256(data.train.numpy().tobytes()).hexdigest()[:16]
    assert facts["range"] == [float(data.floats(data.train).min()), float(data.floats(data.train).max())]


@pytest.mark.parametrize("name", NAMES)
def test_endless_sampling_is_offered_where_the_distribution_is_known(name: str, loaded: dict[str, Dataset]) -> None:
    data = loaded[name]
    assert (data.endless is None) == (data.mixture is None)
    assert (data.mixture is None) == (
        name not in {"ring8", "grid25", "mixture8", "grid100", "rotated100", "staggered100"}
    )
    if data.endless is not None:
        fresh = data.endless(5, torch.Generator().manual_seed(0))
        assert fresh.shape == (5, *data.shape)
