"""How much memory networks take, counted without memory on torch's ``meta`` device; what cannot be built is refused at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from gantlet.errors import Refused
from gantlet.training.blueprint import Execution
from gantlet.training.memory import available_memory

from .probes import ask

__all__ = ["check_memory", "parameters_of", "without_memory"]

_DRAWS = {
    *(torch.Tensor.normal_, torch.Tensor.uniform_, init.normal_, init.uniform_),
    *(init.kaiming_normal_, init.kaiming_uniform_),
}
"""By which layers begin."""

_COPIES = 4  # weights, gradients and two moments


def parameters_of(build: Callable[[], nn.Module]) -> int:
    """The number of parameters of a network that is not built.

    Raises:
        Refused: A single layer is larger than any address.

    Example:
        >>> parameters_of(lambda: nn.Linear(1_000_000, 1_000_000))
        1000001000000
    """
    try:
        return ask(_count, build)
    except (RuntimeError, TypeError, OverflowError) as error:  # torch has no class of its own for a size beyond 64 bits
        if not any(word in str(error) for word in ("overflow", "Overflow", "too large", "too big")):
            raise
        raise Refused(
            "A layer of these networks is too large to be counted, far beyond any memory. Choose smaller widths, depths or sizes."
        ) from error


def _count(build: Callable[[], nn.Module]) -> int:
    with without_memory():
        return sum(parameter.numel() for parameter in build().parameters())


@contextmanager
def without_memory() -> Generator[None]:
    """Networks that are made within have shapes and no numbers; nothing is drawn.

    Example:
        >>> with without_memory():
        ...     nn.Linear(1_000_000, 1_000_000).weight.shape
        torch.Size([1000000, 1000000])
    """
    with torch.device("meta"), torch.random.fork_rng(devices=[]), _WithoutDraws():
        yield


class _WithoutDraws(TorchFunctionMode):
    """Draws no numbers for what has no memory: to do so torch would import its compiler, which takes more than a second."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        return (args[0] if args else given["tensor"]) if func in _DRAWS else func(*args, **given)


def check_memory(
    generator: Callable[[], nn.Module],
    discriminator: Callable[[], nn.Module],
    team: int,
    execution: Execution,
    *,
    own: bool = False,
) -> None:
    """Refuse networks that no member of a fleet could hold in memory.

    Those of the user's ``own`` that cannot be built are left to those who build them, and say why.

    Raises:
        Refused: One member needs more than is free.
    """
    try:
        numbers = team * parameters_of(generator) + parameters_of(discriminator)
    except Exception as error:
        if own and not isinstance(error, Refused):
            return
        raise
    need = _COPIES * (8 if execution.dtype is torch.float64 else 4) * numbers
    free = available_memory(execution.device)
    if need > free:
        raise Refused(
            f"These networks have {numbers:,} parameters; to train one member of them takes {need / 2**30:,.1f} GiB, and "
            f"{free / 2**30:,.1f} GiB are free. Choose smaller widths, depths or sizes."
        )
