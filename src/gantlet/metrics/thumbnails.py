"""Two-sample distances of images of any size, on thumbnails: large images are averaged down before they are compared.

Pixels of large images differ mostly in what nobody would call quality, and cost memory; area averages keep shapes and
colours. The distances tell failure from success and say whether training goes on; they do not rank images by how they
look.

Legend: ``S`` members, ``N`` fakes, ``N'`` test samples, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from gantlet.data.base import Dataset
from gantlet.errors import BadData

from .base import MetricColumn, MetricInput
from .points import PointsMetric

__all__ = ["ThumbnailMetric", "thumbnails"]

_FLOATS = 1 << 25


@dataclass(frozen=True, eq=False)
class ThumbnailMetric:
    """Energy and sliced distance, precision and recall of images, averaged down to at most ``side`` pixels a side.

    Arguments:
        test: Held-out real images, ``[N', C, H, W]``.
        side: The longest side that is compared.
        most: Fakes per member that it wants at most; fewer of images so large that they would not fit into memory.
    """

    test: Tensor
    side: int = 32
    most: int = 2000

    needs: ClassVar[frozenset[str]] = frozenset({"samples"})

    @classmethod
    def of(cls, dataset: Dataset) -> ThumbnailMetric:
        """Against the data set's test images.

        Raises:
            BadData: They are not images.
            TooFewSamples: There are fewer than eight.
        """
        if dataset.test.dim() != 4:
            raise BadData(
                f"The metric 'thumbnails' compares images, but these samples have the shape {list(dataset.test.shape[1:])}. "
                "Name another one, such as metrics=two-sample."
            )
        PointsMetric(dataset.test)
        return cls(dataset.test)

    @property
    def samples(self) -> int:
        """Fakes per member that it wants."""
        return min(self.most, max(200, _FLOATS // self.test[0].numel()))

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        return self._points.columns

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        height, width = thumbnails(self.test[:1], self.side).shape[-2:]
        return {**self._points.facts, "compared_at": f"{height}×{width} pixels, averaged by area"}

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        members = inputs.fake.flatten(0, 1)  # [S·N, C, H, W]
        small = thumbnails(members, self.side).unflatten(0, inputs.fake.shape[:2])
        return self._points(replace(inputs, fake=small))

    @cached_property
    def _points(self) -> PointsMetric:
        return PointsMetric(thumbnails(self.test, self.side), samples=self.samples)


def thumbnails(images: Tensor, side: int) -> Tensor:  # [N, C, H, W] -> [N, C, h, w]
    """Images averaged by area until their longer side is at most ``side``; smaller ones are left as they are.

    Example:
        >>> import torch
        >>> thumbnails(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), 1)
        tensor([[[[1.5000]]]])
    """
    height, width = images.shape[-2:]
    longer = max(height, width)
    if longer <= side:
        return images
    return F.adaptive_avg_pool2d(images, (max(1, height * side // longer), max(1, width * side // longer)))
