"""The processes that train one member together, its *ranks*: data-parallel, by torch's ``DistributedDataParallel``.

Each rank holds all of the model and computes its share of every batch; gradients are averaged over the ranks during the
backward pass, so that all of them make the same update. :class:`Alone` is the one rank of an ordinary training.

Legend: ``N`` ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

__all__ = ["Alone", "Ranks", "Together", "summed"]

_T = TypeVar("_T")


class Ranks(Protocol):
    """Who trains a member."""

    @property
    def count(self) -> int:
        """N."""
        ...

    @property
    def rank(self) -> int:
        """Which of them this process is, from 0; only rank 0 writes files."""
        ...

    def watch(self, player: str, parameters: Sequence[Tensor]) -> None:
        """Average the gradients of a player's parameters over the ranks from now on."""
        ...

    def backward(self, player: str, loss: Callable[[], Tensor], *, last: bool) -> None:
        """Compute a loss of this rank and add its gradient; after the ``last`` of an update they are averaged."""
        ...

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks of a tensor that each of them has."""
        ...

    def gathered(self, value: Tensor, axis: int) -> Tensor:
        """The ranks' tensors behind each other along an axis, in the order of the ranks."""
        ...

    def any(self, value: bool) -> bool:
        """Whether it is true of any rank."""
        ...

    def from_first(self, value: _T) -> _T:
        """What rank 0 says."""
        ...


class Alone:
    """One rank."""

    count, rank = 1, 0

    def watch(self, player: str, parameters: Sequence[Tensor]) -> None:
        """Nothing is to be averaged."""

    def backward(self, player: str, loss: Callable[[], Tensor], *, last: bool) -> None:
        """Add the gradient of a loss."""
        loss().backward()

    def mean(self, value: Tensor) -> Tensor:
        """The value."""
        return value

    def gathered(self, value: Tensor, axis: int) -> Tensor:
        """The value."""
        return value

    def any(self, value: bool) -> bool:
        """The value."""
        return value

    def from_first(self, value: _T) -> _T:
        """The value."""
        return value


class Together:
    """The ranks of torch's default process group, which must be there.

    Arguments:
        device: Where this rank computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.count, self.rank = dist.get_world_size(), dist.get_rank()
        self._device = device
        self._reducers: dict[str, DistributedDataParallel] = {}

    def watch(self, player: str, parameters: Sequence[Tensor]) -> None:
        """Wrap parameters, which must be ``nn.Parameter``; those of rank 0 become everyone's."""
        # Others would be copied, and the copies' gradients averaged.
        assert all(isinstance(parameter, nn.Parameter) for parameter in parameters)
        # A head that a loss does not use has no gradient, which the reducer must find out, or it would wait for it.
        self._reducers[player] = DistributedDataParallel(_Loss(parameters), find_unused_parameters=True)

    def backward(self, player: str, loss: Callable[[], Tensor], *, last: bool) -> None:
        """Add the gradient of a loss; all ranks must call it equally often."""
        reducer = self._reducers[player]
        with nullcontext() if last else reducer.no_sync():
            reducer(loss).backward()

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks."""
        total = value.detach().clone().contiguous()
        dist.all_reduce(total)
        return total / self.count

    def gathered(self, value: Tensor, axis: int) -> Tensor:
        """Of all ranks; their shapes are equal."""
        mine = value.detach().contiguous()
        everyone = [torch.empty_like(mine) for _ in range(self.count)]
        dist.all_gather(everyone, mine)
        return torch.cat(everyone, axis)

    def any(self, value: bool) -> bool:
        """Whether it is true of any rank."""
        flag = torch.tensor(int(value), device=self._device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag)

    def from_first(self, value: _T) -> _T:
        """What rank 0 says; a mapping of tensors and plain values."""
        said: list[Any] = [value if self.rank == 0 else None]
        dist.broadcast_object_list(said, src=0, device=self._device)
        return said[0]


class _Loss(nn.Module):
    """A loss as a module, which the reducer wants: it has the parameters and computes what it is given."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)

    def forward(self, loss: Callable[[], Tensor]) -> Tensor:
        """The loss."""
        return loss()


class _Sum(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum of the ranks' gradients, and so on for further derivatives."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Sum."""
        total = value.clone().contiguous()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The sum of what comes back to each rank."""
        return summed(gradients[0])


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over the ranks of torch's default process group, with derivatives of any order."""
    return _Sum.apply(value)  # pyright: ignore[reportReturnType, reportUnknownMemberType]
