"""What follows an update: parameters are projected onto their constraint, and generators are averaged.

Legend: ``S`` members, ``N`` networks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gantlet.penalties.base import Constraint

__all__ = ["average", "constrain"]


@torch.no_grad()
def constrain(parameters: Mapping[str, Tensor], constraint: Constraint, good: Tensor | None) -> None:
    """Project the discriminators' parameters ``[S, ...]``, those of ``good`` members ``[S]`` (all if None)."""
    for parameter in parameters.values():
        projected = constraint.project(parameter)
        parameter.copy_(projected if good is None else torch.where(_align(good, parameter), projected, parameter))


@torch.no_grad()
def average(held: Mapping[str, Tensor], parameters: Mapping[str, Tensor], decay: float, good: Tensor | None) -> None:
    """Move averages ``[N, ...]`` towards parameters, those of ``good`` networks ``[N]`` (all if None)."""
    for name, parameter in parameters.items():
        mean = torch.lerp(parameter, held[name], decay)
        held[name].copy_(mean if good is None else torch.where(_align(good, mean), mean, held[name]))


def _align(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
