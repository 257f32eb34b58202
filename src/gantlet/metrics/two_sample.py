r"""Distances between two samples of vectors, with known answers.

.. math::
    D^2 = 2\,\mathbb{E}\|x - y\| - \mathbb{E}\|x - x'\| - \mathbb{E}\|y - y'\|, \qquad
    SW_2^2 = \mathbb{E}_\theta \, \frac1n \sum_i (\langle\theta, x\rangle_{(i)} - \langle\theta, y\rangle_{(i)})^2

The directions θ are fixed, in orthonormal sets as far as they go: moving all points by t then gives exactly |t|/√d
where their number is a multiple of d. Precision is the share of fakes that lie in the ball of some real point, whose
radius is the distance to its k-th nearest real neighbour; recall is the same with the roles exchanged.

Legend: ``n``, ``m`` samples, ``d`` numbers of a sample, ``L`` directions.

Reference:
    | Energy statistics (Székely, Rizzo, 2013), https://doi.org/10.1016/j.jspi.2013.03.018
    | Sliced and Radon Wasserstein barycenters (Bonneel et al., 2015), https://doi.org/10.1007/s10851-014-0506-3
    | Improved precision and recall (Kynkäänniemi et al., 2019), https://arxiv.org/abs/1904.06991
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from gantlet.errors import BadValue

__all__ = ["DIRECTIONS", "Pairwise", "PrecisionRecall", "energy_distance", "precision_recall", "sliced_wasserstein"]

DIRECTIONS = 256
"""On how many lines the sliced distance looks."""


class Pairwise(NamedTuple):
    """Every Euclidean distance within and between a real and a fake sample, float64."""

    real: Tensor  # [m, m]
    fake: Tensor  # [n, n]
    between: Tensor  # [m, n]

    @classmethod
    def of(cls, *, real: Tensor, fake: Tensor) -> Pairwise:  # [m, d], [n, d]
        """Measure two samples."""
        # float64, because torch takes many distances as ‖x‖² - 2x·y + ‖y‖², which cancels.
        x, y = real.double(), fake.double()
        return cls(torch.cdist(x, x), torch.cdist(y, y), torch.cdist(x, y))


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]."""

    precision: float
    recall: float


def energy_distance(distances: Pairwise) -> float:
    """The energy distance D ≥ 0 of two samples, in their own unit; 0 only between equal ones.

    Example:
        >>> energy_distance(Pairwise.of(real=torch.zeros(5, 1), fake=torch.full((7, 1), 2.0)))  # √(2 · 2)
        2.0
    """
    squared = 2 * distances.between.mean() - distances.real.mean() - distances.fake.mean()
    return squared.clamp_min(0).sqrt().item()


def precision_recall(distances: Pairwise, *, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall by k-nearest-neighbour balls.

    Raises:
        BadValue: Fewer than k + 1 samples on a side.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> precision_recall(Pairwise.of(real=real, fake=real + 1.5), k=1)  # 4.5 is in no ball, nor are 0 and ½
        PrecisionRecall(precision=0.75, recall=0.75)
    """
    least = min(len(distances.real), len(distances.fake))
    if not 1 <= k < least:
        raise BadValue(f"k={k} is out of range: expected 1 ≤ k < {least}, the number of samples.")
    # The (k + 1)-th smallest, because each point is its own nearest.
    real_radius = distances.real.kthvalue(k + 1, dim=1).values  # [m]
    fake_radius = distances.fake.kthvalue(k + 1, dim=1).values  # [n]
    fake_inside = (distances.between <= real_radius[:, None]).any(0)  # [n]
    real_inside = (distances.between <= fake_radius).any(1)  # [m]
    return PrecisionRecall(fake_inside.double().mean().item(), real_inside.double().mean().item())


def sliced_wasserstein(x: Tensor, y: Tensor) -> float:  # [n, d], [n, d]
    """The sliced 2-Wasserstein distance of two samples of one size, in their own unit.

    Raises:
        BadValue: The sizes differ.

    Example:
        >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
        >>> round(sliced_wasserstein(x, x + 3), 6)  # ‖(3, 3, 3, 3)‖ / √4
        3.0
    """
    if len(x) != len(y):
        raise BadValue(f"Both sides need as many samples, but there are {len(x)} and {len(y)}.")
    directions = _directions(x.shape[1]).to(x.device)  # [d, L]
    gaps = (x.double() @ directions).sort(0).values - (y.double() @ directions).sort(0).values
    return gaps.square().mean().sqrt().item()


@lru_cache(maxsize=4)  # an evaluation asks for the same ones for each member; of images they take longer than the rest
def _directions(dimensions: int) -> Tensor:  # [d, L]
    """Fixed directions: orthonormal sets, as many as make up their number, the last one cut."""
    generator = torch.Generator().manual_seed(dimensions)
    width = min(dimensions, DIRECTIONS)
    sets = -(-DIRECTIONS // width)
    draws = torch.randn(sets, dimensions, width, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(draws).Q.movedim(0, 1).flatten(1)[:, :DIRECTIONS]
