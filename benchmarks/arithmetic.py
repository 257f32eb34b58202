"""The arithmetic that a step cannot do without: its matrix products, and nothing else.

A layer takes three products of 2·B·i·o floating point operations each: forward, the gradient of its inputs and the
gradient of its weights. Where nobody asks for a gradient the product is left out: the first layers' inputs (but for the
discriminator's in the generator's update, on the way to the generator), and the discriminator's weights in that update.

=========================  ========  ======  =======
pass                       forward   inputs  weights
=========================  ========  ======  =======
generator, B                  ✓        ✓        ✓
discriminator, 2·B            ✓        ✓        ✓
discriminator, B              ✓        ✓
generator again, B            ✓  (only without ``reuse_fake``)
=========================  ========  ======  =======

Legend: ``S`` members, ``B`` rows of a batch, ``i`` inputs and ``o`` outputs of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .workloads import Workload

__all__ = ["Pass", "Products", "flops", "passes"]


@dataclass(frozen=True)
class Pass:
    """A batch on its way through a network, and whose gradients are wanted on the way back.

    ``sizes`` are those of the layers, ``to_inputs`` says that the gradient goes on to the samples.
    """

    player: str
    sizes: tuple[int, ...]
    rows: int
    weights: bool = True
    to_inputs: bool = False
    backward: bool = True

    @property
    def flops(self) -> int:
        """Floating point operations of one member."""
        layers = list(pairwise(self.sizes))
        whole = sum(i * o for i, o in layers)
        first = layers[0][0] * layers[0][1]
        backward = whole * self.weights + whole - first * (not self.to_inputs) if self.backward else 0
        return 2 * self.rows * (whole + backward)


def passes(workload: Workload, *, reuse_fake: bool = True) -> list[Pass]:
    """The passes of one step."""
    g, d, rows = workload.generator_sizes, workload.discriminator_sizes, workload.batch
    again = [] if reuse_fake else [Pass("generator", g, rows, backward=False)]
    return [
        *again,
        Pass("generator", g, rows),
        Pass("discriminator", d, 2 * rows),
        Pass("discriminator", d, rows, weights=False, to_inputs=True),
    ]


def flops(workload: Workload, *, reuse_fake: bool = True) -> int:
    """Floating point operations of one member's step.

    Example:
        >>> from .workloads import RING
        >>> round(flops(RING) / 1e9, 3), round(flops(RING, reuse_fake=False) / 1e9, 2)
        (0.616, 0.74)
    """
    return sum(part.flops for part in passes(workload, reuse_fake=reuse_fake))


class Products:
    """The products of a step of S members as batched matrix products, into tensors that stay.

    Each layer has weights, activations and gradients of its own, as in training, so that the caches meet as many
    different numbers. Weights are scaled so that no chain of products grows or dies out.
    """

    def __init__(self, workload: Workload, members: int, *, reuse_fake: bool = True) -> None:
        self._calls: list[tuple[Tensor, Tensor, Tensor]] = []
        self._weights: dict[tuple[str, int], Tensor] = {}
        for part in passes(workload, reuse_fake=reuse_fake):
            self._add(part, members)

    def advance(self) -> None:
        """Carry out every product of one step."""
        for left, right, out in self._calls:
            torch.bmm(left, right, out=out)

    @property
    def flops(self) -> int:
        """Floating point operations of one call, from the shapes of the products themselves."""
        return sum(2 * left.numel() * right.shape[2] for left, right, _ in self._calls)

    def _add(self, part: Pass, members: int) -> None:
        values = [torch.randn(members, part.rows, size) for size in part.sizes]  # [S, B, i]
        gradients = [torch.randn(members, part.rows, size) for size in part.sizes]
        for layer, (inputs, outputs) in enumerate(pairwise(part.sizes)):
            weight = torch.randn(members, outputs, inputs) / inputs**0.5  # [S, o, i]
            weight = self._weights.setdefault((part.player, layer), weight)
            self._calls.append((values[layer], weight.mT, values[layer + 1]))
        if not part.backward:
            return
        for layer, (inputs, outputs) in reversed(list(enumerate(pairwise(part.sizes)))):
            weight, gradient = self._weights[part.player, layer], gradients[layer + 1]
            if part.weights:
                self._calls.append((gradient.mT, values[layer], torch.empty(members, outputs, inputs)))
            if layer or part.to_inputs:
                self._calls.append((gradient, weight, gradients[layer]))
