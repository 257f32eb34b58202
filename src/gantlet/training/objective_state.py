"""What a fleet remembers between updates beside weights: states of the objective, of penalties, and of a learning rate on a plateau.

All of it is one flat mapping of tensors ``[S, 1, 1]``, so that a checkpoint holds it as it is: the objective's by its
own names, a penalty's under its label, the learning rate's under ``stall``.

Legend: ``S`` members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import Refused
from gantlet.objectives.base import Stateful

from .blueprint import Blueprint
from .schedules import ReduceOnPlateau
from .step import PlayerBatch

__all__ = ["advanced", "initial", "part"]

_STALL = "stall"
_MEASURE = "convergence"


def initial(blueprint: Blueprint) -> dict[str, Tensor]:
    """Every state at step 0."""
    members, execution = len(blueprint.seeds), blueprint.execution
    initial_state: dict[str, Tensor] = {}
    for prefix, owner in _owners(blueprint):
        initial_state |= {f"{prefix}{name}": value for name, value in owner.init(members).items()}
    return {name: value.to(execution.device, execution.dtype) for name, value in initial_state.items()}


def part(state: Mapping[str, Tensor], owner: str) -> dict[str, Tensor]:
    """The state under a label; of the objective, whose label is empty, all that has none.

    Example:
        >>> part({"k": torch.ones(1), "lecam/real": torch.zeros(1)}, "lecam")
        {'real': tensor([0.])}
    """
    if not owner:
        return {name: value for name, value in state.items() if "/" not in name}
    return {name.removeprefix(f"{owner}/"): value for name, value in state.items() if name.startswith(f"{owner}/")}


def advanced(
    blueprint: Blueprint, state: Mapping[str, Tensor], batch: PlayerBatch, alive: Tensor, update: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every state after discriminator update ``update``, and what to log; diverged members keep theirs."""
    assert batch.real is not None
    moved: dict[str, Tensor] = {}
    monitored: dict[str, Tensor] = {}
    given: dict[str, Any] = batch.arguments(blueprint.objective)
    for prefix, owner in _owners(blueprint):
        if isinstance(owner, ReduceOnPlateau):
            if _MEASURE not in monitored:
                raise Refused(
                    f"lr_schedule=on-plateau watches what an objective calls '{_MEASURE}', but this one's update reports "
                    f"{', '.join(monitored) or 'nothing'}. Use lr_schedule=step or cosine."
                )
            fresh = owner.update(part(state, _STALL), monitored[_MEASURE], update=update)
        elif not prefix:
            fresh, monitored = owner.update(part(state, ""), real=given["real"], fake=given["fake"])
        else:
            own = part(state, prefix[:-1])
            fresh, more = owner.update(own, real=batch.real.score.detach(), fake=batch.fake.score.detach())
            monitored |= more
        moved |= {f"{prefix}{name}": value.detach() for name, value in fresh.items()}
    keep = alive.reshape(-1, 1, 1)
    return {name: torch.where(keep, value, state[name]) for name, value in moved.items()}, monitored


def _owners(blueprint: Blueprint) -> Iterator[tuple[str, Any]]:
    """Prefix and owner, the objective first and the rate last: it looks at what the objective says of convergence."""
    if isinstance(blueprint.objective, Stateful):
        yield "", blueprint.objective
    for penalty in blueprint.penalties:
        if isinstance(penalty, Stateful):
            yield f"{penalty.label}/", penalty
    if isinstance(blueprint.tuning.lr, ReduceOnPlateau):
        yield f"{_STALL}/", blueprint.tuning.lr
