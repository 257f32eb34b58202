"""Bad arms: sets of samples that no rule of success may accept, made from the data alone.

A rule that cannot fail says nothing. Each task with a rule names those that its rule must refuse, and a test holds it to that.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from gantlet.data.base import Dataset

__all__ = ["BAD_ARMS", "averages", "memorised", "noise", "one_mode"]

_PART, _TOGETHER, _KEPT = 50, 4, 100


def one_mode(dataset: Dataset, count: int, generator: Generator) -> Tensor:  # -> [N, *x]
    """Drawn from the fiftieth of the training samples that is nearest to the first one."""
    apart = (dataset.train - dataset.train[:1]).flatten(1).norm(dim=1)
    nearest = apart.topk(max(1, len(dataset.train) // _PART), largest=False).indices
    return dataset.train[nearest[torch.randint(len(nearest), (count,), generator=generator)]]


def averages(dataset: Dataset, count: int, generator: Generator) -> Tensor:  # -> [N, *x]
    """Each the mean of four training samples: what a generator makes that blurs."""
    picks = torch.randint(len(dataset.train), (count, _TOGETHER), generator=generator)
    return dataset.train[picks].mean(1)


def memorised(dataset: Dataset, count: int, generator: Generator) -> Tensor:  # -> [N, *x]
    """A hundred training samples, again and again."""
    return dataset.train[torch.randint(min(_KEPT, len(dataset.train)), (count,), generator=generator)]


def noise(dataset: Dataset, count: int, generator: Generator) -> Tensor:  # -> [N, *x]
    """Uniform between the smallest and the largest value of the training samples."""
    low, high = dataset.train.min(), dataset.train.max()
    return low + (high - low) * torch.rand(count, *dataset.train.shape[1:], generator=generator)


BAD_ARMS: Mapping[str, Callable[[Dataset, int, Generator], Tensor]] = {
    "one-mode": one_mode,
    "averages": averages,
    "memorised": memorised,
    "noise": noise,
}
"""Every bad arm by its name: makes ``count`` samples from a data set."""
