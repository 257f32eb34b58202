r"""Batch normalisation over all processes that train together, so that they normalise as one process would.

.. math::
    \mu = \frac{1}{n} \sum_i x_i, \qquad \sigma^2 = \frac{1}{n} \sum_i (x_i - \mu)^2, \qquad
    y_i = \gamma \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta

where i runs over the samples (and pixels) of all processes. Sums over processes have derivatives of any order
(:func:`~gantlet.training.ranks.summed`), which torch's ``SyncBatchNorm`` has not; nor does that one work on a CPU. The
variance is from differences to the common mean, not from squares: those lose digits where a mean is large.

Legend: ``B`` samples of this process, ``C`` channels.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from .ranks import summed

__all__ = ["SynchronisedBatchNorm", "synchronise"]

_Module = TypeVar("_Module", bound=nn.Module)
_Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


class SynchronisedBatchNorm(nn.Module):
    """A batch norm of torch's, with its parameters and buffers under their names, over the samples of all processes.

    Arguments:
        norm: What it takes the place of; it shares its tensors.
    """

    def __init__(self, norm: _Norm) -> None:
        super().__init__()
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight: nn.Parameter | None
        self.bias: nn.Parameter | None
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:  # [B, C, ...] -> [B, C, ...]
        """Normalise, in float32 at least; running statistics move as torch's do."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        shape = (1, -1, *[1] * (x.dim() - 2))
        if self.training or self.running_mean is None or self.running_var is None:
            mean, variance, count = self._statistics(x)
            if self.training:
                self._move(mean.detach(), variance.detach() * (count / max(count - 1, 1)))
        else:
            mean, variance = self.running_mean, self.running_var
        normal = (x - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.weight is None or self.bias is None:
            return normal
        return normal * self.weight.view(shape) + self.bias.view(shape)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, int]:  # -> [C], [C], n
        axes = [0, *range(2, x.dim())]
        # Shares are equal. What is evaluated is evaluated by the first process alone, which nobody would answer.
        total, processes = (summed, dist.get_world_size()) if self.training else (_own, 1)
        count = x.numel() // x.shape[1] * processes
        mean = total(x.sum(axes)) / count
        away = x - mean.view(1, -1, *[1] * (x.dim() - 2))
        return mean, total(away.square().sum(axes)) / count, count

    def _move(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        with torch.no_grad():
            share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance, share)


def _own(value: Tensor) -> Tensor:
    return value


def synchronise(network: _Module) -> _Module | SynchronisedBatchNorm:
    """Exchange every batch norm of torch's within a network, in place; one that is such a layer itself is returned anew.

    Example:
        >>> synchronise(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))[1]
        SynchronisedBatchNorm()
    """
    if isinstance(network, _Norm):
        return SynchronisedBatchNorm(network)
    for name, child in network.named_children():
        setattr(network, name, synchronise(child))
    return network
