"""Small fleets for the training tests: two-dimensional, in float64, with settings that tests override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.networks.mlp import MLP
from gantlet.objectives.vanilla import Vanilla
from gantlet.training.blueprint import Blueprint, Execution, Player, Sizes
from gantlet.training.fleet import Fleet
from gantlet.training.optimisers import OptimiserSpec

__all__ = ["adam", "dataset", "difference", "fleet", "parameters", "sheet", "tensors_of", "train"]

SHAPE = (2,)


def dataset(count: int = 64) -> Dataset:
    """Points around four centres; the pool is the same every time."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    points = centres[torch.arange(count) % 4] + 0.1 * torch.randn(count, 2, generator=generator)
    return Dataset(points, points[:16], endless=lambda n, g: centres[:1] + torch.randn(n, 2, generator=g))


def adam(members: int, lr: float | Sequence[float] = 1e-3, **options: Any) -> OptimiserSpec:
    """Adam with one learning rate, or one per member."""
    rates = tuple(lr) if isinstance(lr, Sequence) else (lr,) * members
    return OptimiserSpec("adam", lr=rates, beta1=(0.5,) * members, beta2=(0.9,) * members, **options)


def sheet(seeds: Sequence[int] = (1, 2, 3), *, k: int = 1, steps: int = 20, **changes: Any) -> Blueprint:
    """A blueprint of small multilayer perceptrons; ``changes`` replace its fields."""
    family = MLP(g_width=7, g_depth=2, d_width=5, d_depth=2)
    members = len(seeds)
    drawn = Blueprint(
        seeds=tuple(seeds),
        sizes=Sizes(batch=8, latent=3, steps=steps, generators=k),
        generator=Player(lambda: family.generator(latent=3, shape=SHAPE), adam(members)),
        discriminator=Player(lambda: family.discriminator(shape=SHAPE), adam(members)),
        objective=Vanilla(),
        execution=Execution(route="stacked", dtype=torch.float64),
    )
    return replace(drawn, **changes)


def fleet(seeds: Sequence[int] = (1, 2, 3), **changes: Any) -> Fleet:
    """A fleet at step 0."""
    return Fleet(sheet(seeds, **changes), dataset())


def train(trained: Fleet, steps: int | None = None) -> Fleet:
    """Advance a fleet, to its end unless told otherwise."""
    for _ in range(trained.blueprint.sizes.steps if steps is None else steps):
        trained.advance()
    return trained


def parameters(trained: Fleet, player: str, slot: int) -> Tensor:
    """All parameters of one member's player in one vector."""
    stack = trained.generators if player == "generator" else trained.discriminators
    per_member = stack.size // trained.members
    rows = slice(slot * per_member, (slot + 1) * per_member)
    return torch.cat([value.detach()[rows].flatten() for value in stack.parameters.values()])


def difference(one: Tensor, other: Tensor) -> float:
    """The relative 2-norm difference."""
    return float((one - other).norm() / other.norm())


def tensors_of(trained: Fleet, slot: int) -> dict[str, Tensor]:
    """Everything that belongs to one member, as its checkpoint would hold it."""
    from gantlet.training.checkpoint import snapshot

    found, _ = snapshot(trained)
    per = {name: value.shape[0] // trained.members for name, value in found.items()}
    return {
        name: value[slot * per[name] : (slot + 1) * per[name]].clone()
        for name, value in found.items()
        if not name.startswith("history/")
    }


class Poison(nn.Module):
    """A discriminator whose score becomes infinite once its bias passes a threshold that its seed decides."""

    def __init__(self, build: Callable[[], nn.Module], limit: float) -> None:
        super().__init__()
        self.inner, self.limit = build(), limit

    def forward(self, x: Tensor) -> Tensor:
        score = self.inner(x)
        return torch.where(score.abs().amax() > self.limit, torch.inf, score)
