"""Small data sets on which every metric of the catalogue can be made, and what members might have produced of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.data.gaussians import Ring8
from gantlet.metrics.base import MetricInput

__all__ = ["DATA", "MEMBERS", "Colours", "inputs_of"]

MEMBERS, GENERATORS = 3, 4


def noise(*shape: int) -> torch.Tensor:
    """Numbers in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(shape))) * 2 - 1


def ring() -> Dataset:
    return Ring8(train_size=10, test_size=200).load()


def digits() -> Dataset:
    """Ten classes, each a bright row of its own."""
    labels = torch.arange(40) % 10
    images = 0.1 * noise(40, 1, 28, 28) - 0.9
    images[torch.arange(40), 0, 2 * labels + 4] = 1.0
    return Dataset(images, images.clone(), train_labels=labels, test_labels=labels)


def stacked() -> Dataset:
    single = digits()
    images = single.test[torch.arange(120).reshape(40, 3) * 7 % 40].squeeze(2)
    return Dataset(images, images, origin=single)


def points() -> Dataset:
    return Dataset(noise(60, 3), noise(50, 3))


def images() -> Dataset:
    return Dataset(noise(30, 3, 40, 36), noise(20, 3, 40, 36))


class Colours(nn.Module):
    """An extractor that costs nothing: mean colours of sixteen squares, and classes by the brightest."""

    input_size = 16

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        squares = nn.functional.avg_pool2d(images, 4)
        return squares.flatten(1), squares.mean(1).flatten(1) * 9


DATA: dict[str, Callable[[], Dataset]] = {
    "mixture": ring,
    "classifier": digits,
    "stacked-modes": stacked,
    "two-sample": points,
    "thumbnails": images,
    "features": images,
    "classification-error": points,
}
"""A data set for each metric."""


def inputs_of(dataset: Dataset, *, samples: int = 30, team: bool = True) -> MetricInput:
    """Test samples of which each member has spoilt some, scores, and who of four generators made each."""
    fake = dataset.test[torch.arange(samples) % len(dataset.test)].repeat(MEMBERS, *[1] * dataset.test.dim())
    numbers = torch.Generator().manual_seed(2)
    for member in range(MEMBERS):
        spoilt = torch.randperm(samples, generator=numbers)[: 5 * member]
        fake[member, spoilt] = torch.rand((len(spoilt), *dataset.shape), generator=numbers)
    scores = [torch.randn(MEMBERS, count, generator=numbers) for count in (samples, len(dataset.test))]
    owners = torch.randint(GENERATORS, (MEMBERS, samples), generator=numbers)
    return MetricInput(fake, scores[0], scores[1], boundary=0.0, owners=owners if team else None)
