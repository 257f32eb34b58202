"""Two-sample distances for data without labels or modes: points, or images as points.

The mathematics is in :mod:`gantlet.metrics.two_sample`.

Legend: ``S`` members, ``N`` fake samples, ``N'`` test samples, ``n`` samples compared, ``d`` numbers of a sample,
``*x`` sample shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue, TooFewSamples

from .base import MetricColumn, MetricInput
from .distances import fixed_order
from .two_sample import DIRECTIONS, Pairwise, energy_distance, precision_recall, sliced_wasserstein

__all__ = ["PointsMetric"]

_MOST = 10_000  # samples: three matrices of n² float64 are 2.4 GB


@dataclass(frozen=True, eq=False)
class PointsMetric:
    """Energy distance, sliced Wasserstein distance, precision and recall against a test set.

    Samples of any shape are compared as flat vectors, ``min(samples, N, N')`` of each side, picked by a fixed shuffle.
    A member with a sample that is not finite among them has none of these numbers (nan). Distances are in the unit in which
    samples are trained on: the data's own; of standardised data standard deviations of its columns; of images ``pixel_range``.

    Arguments:
        test: Held-out real samples, ``[N', *x]``.
        samples: Fakes per member that it wants; the cost grows with its square.
        k: Which neighbour sets the radius of a ball.

    Raises:
        BadValue: ``samples`` is not in k+1 … 10,000, or k is below 1.
        TooFewSamples: Fewer than 2(k + 1) test samples, so that their halves cannot be compared.

    Example:
        >>> import torch
        >>> test = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
        >>> result = PointsMetric(test)(MetricInput(fake=test.flip(0)[None] + torch.tensor([3.0, 0.0])))
        >>> {name: round(value, 2) for name, (value,) in result.items()}
        {'energy_distance': 1.78, 'sliced_wasserstein': 2.12, 'precision': 0.52, 'recall': 0.81}
    """

    test: Tensor
    samples: int = 2000
    k: int = 3

    needs: ClassVar[frozenset[str]] = frozenset({"samples"})

    def __post_init__(self) -> None:
        if self.k < 1 or not self.k < self.samples <= _MOST:
            raise BadValue(
                f"samples={self.samples} with k={self.k} is out of range: expected 1 ≤ k < samples ≤ {_MOST}."
            )
        if len(self.test) < 2 * (self.k + 1):
            raise TooFewSamples(
                f"Precision and recall need {2 * (self.k + 1)} held-out samples; there are {len(self.test)}. Bring more data, "
                "or hold out a larger test_share."
            )

    @classmethod
    def of(cls, dataset: Dataset) -> PointsMetric:
        """Against the data set's test samples.

        Raises:
            TooFewSamples: There are fewer than eight.
        """
        return cls(dataset.test)

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        return (
            MetricColumn("energy_distance", "energy distance to the test set, in the unit of training", "lower"),
            MetricColumn(
                "sliced_wasserstein", "sliced 2-Wasserstein distance to the test set, in the unit of training", "lower"
            ),
            MetricColumn("precision", f"share of fakes within the {self.k}-nearest-neighbour balls of reals", "higher"),
            MetricColumn("recall", f"share of reals within the {self.k}-nearest-neighbour balls of fakes", "higher"),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        return {
            "samples": min(self.samples, len(self.test)),
            "reference": f"{len(self._reals)} of {len(self.test)} test samples, flat, not scaled",
            "directions": DIRECTIONS,
            "k": self.k,
            "real_against_real": self._floor,
        }

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        result: dict[str, list[Any]] = {column.name: [] for column in self.columns}
        for fake in inputs.fake.detach():
            for name, value in self._against_test(fake).items():
                result[name].append(value)
        return result

    def _against_test(self, fake: Tensor) -> dict[str, float]:  # [N, *x]
        if fake.shape[1:] != self.test.shape[1:]:
            raise BadData(
                f"The samples have the shape {list(fake.shape[1:])}, but those of the test set have "
                f"{list(self.test.shape[1:])}; give it samples of its own task."
            )
        size = min(len(fake), len(self._reals))
        chosen = fake.flatten(1)[fixed_order(len(fake))[:size].to(fake.device)].double()
        return self._compare(real=self._reals[:size].to(fake.device), fake=chosen)

    def _compare(self, *, real: Tensor, fake: Tensor) -> dict[str, float]:  # [n, d], [n, d]
        if not bool(fake.isfinite().all()):
            return {column.name: math.nan for column in self.columns}
        distances = Pairwise.of(real=real, fake=fake)
        precision, recall = precision_recall(distances, k=self.k)
        return {
            "energy_distance": energy_distance(distances),
            "sliced_wasserstein": sliced_wasserstein(real, fake),
            "precision": precision,
            "recall": recall,
        }

    @cached_property
    def _floor(self) -> dict[str, Any]:
        """The numbers of real samples against other real samples."""
        size = len(self._reals) // 2
        floor = self._compare(real=self._reals[:size], fake=self._reals[size : 2 * size])
        return {**floor, "between": f"{size} test samples against {size} others"}

    @cached_property
    def _reals(self) -> Tensor:  # [n, d] float64
        return self.test.detach().flatten(1)[fixed_order(len(self.test))[: self.samples]].double()
