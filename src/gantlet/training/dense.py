r"""Fully connected stacks without vmap: N networks as one chain of batched products.

.. math::
    Y_n = W_n X_n + b_n 1^\top, \qquad X_n \in \mathbb{R}^{i \times B}

Features come before the batch. Then autograd's own rules give every gradient in the layout of its parameter,
:math:`\bar W_n = \bar Y_n X_n^\top`, where torch's rule for a linear layer under ``vmap`` hands back transposed ones, which
must be copied before an optimiser may see them, multiplies and adds in two passes, and spends most of a narrow network's
step in Python (docs/performance.md).

What qualifies is a tree of ``nn.Sequential`` made of ``nn.Linear``, elementwise layers, and the reshaping layers at its
ends; any other module runs under ``vmap``.

Legend: ``N`` networks, ``B`` batch, ``i`` inputs, ``o`` outputs, ``*in`` and ``*out`` shapes of one sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gantlet.networks.layers import Score

__all__ = ["DenseStack", "dense_stack"]

_ELEMENTWISE = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.ReLU6,
    nn.Identity,
)
_FEW = 8
"""Up to so many features of a sample are copied into their own order: the products that give the gradient of the first
layer's weights then take a fourth of the time or less (points in the plane); wider samples gain nothing."""


@dataclass(frozen=True)
class _Product:
    """A linear layer, by the names of its parameters."""

    weight: str
    bias: str | None


@dataclass(frozen=True)
class _Rectifier:
    """A rectifier that overwrites its input: the module's kernel without the module's call, a hundredth of a narrow step.

    Attributes:
        slope: Below zero; None for a plain rectifier.
    """

    slope: float | None

    def __call__(self, x: Tensor) -> Tensor:
        return x.relu_() if self.slope is None else functional.leaky_relu_(x, self.slope)


@dataclass(frozen=True)
class DenseStack:
    """A chain of products and elementwise layers; see the module."""

    chain: tuple[_Product | _Rectifier | nn.Module, ...]

    def __call__(self, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:  # [N, B, *in] -> [N, B, *out]
        """Run all networks."""
        features_first = False
        for link in self.chain:
            if isinstance(link, _Product):
                columns = x if features_first else _columns(x)  # [N, i, B]
                weight = parameters[link.weight]  # [N, o, i]
                if link.bias is None:
                    x = torch.bmm(weight, columns)
                else:
                    x = torch.baddbmm(parameters[link.bias].unsqueeze(2), weight, columns)
                features_first = True
            elif isinstance(link, _Rectifier) or type(link) in _ELEMENTWISE:
                x = link(x)
            else:
                x = x.mT if features_first else x
                features_first = False
                x = x.flatten(2) if isinstance(link, nn.Flatten) else link(x)
        return x.mT if features_first else x

    def alone(self, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:  # [1, B, *in] -> [1, B, *out]
        """Run a single network, by the very operations of its modules: the numbers are theirs bit for bit."""
        x = x.squeeze(0)
        for link in self.chain:
            if isinstance(link, _Product):
                bias = None if link.bias is None else parameters[link.bias].squeeze(0)
                x = functional.linear(x, parameters[link.weight].squeeze(0), bias)
            else:
                x = link(x)
        return x.unsqueeze(0)


def dense_stack(module: nn.Module) -> DenseStack | None:
    """The chain of a module, or None where it does not qualify; neither does one with hooks or with tied weights.

    Example:
        >>> dense_stack(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))) is None
        True
    """
    if any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()):  # pyright: ignore[reportPrivateUsage]
        return None
    chain: list[_Product | _Rectifier | nn.Module] = []
    for name, layer in _leaves(module, ""):
        if type(layer) is nn.Linear:
            chain.append(_Product(f"{name}weight", f"{name}bias" if "bias" in dict(layer.named_parameters()) else None))
        elif _keeps_samples_apart(layer):
            # Nothing looks again at what a product gave, so that a rectifier may overwrite it.
            chain.append(_overwriting(layer) if chain and isinstance(chain[-1], _Product) else layer)
        else:
            return None
    used = {name for link in chain if isinstance(link, _Product) for name in (link.weight, link.bias) if name}
    return DenseStack(tuple(chain)) if used and used == dict(module.named_parameters()).keys() else None


def _columns(x: Tensor) -> Tensor:  # [N, B, i] -> [N, i, B]
    columns = x.mT
    return columns.contiguous() if columns.shape[1] <= _FEW else columns


def _overwriting(layer: nn.Module) -> _Rectifier | nn.Module:
    if type(layer) is nn.ReLU:
        return _Rectifier(None)
    if type(layer) is nn.LeakyReLU and layer.negative_slope >= 0:
        return _Rectifier(layer.negative_slope)
    return layer


def _keeps_samples_apart(layer: nn.Module) -> bool:
    """Whether a layer acts on numbers, or reshapes what follows the batch, in the same way with one more axis ahead."""
    whole = type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1)
    opened = type(layer) is nn.Unflatten and layer.dim == -1
    return type(layer) in _ELEMENTWISE or type(layer) is Score or whole or opened


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    if type(module) is not nn.Sequential:
        yield prefix, module
        return
    for name, child in module._modules.items():  # pyright: ignore[reportPrivateUsage]
        yield from _leaves(child, f"{prefix}{name}.")  # named_children would leave out a layer that comes twice
