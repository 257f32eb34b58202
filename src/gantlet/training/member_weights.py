"""One member's weights out of a fleet or a checkpoint, and into a fleet; names are those of a checkpoint.

Legend: ``K`` generators of a team, ``S`` members.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor

from .fleet import Fleet

__all__ = ["member_slice", "member_weights", "place_weights"]

_WEIGHTS = ("generator/parameter/", "generator/buffer/", "average/", "weights/logits")
_AVERAGED = ("average", "generator/parameter", "generator/state")
"""Where an average begins, the first that is there."""

_DISCRIMINATOR = ("discriminator/parameter/", "discriminator/buffer/")


def member_weights(fleet: Fleet, slot: int, *, discriminator: bool = False) -> dict[str, Tensor]:
    """A member's generators ``[K, ...]``, their averages and learned weights, on the CPU; on request its discriminator, too.

    The fleet must have been settled.
    """
    tensors: dict[str, Tensor] = {}
    players = {"generator": fleet.generators} | ({"discriminator": fleet.discriminators} if discriminator else {})
    for player, stack in players.items():
        tensors |= {f"{player}/parameter/{name}": value.detach() for name, value in stack.parameters.items()}
        tensors |= {f"{player}/buffer/{name}": value for name, value in stack.buffers.items()}
    tensors |= {f"average/{name}": value for name, value in (fleet.average or {}).items()}
    if fleet.generator_weights is not None:
        tensors["weights/logits"] = fleet.generator_weights.logits.detach()
    return member_slice(tensors, slot, fleet.members)


def member_slice(tensors: Mapping[str, Tensor], slot: int, slots: int) -> dict[str, Tensor]:
    """The weights of one of ``slots`` members out of a fleet's tensors; optimisers, history and the like are left out.

    Example:
        >>> tensors = {"average/w": torch.arange(6).reshape(6, 1), "history/loss_d": torch.zeros(3)}
        >>> member_slice(tensors, 1, 3)["average/w"].flatten().tolist()
        [2, 3]
    """
    sliced: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.startswith((*_WEIGHTS, *_DISCRIMINATOR)):
            each = value.shape[0] // slots
            sliced[name] = value[slot * each : (slot + 1) * each].contiguous().cpu().clone()
    return sliced


@torch.no_grad()
def place_weights(fleet: Fleet, slot: int, tensors: Mapping[str, Tensor]) -> None:
    """Give a member these weights, of its own architecture; its optimisers and what it lacks stay as they are.

    Tensors are ``player/parameter/NAME`` and ``player/buffer/NAME``, or ``player/state/NAME`` for either. Averages begin at the
    weights where ``tensors`` has none; learned weights of a team are taken over where both have some.
    """
    for player, stack in (("generator", fleet.generators), ("discriminator", fleet.discriminators)):
        for name, target in chain(stack.parameters.items(), stack.buffers.items()):
            kind = "parameter" if name in stack.parameters else "buffer"
            if (value := tensors.get(f"{player}/{kind}/{name}", tensors.get(f"{player}/state/{name}"))) is not None:
                _rows(target, slot, fleet.members).copy_(value)
    for name, target in (fleet.average or {}).items():
        value = next((tensors[key] for key in (f"{where}/{name}" for where in _AVERAGED) if key in tensors), None)
        if value is not None:
            _rows(target, slot, fleet.members).copy_(value)
    if fleet.generator_weights is not None and "weights/logits" in tensors:
        _rows(fleet.generator_weights.logits, slot, fleet.members).copy_(tensors["weights/logits"])


def _rows(stacked: Tensor, slot: int, slots: int) -> Tensor:
    each = stacked.shape[0] // slots
    return stacked.detach()[slot * each : (slot + 1) * each]
