"""The blueprint of a fleet: everything that training needs, as plain values, resolved before step 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from gantlet.objectives.base import Objective
from gantlet.penalties.base import Constraint, Penalty

from .optimisers import OptimiserSpec
from .schedule import Schedule
from .stack import Route

__all__ = ["Blueprint", "Execution", "Player", "Sizes", "per_member"]


@dataclass(frozen=True)
class Player:
    """A network and how it learns.

    Attributes:
        build: Makes a fresh module from torch's global random state, which the fleet keys by (seed, player).
        optimiser: Its optimiser, with settings per member.
        batch_statistics: Whether the module's output for one sample depends on the others in the batch.
    """

    build: Callable[[], nn.Module]
    optimiser: OptimiserSpec
    batch_statistics: bool = False


@dataclass(frozen=True)
class Sizes:
    """The sizes of a step: batch, latent dimension, generators of a team, steps of the whole run."""

    batch: int
    latent: int
    steps: int
    generators: int = 1


@dataclass(frozen=True)
class Execution:
    """How the arithmetic is carried out; recorded before step 0 and read back by resume and replay."""

    route: Route = "stacked"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Blueprint:
    """A fleet on paper.

    Attributes:
        seeds: One per slot, pads included.
        generator: The generator and its optimiser.
        discriminator: The discriminator and its optimiser.
        objective: Its numeric fields are tensors ``[S, 1, 1]`` where they vary.
        penalties: Added to the discriminator's or generator's loss.
        constraint: Applied to the discriminator's parameters after each of its updates.
        schedule: Who moves when.
        prior: The distribution of latents.
        feed: ``fixed`` pool with epochs, or ``endless`` sampling.
        ema: Decay of the exponential moving average of the generators, 0 for none.
        team_reduction: ``mean`` or ``sum`` of the losses over a team's generators.
    """

    seeds: tuple[int, ...]
    sizes: Sizes
    generator: Player
    discriminator: Player
    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    constraint: Constraint | None = None
    schedule: Schedule = field(default_factory=Schedule)
    prior: Literal["normal", "uniform"] = "normal"
    feed: Literal["fixed", "endless"] = "fixed"
    ema: float = 0.0
    team_reduction: Literal["mean", "sum"] = "mean"
    execution: Execution = field(default_factory=Execution)


def per_member(values: Sequence[float], execution: Execution) -> Tensor:
    """A setting per member as a tensor that broadcasts against scores, ``[S, 1, 1]``."""
    return torch.tensor(list(values), dtype=execution.dtype, device=execution.device).reshape(-1, 1, 1)
