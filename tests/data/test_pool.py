"""Splits are partitions that depend on their key alone; scales and fingerprints have known values."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from gantlet.data.base import Dataset
from gantlet.data.pool import fingerprint, split, to_unit_range, unchanged, with_facts
from gantlet.errors import BadData
from gantlet.randomness import keyed_generator


@pytest.mark.parametrize(("count", "share", "held_out"), [(10, 0.2, 2), (9, 0.5, 5), (5, 0.4, 2), (4, 0.5, 2)])
def test_a_split_is_a_partition_of_the_stated_share(count: int, share: float, held_out: int) -> None:
    parts = split(count, test_share=share, data_seed=1, source="x.npy")
    assert len(parts.test) == held_out
    assert sorted(parts.train.tolist() + parts.test.tolist()) == list(range(count))
    assert parts.train.tolist() == sorted(parts.train.tolist())


def test_too_few_samples_say_what_came() -> None:
    with pytest.raises(BadData, match=r"x.npy holds too few samples: 3, of which test_share=0.2 leaves 2"):
        split(3, test_share=0.2, data_seed=1, source="x.npy")
    with pytest.raises(BadData, match="leaves 1 to train and 3 to test; give at least 2 of each"):
        split(4, test_share=0.75, data_seed=1, source="x.npy")


def test_the_split_is_keyed_by_its_seed_alone() -> None:
    def held_out(seed: int) -> list[int]:
        return split(100, test_share=0.3, data_seed=seed, source="x").test.tolist()

    before = held_out(1)
    torch.rand(5)
    assert held_out(1) == before
    assert held_out(2) != before


def test_every_sample_is_held_out_equally_often() -> None:
    counts = torch.zeros(20)
    for seed in range(500):
        counts[split(20, test_share=0.25, data_seed=seed, source="x").test] += 1
    # Binomial(500, 1/4): mean 125, deviation 9.7.
    assert float(counts.sum()) == 2500
    assert float((counts - 125).abs().max()) < 4 * 9.7


def test_generators_differ_by_seed_and_by_name() -> None:
    draws = [
        torch.rand(4, generator=keyed_generator(seed, name, namespace="data")).tolist()
        for seed in (1, 2, 12)
        for name in ("train", "test", "2/train")
    ]
    assert len({tuple(draw) for draw in draws}) == len(draws)


def test_pixels_are_scaled_symmetrically_and_reversibly() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    scaled = to_unit_range(pixels)
    assert (float(scaled[0]), float(scaled[255])) == (-1.0, 1.0)
    torch.testing.assert_close(scaled, -scaled.flip(0), atol=1e-7, rtol=0)
    assert torch.equal(((scaled + 1) * 127.5).round().to(torch.uint8), pixels)


def test_the_fingerprint_is_the_sha256_of_the_bytes() -> None:
    # The SHA-256 of sixteen zero bytes is published in many places; it starts like this.
    assert fingerprint(torch.zeros(4)) == "374708fff7719dd5"
    samples = torch.arange(6.0).reshape(2, 3)
    expected = hashlib.sha256(np.arange(6, dtype="<f4").tobytes()).hexdigest()[:16]
    assert fingerprint(samples) == expected
    assert fingerprint(samples.T) != expected
    assert fingerprint(samples.T.contiguous().T) == expected


def test_facts_describe_the_training_pool() -> None:
    train, test = torch.tensor([[0.0, 3.0], [-2.0, 1.0], [0.5, 0.5]]), torch.tensor([[9.0, -9.0]])
    data = with_facts(
        Dataset(train=train, test=test, train_labels=torch.tensor([4, 4, 7])), source="here", colour="red"
    )
    assert data.facts == {
        "source": "here",
        "train": 3,
        "test": 1,
        "shape": [2],
        "sha256": fingerprint(train),
        "range": [-2.0, 3.0],
        "classes": 2,
        "colour": "red",
    }
    assert data.train is train


def test_a_pool_is_known_again_by_its_counts_and_its_pixels_however_they_are_stored() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2)
    data = with_facts(Dataset(train=pixels, test=torch.zeros(2, 1, 2, 2)), source="six images")
    as_floats = with_facts(Dataset(train=to_unit_range(pixels), test=data.test), source="six images")
    assert data.facts["sha256"] != as_floats.facts["sha256"]
    assert unchanged(data, data.facts)
    assert unchanged(data, as_floats.facts), "as earlier versions kept it"
    other = with_facts(Dataset(train=pixels.flip(0), test=data.test), source="six images")
    assert not unchanged(data, other.facts)
    assert not unchanged(data, {**data.facts, "test": 3})
