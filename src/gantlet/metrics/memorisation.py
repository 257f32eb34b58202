r"""Memorisation and duplicates as numbers, on features: are the fakes copies, of the training data or of each other?

.. math::
    \text{memorisation} &= P(d(y, T) < d(x, T)) + \tfrac12 P(d(y, T) = d(x, T)) \\
    \text{authenticity} &= P(d(y, t_y) > d(t_y, T \setminus t_y)), \qquad t_y = \operatorname{argmin}_{t \in T} d(y, t)

with fakes y, held-out images x, and training images T. Memorisation is a Mann-Whitney statistic: ½ where fakes are as far
from the training data as unseen images are, 1 where every fake is nearer than all of these, and below ½ where they are
farther. Bad images may be far from everything, as noise is, or near to everything, as smooth images are: read it beside recall
and coverage. A fake is authentic if it is farther from its
nearest training image than that one is from the other training images. A fake is a duplicate if another fake is nearer
than all but one percent of the held-out images have another one: the floor of ``duplicates`` is 0.01 by construction.

Legend: ``n`` fakes, ``m`` held-out images, ``t`` training images, ``d`` features.

Reference:
    | A non-parametric test to detect data-copying (Meehan, Chaudhuri, Dasgupta, 2020), https://arxiv.org/abs/2004.05675
    | How faithful is your synthetic data? (Alaa et al., 2022), https://arxiv.org/abs/2102.08921, section 4.3
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .distances import fixed_order
from .neighbours import nearest_of

__all__ = ["Copying", "Replicas", "TrainingDistances", "copying", "replicas"]

_RARE = 0.01


class Copying(NamedTuple):
    """How near fakes are to training images."""

    memorisation: float
    error: float  # its standard error
    authentic: Tensor  # [n] float64, 0 or 1


class TrainingDistances(NamedTuple):
    """What every set of fakes is compared with, so that it is taken once."""

    held_out: Tensor  # [m] float64, from held-out images to their nearest training image
    apart: Tensor  # [t] float64, from training images to their nearest other one

    @classmethod
    def of(cls, *, held_out: Tensor, train: Tensor) -> TrainingDistances:  # [m, d], [t, d]
        """Measure them."""
        return cls(nearest_of(held_out, train).distance, nearest_of(train, train, others=True).distance)


class Replicas(NamedTuple):
    """Which fakes have a twin."""

    duplicate: Tensor  # [n] float64, 0 or 1
    nearer_than: float  # the distance below which two fakes are duplicates


def copying(*, fake: Tensor, train: Tensor, known: TrainingDistances) -> Copying:
    """Compare the fakes' distances to training images with those of held-out images.

    Arguments:
        fake: ``[n, d]``.
        train: ``[t, d]``, at least two.
        known: The distances of the held-out images, and within ``train``.

    Example:
        >>> train, new = torch.randn(2, 300, 3, generator=torch.Generator().manual_seed(1)).unbind()
        >>> known = TrainingDistances.of(held_out=new, train=train)
        >>> found = copying(fake=train[:50], train=train, known=known)
        >>> found.memorisation, found.authentic.mean().item()
        (1.0, 0.0)
    """
    of_fakes = nearest_of(fake, train)
    authentic = of_fakes.distance > known.apart[of_fakes.place]
    value, error = _placed_below(of_fakes.distance, known.held_out)
    return Copying(value, error, authentic.double())


def replicas(*, fake: Tensor, held_out: Tensor) -> Replicas:
    """Which fakes have another one nearer than the first percentile of that distance among as many held-out images.

    Arguments:
        fake: ``[n, d]``, at least two; only ``min(n, m)`` of each side are looked at, since more samples lie closer.
        held_out: ``[m, d]``, at least two.
    """
    size = min(len(fake), len(held_out))
    fakes, reals = (side[fixed_order(len(side))[:size].to(side.device)] for side in (fake, held_out))
    least = nearest_of(reals, reals, others=True).distance.quantile(_RARE)
    apart = nearest_of(fakes, fakes, others=True).distance
    least = least.clamp_min(
        1e-6 * torch.linalg.vector_norm(reals.double(), dim=1).mean()
    )  # equal ones are not at 0 exactly
    return Replicas((apart <= least).double(), least.item())


def _placed_below(x: Tensor, y: Tensor) -> tuple[float, float]:  # [n], [m]
    """P(x < y) + ½ P(x = y) with DeLong's standard error: the spread of each sample's place among the others."""
    ordered_x, ordered_y = x.sort().values, y.sort().values
    above = 1 - _ranks(ordered_y, x)  # of each x: the share of y above it
    below = _ranks(ordered_x, y)  # of each y: the share of x below it
    variance = sum((part.var() / len(part) for part in (above, below)), torch.zeros(()))
    return above.mean().item(), variance.sqrt().item()


def _ranks(ordered: Tensor, values: Tensor) -> Tensor:
    """The share of an ordered sample below each value, ties half."""
    left, right = (torch.searchsorted(ordered, values, right=side) for side in (False, True))
    return (left + right).double() / (2 * len(ordered))
