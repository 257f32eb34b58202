r"""Precision, recall, density and coverage: what share of one sample lies where the other one is.

Let B(x, k) be the ball around x that reaches to its k-th nearest neighbour in x's own sample.

.. math::
    \text{precision} &= \tfrac1n \sum_j [\,y_j \in \cup_i B(x_i, 3)\,], \qquad
    \text{recall} = \tfrac1m \sum_i [\,x_i \in \cup_j B(y_j, 3)\,] \\
    \text{density} &= \tfrac1{5n} \sum_j \sum_i [\,y_j \in B(x_i, 5)\,], \qquad
    \text{coverage} = \tfrac1m \sum_i [\,\exists j: y_j \in B(x_i, 5)\,]

Precision counts a fake that one outlier's ball holds as fully as any; density does not, may exceed 1, and is 1 on
average between equal distributions. Coverage between equal distributions is 1 - ½⁵ = 0.97 of large samples.

Legend: ``m`` real samples x, ``n`` fakes y, ``d`` features.

Reference:
    | Improved precision and recall metric (Kynkäänniemi et al., 2019), https://arxiv.org/abs/1904.06991, equations 1 and 2
    | Reliable fidelity and diversity metrics (Naeem et al., 2020), https://arxiv.org/abs/2002.09797, equations 3 and 4
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .neighbours import distance_tiles, neighbour_radii

__all__ = ["NEIGHBOURS", "ManifoldScores", "manifold_scores"]

NEIGHBOURS = (3, 5)
"""Which neighbour sets the radius: of precision and recall, and of density and coverage, as in their papers."""


class ManifoldScores(NamedTuple):
    """What each sample adds: every score is a mean, so that its sampling error is known too. float64."""

    precision: Tensor  # [n]
    recall: Tensor  # [m]
    density: Tensor  # [n]
    coverage: Tensor  # [m]


def manifold_scores(
    *, real: Tensor, fake: Tensor, ks: tuple[int, int] = NEIGHBOURS, real_radius: Tensor | None = None
) -> ManifoldScores:
    """The contributions of all samples, in time n·m·d and little memory.

    Arguments:
        real: ``[m, d]``.
        fake: ``[n, d]``.
        ks: The neighbour of precision and recall, and that of density and coverage.
        real_radius: ``neighbour_radii(real, ks)``, where it is known already.

    Raises:
        BadValue: A side has no more samples than a k.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> {name: part.mean().item() for name, part in manifold_scores(real=real, fake=real + 1.5, ks=(1, 1))._asdict().items()}
        {'precision': 0.75, 'recall': 0.75, 'density': 1.25, 'coverage': 0.75}
    """
    real_radius = neighbour_radii(real, ks) if real_radius is None else real_radius
    fake_radius = neighbour_radii(fake, ks)
    held_fakes = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    density = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    recalled: list[Tensor] = []
    covered: list[Tensor] = []
    for rows, tile in distance_tiles(real, fake):  # [rows, n]
        held_fakes |= (tile <= real_radius[rows, :1]).any(0)
        dense = tile <= real_radius[rows, 1:]
        density += dense.sum(0)
        covered.append(dense.any(1))
        recalled.append((tile <= fake_radius[:, 0]).any(1))
    return ManifoldScores(
        held_fakes.double(), torch.cat(recalled).double(), density / ks[1], torch.cat(covered).double()
    )
