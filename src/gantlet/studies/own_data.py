"""The data of a study's settings, where these are not all alike: of each the record says what its samples look like.

What is measured against different test samples does not compare, which a note says; no floor of one stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from gantlet.data.base import Dataset
from gantlet.data.pool import unchanged
from gantlet.data.specification import SampleSpec
from gantlet.metrics.floors import FLOORS
from gantlet.requests.resolve import Resolved

from .cache import Cache
from .record import MetricRecord
from .record_parts import DataRecord

__all__ = ["MIXED", "own_data", "same_test", "without_floors", "without_stated_floors"]

MIXED = (
    "note: the settings do not have the same test samples: each is measured against its own, so their scores do not compare, "
    "and no score of real data is given"
)
"""What a user is told of such a study."""


def own_data(
    settings: Sequence[Resolved],
    samples: Sequence[SampleSpec],
    cache: Cache,
    *,
    first: SampleSpec,
    facts: Mapping[str, Any],
    start: int = 0,
) -> dict[int, DataRecord]:
    """By position, the data of settings that are not those of the study's first one.

    Arguments:
        settings: All settings of the study.
        samples: The specification of a sample of each.
        cache: Their data sets.
        first: The specification of a sample of the study's first setting.
        facts: The facts of its data.
        start: Settings from this one on are looked at; those before have been recorded.
    """
    found: dict[int, DataRecord] = {}
    for place, (resolved, sample) in enumerate(zip(settings, samples, strict=True)):
        dataset = cache.dataset(resolved)
        if place >= start and not (sample == first and unchanged(dataset, facts)):
            found[place] = DataRecord(sample=sample, facts=dict(dataset.facts))
    return found


def same_test(datasets: Iterable[Dataset]) -> bool:
    """Whether data sets have the same test samples."""
    first, *others = (dataset.test for dataset in datasets)
    return all(test is first or (test.shape == first.shape and torch.equal(test, first)) for test in others)


def without_floors(metrics: Mapping[str, MetricRecord]) -> dict[str, MetricRecord]:
    """Columns without what real samples score."""
    return {name: column.model_copy(update={"floor": None}) for name, column in metrics.items()}


def without_stated_floors(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of metrics without those that state what real samples score.

    Example:
        >>> without_stated_floors({"samples": 9, "classifier": {"real_images": {"kl": 0.1}, "samples": 9}})
        {'samples': 9, 'classifier': {'samples': 9}}
    """
    return {
        name: without_stated_floors(value) if isinstance(value, Mapping) else value
        for name, value in facts.items()
        if name not in FLOORS
    }
