"""Building blocks that several families share.

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

__all__ = ["Output", "Score", "dense", "dense_discriminator", "dense_generator"]

Output = Literal["linear", "tanh"]
"""How a generator ends: any number, or within (-1, 1)."""


class Score(nn.Module):
    """One number per sample: drops the last axis of ``[B, 1]``.

    Example:
        >>> import torch
        >>> Score()(torch.tensor([[1.0], [2.0]]))
        tensor([1., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:  # [B, 1] -> [B]
        """Drop the last axis."""
        return x.squeeze(-1)


def dense(sizes: Sequence[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Linear layers from each size to the next, the activation between them and none after the last.

    Example:
        >>> [type(layer).__name__ for layer in dense([2, 3, 1], nn.ReLU)]
        ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return layers[:-1]


def dense_generator(body: Sequence[nn.Module], *, output: Output, shape: tuple[int, ...]) -> nn.Sequential:
    """Layers that end in ``prod(shape)`` numbers, as a generator of that sample shape."""
    bound = [nn.Tanh()] if output == "tanh" else []
    return nn.Sequential(*body, *bound, nn.Unflatten(-1, shape))


def dense_discriminator(
    hidden: Sequence[int], *, slope: float, shape: tuple[int, ...]
) -> nn.Sequential:  # [B, *x] -> [B]
    """Flattened samples through hidden layers of the given widths, leaky rectifiers between, to one score."""
    sizes = [math.prod(shape), *hidden, 1]
    return nn.Sequential(nn.Flatten(), *dense(sizes, lambda: nn.LeakyReLU(slope)), Score())
