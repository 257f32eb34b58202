"""The networks of a fleet at step 0: each is built from a random state keyed by (seed, place, player)."""

from __future__ import annotations

from torch import nn

from gantlet.randomness import seed_of, seeded

from .blueprint import Blueprint, Player
from .ranks import Ranks
from .stack import Stack

__all__ = ["initial_stack"]


def initial_stack(blueprint: Blueprint, player: Player, name: str, per_member: int, ranks: Ranks) -> Stack:
    """One player's networks of all members, ``per_member`` of each, as these ranks train them."""
    execution = blueprint.execution
    modules: list[nn.Module] = []
    for seed in blueprint.seeds:
        for index in range(per_member):
            with seeded(seed_of(seed, index, f"init/{name}")):
                modules.append(player.build())
    return Stack(
        modules,
        form=execution.form(len(modules)),
        seeds=[seed for seed in blueprint.seeds for _ in range(per_member)],
        device=execution.device,
        dtype=execution.dtype,
        mixed=execution.mixed,
        synchronised=ranks.count > 1 and execution.batch_norm == "synchronised",
    )
