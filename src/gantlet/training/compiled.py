"""Networks compiled by ``torch.compile``: kernels that fuse what waits for memory, forwards and backwards alike.

What is compiled is the call of a stack: all its networks on one batch. The losses, which are small, and the optimisers stay as
they are. Autograd differentiates a compiled call once; the penalties, which differentiate the discriminator and are
differentiated again, call it as it is (``eager``).

A call is compiled for the shapes that it has (the partial batch of an epoch for its own), so that a fleet that was resumed runs the
kernels of one that was not interrupted. Each is tried first, backward pass included: where something cannot be compiled, or no compiler
is there, it is computed as it is, and one note says so.

Reference:
    | PyTorch 2: Faster machine learning through dynamic Python bytecode transformation and graph compilation (Ansel et al.,
      2024), https://doi.org/10.1145/3620665.3640366
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, cast

import torch
from torch import Tensor

from gantlet.families import is_gantlets
from gantlet.objectives.base import Objective
from gantlet.penalties.base import Penalty
from gantlet.randomness import seeded

__all__ = ["BACKEND", "Call", "Compiler", "own_derivatives"]

_LOG = logging.getLogger("gantlet")

BACKEND = "inductor"
"""The backend of ``torch.compile``; ``aot_eager`` traces forwards and backwards and runs torch's own kernels."""

Call = Callable[[Tensor, dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]]
"""A stack's method that computes a batch with parameters and buffers; it may move these in place."""


class Compiler:
    """Compiles the calls of a fleet's stacks, each for the shapes that it has.

    Attributes:
        refused: Why a call is not compiled although it should be; empty where all are.
    """

    def __init__(self) -> None:
        self.refused = ""
        self._programs: dict[tuple[Any, ...], Call] = {}

    @property
    def compiled(self) -> int:
        """How many calls are compiled."""
        return sum(program is not key[0] for key, program in self._programs.items())

    def run(
        self, call: Call, x: Tensor, parameters: dict[str, Tensor], buffers: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What ``call`` gives, compiled where that is possible."""
        if not x.requires_grad:  # how draws lie in memory depends on how many are made at once
            x = x.clone(memory_format=torch.contiguous_format)
        given = (x, *parameters.values(), *buffers.values())
        traits = tuple((value.shape, value.stride(), value.requires_grad) for value in given)
        key = (call, torch.is_grad_enabled(), traits)
        if key not in self._programs:
            self._programs[key] = self._tried(call, x, parameters, buffers) or call
        return self._programs[key](x, parameters, buffers)

    def refuse(self, reason: str) -> None:
        """Say that something is not compiled, the first time."""
        if not self.refused:
            self.refused = reason
            _LOG.warning("note: compile=true leaves networks as they are where torch cannot compile them: %s", reason)

    def _tried(self, call: Call, x: Tensor, parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Call | None:
        """The call compiled, once it has computed and been differentiated with copies of what it moves; None where it cannot be."""
        try:
            compiled = torch.compile(_apart(call), backend=BACKEND, fullgraph=True, dynamic=False)
            with seeded(0, x.device), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what torch says to those who work on its compiler
                out = compiled(x, parameters, {name: buffer.clone() for name, buffer in buffers.items()})
                loss = torch.stack([value.sum() for value in out.values()]).sum()
                moved = [value for value in (x, *parameters.values()) if value.requires_grad]
                if loss.requires_grad:
                    torch.autograd.grad(loss, moved, allow_unused=True)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a compiler, its absence or a module of the user's raises
            self.refuse(_reason(error))
            return None
        return compiled


def own_derivatives(objective: Objective, penalties: tuple[Penalty, ...]) -> str:
    """Which part of the user's own may differentiate the discriminator's outputs twice, which no compiled call allows; or nothing."""
    given = [objective, *(p for p in penalties if "outputs" in getattr(p, "needs", ()))]
    own = [type(part).__name__ for part in given if not is_gantlets(part)]
    return f"{own[0]} is given the discriminator's outputs and may differentiate them twice" if own else ""


def _apart(call: Call) -> Call:
    """The method with a code of its own: torch counts by code what it has compiled, and gives up after a few."""
    method = cast(MethodType, call)
    held = cast(FunctionType, method.__func__)
    made = FunctionType(held.__code__.replace(), held.__globals__, held.__name__, held.__defaults__, held.__closure__)
    return cast(Call, MethodType(made, method.__self__))


def _reason(error: BaseException) -> str:
    """What stopped the compiler, in its own words: the first line of what was raised first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith("raised:")]
    return lines[0] if lines else type(error).__name__
