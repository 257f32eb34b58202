r"""Kernel distances between two samples of features: KID, and CMMD's Gaussian kernel.

The unbiased estimate of the squared maximum mean discrepancy of a block of b samples of each side:

.. math::
    \widehat{\mathrm{MMD}}^2 = \frac{1}{b(b-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{b(b-1)} \sum_{i \ne j} k(y_i, y_j)
        - \frac{2}{b^2} \sum_{i, j} k(x_i, y_j)

KID has the kernel (⟨x, y⟩ / d + 1)³. Its value is the mean over disjoint blocks, whose spread gives the standard error:
blocks that share no sample are independent, so std / √blocks is honest. (Random subsets that overlap, as other tools take
them, have a spread that says nothing about the mean.) It is unbiased whatever b, and may therefore be negative.

CMMD has exp(-‖x - y‖² / 2σ²) with σ = 10 on features of unit length, times 1000. On CLIP's features it is CMMD; on
others only its kernel is, which is why the number is called ``mmd``. Here it is unbiased too (there, the diagonal counts).

Legend: ``n``, ``m`` samples, ``d`` features, ``b`` samples of a block.

Reference:
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401, section 4
    | Rethinking FID (Jayasumana et al., 2024), https://arxiv.org/abs/2401.09603, section 4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantlet.errors import TooFewSamples

from .distances import fixed_order

__all__ = ["KERNELS", "BlockEstimate", "block_discrepancy", "block_size"]

_LARGEST, _FEWEST = 1000, 10
_SIGMA, _SCALE = 10.0, 1000.0


class BlockEstimate(NamedTuple):
    """An unbiased estimate, the standard error of it, and from how many disjoint blocks they come."""

    value: float
    error: float
    blocks: int


def _cubic(x: Tensor, y: Tensor) -> Tensor:  # [b, d], [b, d] -> [b, b]
    return (x @ y.T / x.shape[1] + 1).pow(3)


def _gaussian(x: Tensor, y: Tensor) -> Tensor:
    x, y = (side / torch.linalg.vector_norm(side, dim=1, keepdim=True).clamp_min(1e-12) for side in (x, y))
    # On the unit sphere ‖x - y‖² = 2 - 2⟨x, y⟩; expm1 keeps what the kernel differs from 1 by, and constants cancel.
    return _SCALE * torch.expm1(-(1 - x @ y.T).clamp_min(0) / _SIGMA**2)


KERNELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"kid": _cubic, "mmd": _gaussian}
"""The kernel of each distance, up to a constant that cancels."""


def block_size(samples: int) -> int:
    """How many samples of a side a block has: a tenth, so that there are ten blocks, and at most the field's 1000.

    Raises:
        TooFewSamples: Fewer than 20 samples.

    Example:
        >>> block_size(2000), block_size(50_000)
        (200, 1000)
    """
    if samples < 2 * _FEWEST:
        raise TooFewSamples(
            f"A kernel distance with its error needs at least {2 * _FEWEST} samples of each side; there are {samples}."
        )
    return min(_LARGEST, samples // _FEWEST)


def block_discrepancy(kind: str, *, real: Tensor, fake: Tensor, block: int = 0) -> BlockEstimate:
    """The kernel distance of two samples, as the mean over disjoint blocks.

    Arguments:
        kind: A name in :data:`KERNELS`.
        real: ``[m, d]``.
        fake: ``[n, d]``.
        block: Samples of a side in a block; 0 for :func:`block_size`.

    Raises:
        TooFewSamples: Fewer than 20 samples on a side.

    Example:
        >>> same = torch.randn(400, 8, generator=torch.Generator().manual_seed(1))
        >>> far = block_discrepancy("kid", real=same, fake=same + 1)
        >>> far.value > 10 * far.error, far.blocks
        (True, 10)
    """
    kernel = KERNELS[kind]
    least = min(len(real), len(fake))
    size = block or block_size(least)
    orders = [
        fixed_order(len(side), draw=draw)[: least // size * size].split(size) for draw, side in enumerate((real, fake))
    ]
    values: list[Tensor] = []
    for first, second in zip(*orders, strict=True):
        x, y = real[first.to(real.device)].double(), fake[second.to(fake.device)].double()
        within = (_off_diagonal(kernel(side, side)) for side in (x, y))
        values.append(sum(within, -2 * kernel(x, y).mean()))
    found = torch.stack(values)
    error = (found.std() / len(found) ** 0.5).item() if len(found) > 1 else float("nan")
    return BlockEstimate(found.mean().item(), error, len(found))


def _off_diagonal(gram: Tensor) -> Tensor:
    size = len(gram)
    return (gram.sum() - gram.diagonal().sum()) / (size * (size - 1))
