"""From arrays to a data set: splits, the scale of images, and the facts for a report.

Legend: ``N`` samples, ``N'`` test samples, ``*x`` sample shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import BadData
from gantlet.randomness import keyed_generator

from .base import Dataset, to_floats

__all__ = ["LEAST", "Split", "fingerprint", "split", "to_unit_range", "unchanged", "with_facts"]

LEAST = 2
"""The fewest samples on either side of a split: a variance, and so batch norm, needs two."""


@dataclass(frozen=True)
class Split:
    """Which samples train and which test: indices in the file's order, ``[N]`` and ``[N']`` int64."""

    train: Tensor
    test: Tensor


def split(count: int, *, test_share: float, data_seed: int, source: str) -> Split:
    """A random split of ``count`` samples, the test share rounded to whole samples (half up).

    Example:
        >>> split(10, test_share=0.2, data_seed=1, source="ten samples").test.shape
        torch.Size([2])

    Raises:
        BadData: Fewer than :data:`LEAST` samples would be left on one side.
    """
    held_out = int(count * test_share + 0.5)
    if min(held_out, count - held_out) < LEAST:
        raise BadData(
            f"{source} holds too few samples: {count}, of which test_share={test_share:g} leaves "
            f"{count - held_out} to train and {held_out} to test; give at least {LEAST} of each."
        )
    order = torch.randperm(count, generator=keyed_generator(data_seed, "split", namespace="data"))
    return Split(train=order[held_out:].sort().values, test=order[:held_out].sort().values)


def to_unit_range(images: Tensor) -> Tensor:
    """8-bit pixels as floats in [-1, 1]: x / 127.5 - 1, ``[N, *x]`` uint8 -> float32.

    Example:
        >>> to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([-1.0000, -0.6000,  1.0000])
    """
    return to_floats(images, torch.float32)


def fingerprint(samples: Tensor) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the samples' bytes (C order).

    Example:
        >>> fingerprint(torch.zeros(2, 2)) == fingerprint(torch.zeros(4))
        True
    """
    return hashlib.sha256(samples.contiguous().numpy().data).hexdigest()[:16]


def with_facts(data: Dataset, *, source: str, **more: Any) -> Dataset:
    """The data set with its facts: source, counts, sample shape, classes, and the pool's SHA-256 and range.

    Everything in them can be written as JSON; ``more`` joins them and wins.
    """
    facts: dict[str, Any] = {
        "source": source,
        "train": data.size,
        "test": len(data.test),
        "shape": list(data.shape),
        "sha256": fingerprint(data.train),
        "range": [float(data.floats(end)) for end in (data.train.min(), data.train.max())],
    }
    if data.train_labels is not None:
        facts["classes"] = int(data.train_labels.unique().numel())
    return replace(data, facts=facts | more)


def unchanged(data: Dataset, known: Mapping[str, Any]) -> bool:
    """Whether a data set has the counts and the pool that these facts of an earlier load state.

    Facts may be of a version that kept images as floating point; their hash is then that of the pool in floats.
    """
    if any(known[name] != data.facts.get(name) for name in ("train", "test") if name in known):
        return False
    known_hash = known.get("sha256")
    return known_hash in (None, data.facts.get("sha256")) or known_hash == fingerprint(data.floats(data.train))
