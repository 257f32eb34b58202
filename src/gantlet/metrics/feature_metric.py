"""Scores on features, for every member of a study: ``metrics=features`` or ``metrics=features:EXTRACTOR``.

The scores are in :mod:`gantlet.metrics.feature_scores`, without their intervals; the spread over members says more.

Legend: ``S`` members, ``N`` fakes, ``N'`` test images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from gantlet.data.base import Dataset, Range
from gantlet.errors import BadData, BadValue, MissingExtra, TooFewSamples

from . import features
from .base import MetricColumn, MetricInput
from .distances import fixed_order
from .feature_scores import LEAST_SAMPLES, MOST_NEIGHBOURS, SCORES, Reference, Scoring, available, score_name
from .features.base import Extractor, Features, extract
from .features.pixels import quantised
from .kernels import block_discrepancy
from .read_features import read_features

__all__ = ["FeaturesMetric", "lacking_for"]

_DEFAULT = "efficientnet-lite0"
_ERROR = "kid_error"


@dataclass(frozen=True, eq=False)
class FeaturesMetric:
    """Fréchet and kernel distances, precision, recall, density, coverage, classes and memorisation, on one extractor.

    Columns bear the extractor's name, except those that the field calls by bare names on the 2015 Inception. A member with
    a value that is not finite among its samples has none of them (nan).

    Arguments:
        extractor: Who reads the images.
        test: Held-out real images, ``[N', C, H, W]`` uint8.
        train: Training images, ``[*, C, H, W]`` uint8: for memorisation, and for the floor.
        pixel_range: That of the fakes.
        samples: Fakes per member that it wants.

    Raises:
        BadValue: ``samples`` is below 20.
        TooFewSamples: There are fewer than 20 test or training images.
    """

    extractor: Extractor
    test: Tensor
    train: Tensor
    pixel_range: Range = (-1.0, 1.0)
    samples: int = 2000

    needs: ClassVar[frozenset[str]] = frozenset({"samples"})

    def __post_init__(self) -> None:
        if self.samples < LEAST_SAMPLES:
            raise BadValue(f"samples={self.samples} is out of range: expected {LEAST_SAMPLES} ≤ samples.")
        if (least := min(len(self.test), len(self.train))) < LEAST_SAMPLES:
            raise TooFewSamples(
                f"Scores on features need at least {LEAST_SAMPLES} test and training images; there are {least}."
            )

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """With EfficientNet-Lite0.

        Raises:
            BadData: The samples are not images.
            MissingExtra: The packages of the extra ``features`` are not installed.
            TooFewSamples: There are too few of them.
        """
        return cls.made(_DEFAULT, dataset)

    @classmethod
    def on(cls, extractor: str) -> _On:
        """The same with another extractor: what ``features:EXTRACTOR`` names."""
        return _On(extractor)

    @classmethod
    def made(cls, name: str, dataset: Dataset) -> Self:
        """For a data set, with an extractor by its name; one that is trained on data is trained on these.

        Raises:
            BadData: The samples are not images, or the extractor's weights are not there.
            UnknownName: There is no such extractor.
            TooFewSamples: There are fewer than 20 test or training images.
        """
        if dataset.test.dim() != 4 or dataset.test.shape[1] not in (1, 3):
            raise BadData(
                f"The metric 'features' reads images, but these samples have the shape {list(dataset.test.shape[1:])}. Name "
                "another one, such as metrics=two-sample."
            )
        found = features.get(name)
        trained_for: Any = getattr(found, "trained_for", None)  # of extractors that are trained on the data at hand
        extractor: Extractor = found if trained_for is None else trained_for(dataset)
        _ = extractor.card  # whatever is missing is said now
        some = fixed_order(len(dataset.train))[:MOST_NEIGHBOURS]
        return cls(
            extractor,
            quantised(dataset.test, dataset.pixel_range),
            quantised(dataset.train[some], dataset.pixel_range),
            dataset.pixel_range,
        )

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        card = self.extractor.card
        error = MetricColumn(f"{_ERROR}_{card.short}", "standard error of the kernel distance over disjoint blocks")
        kinds = [(score_name(name, card), SCORES[name]) for name in self._names]
        return (*(MetricColumn(name, f"{kind.help}, {card.name}", kind.better) for name, kind in kinds), error)

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        return {
            "extractor": self.extractor.card.record(),
            "samples": self.samples,
            "reference": f"{len(self.test)} test images",
            "training_images": f"memorisation and authenticity look at {len(self.train)} training images, at most {MOST_NEIGHBOURS}",
            "neighbours": f"at most {MOST_NEIGHBOURS} of a side",
            "real_against_real": self._floor,
        }

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        result: dict[str, list[Any]] = {column.name: [] for column in self.columns}
        for fake in inputs.fake.detach():
            for name, value in self._evaluate(fake).items():
                result[name].append(value)
        return result

    def _evaluate(self, fake: Tensor) -> dict[str, float]:  # [N, C, H, W]
        if not bool(fake.isfinite().all()):
            return {column.name: math.nan for column in self.columns}
        read = extract(self.extractor, [quantised(fake, self.pixel_range)], device=fake.device)
        return self._scored(read, self._names)

    def _scored(self, fake: Features, names: list[str]) -> dict[str, float]:
        reference = self._reference(fake.features.device)
        card, scoring = self.extractor.card, Scoring(reference, fake, intervals=False)
        found = {score_name(name, card): score.value for name, score in scoring.scores(names).items()}
        kernel = block_discrepancy("kid", real=reference.real.features, fake=fake.features)
        return found | {f"{_ERROR}_{card.short}": kernel.error}

    @property
    def _names(self) -> list[str]:
        return available(self.extractor.card, train=True)

    def _reference(self, device: torch.device) -> Reference:
        """The real images, read once for each device."""
        if device not in self._references:
            sides = (self.test, self.train)
            real, train = (read_features(self.extractor, lambda part=part: [part], device=device) for part in sides)
            self._references[device] = Reference(real, train)
        return self._references[device]

    @cached_property
    def _references(self) -> dict[torch.device, Reference]:
        return {}

    @cached_property
    def _floor(self) -> dict[str, Any]:
        """What training images score in the place of fakes; how near they are to themselves means nothing."""
        some = fixed_order(len(self.train))[: self.samples]
        names, trained = available(self.extractor.card, train=False), self._reference(torch.device("cpu")).train
        assert trained is not None
        scores = self._scored(trained.part(some), names)
        return {**scores, "between": f"{len(some)} training images and {len(self.test)} test images"}


def lacking_for(name: str) -> str:
    """What an extractor lacks on this machine, its weights or a package, in a sentence; empty where it can read images.

    One that is trained on the data is not asked, which would train it.

    Raises:
        UsageError: There is no such extractor, or it is not one.

    Example:
        >>> lacking_for("lenet")
        ''
    """
    found = features.get(name or _DEFAULT)
    try:
        _ = hasattr(found, "trained_for") or found.card
    except (BadData, MissingExtra) as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _On:
    """The metric with one extractor, as the catalogue hands out metrics."""

    extractor: str

    needs: ClassVar[frozenset[str]] = FeaturesMetric.needs

    def of(self, dataset: Dataset) -> FeaturesMetric:
        """For a data set."""
        return FeaturesMetric.made(self.extractor, dataset)
