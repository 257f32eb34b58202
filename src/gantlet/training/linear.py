r"""Stacked linear layers: N products as one, with every gradient in the layout of its parameter.

.. math::
    y_n = x_n W_n^\top + b_n, \qquad
    \bar x_n = \bar y_n W_n, \quad \bar W_n = \bar y_n^\top x_n, \quad \bar b_n = \sum_B \bar y_n

torch's own rule for a linear layer under ``vmap`` multiplies and adds in two passes, and hands back transposed
gradients: autograd then copies each of them before an optimiser may see it, and elementwise kernels behind them take
their slow path. On the ring fleet that was a fifth of a step (docs/performance.md). The numbers are those of
``torch.nn.functional.linear``; the second derivative is autograd's, through the products of the backward pass.

Legend: ``N`` networks, ``B`` batch (any leading dimensions), ``i`` inputs, ``o`` outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["stack_linears"]


class _Products(torch.autograd.Function):
    """``baddbmm`` with gradients in the parameters' layout."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # [N, B, i], [N, o, i], [N, o] -> [N, B, o]
        if bias is None:
            return torch.bmm(x, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, bias = inputs
        ctx.save_for_backward(x, weight)
        ctx.with_bias = bias is not None

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients  # [N, B, o]
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_x = torch.bmm(gradient, weight) if wanted[0] else None
        to_weight = torch.bmm(gradient.mT, x) if wanted[1] else None
        to_bias = gradient.sum(1) if ctx.with_bias and wanted[2] else None
        return to_x, to_weight, to_bias


class _Linear(torch.autograd.Function):
    """A linear layer whose rule under ``vmap`` is :class:`_Products`."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is saved: outside ``vmap`` the layer is torch's own and this function is not used."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        raise AssertionError("a stacked linear layer ran outside vmap")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        x, weight, bias = args
        if in_dims[1] is None and in_dims[0] is not None:  # several batches of one network: one more leading dimension
            return _Linear.apply(x.movedim(in_dims[0], 0), weight, bias), 0
        size = info.batch_size
        x, weight = _first(x, in_dims[0], size), _first(weight, in_dims[1], size)
        bias = None if bias is None else _first(bias, in_dims[2], size)
        rows = x.reshape(size, -1, x.shape[-1])  # [N, B, i]
        out = _Products.apply(rows, weight, bias)
        return out.unflatten(1, x.shape[1:-1]) if x.dim() != 3 else out, 0


def stack_linears(module: nn.Module) -> nn.Module:
    """Let the plain linear layers of a module that will run under ``vmap`` use the products above, in place."""
    for part in module.modules():
        if type(part) is nn.Linear:
            part.forward = _Forward(part)
    return module


class _Forward:
    """The forward of one layer; a class, so that the module can be copied and pickled."""

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer

    def __call__(self, input: Tensor) -> Tensor:
        if input.dim() < 2 or not torch._C._functorch.is_batchedtensor(self.layer.weight):  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            return functional.linear(input, self.layer.weight, self.layer.bias)
        return _Linear.apply(input, self.layer.weight, self.layer.bias)


def _first(tensor: Tensor, dimension: int | None, size: int) -> Tensor:
    """The member dimension to the front; what all members share is repeated."""
    if dimension is None:
        return tensor.expand(size, *tensor.shape)
    return tensor.movedim(dimension, 0)
