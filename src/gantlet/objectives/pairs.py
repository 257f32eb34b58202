r"""Pairs of samples from two batches: distances, and what kernel distances make of them.

For a kernel k, the squared maximum mean discrepancy and its unbiased estimate (no sample paired with itself) are

.. math::
    \mathrm{MMD}^2 = \mathbb{E}\, k(r, r') + \mathbb{E}\, k(f, f') - 2\, \mathbb{E}\, k(r, f), \qquad
    \frac{\sum_{i ≠ j} k(r_i, r_j)}{B (B-1)} + \frac{\sum_{i ≠ j} k(f_i, f_j)}{B' (B'-1)}
    - \frac{2 \sum_{ij} k(r_i, f_j)}{B B'}

and the critic (in the papers, the witness function) is w(x) = E k(x, r) - E k(x, f), of which MMD² = E w(r) - E w(f).

Reference:
    | A kernel two-sample test (Gretton et al., 2012), https://jmlr.org/papers/v13/gretton12a.html

Legend: ``B`` real and ``B'`` fake samples, ``A`` samples of either kind, ``d`` features.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gantlet.errors import Refused

from .base import DiscriminatorOutput

__all__ = ["Kernel", "critic_values", "features", "per_pair", "squared_distances", "unbiased_terms"]

Kernel = Callable[[Tensor, Tensor], Tensor]
"""The kernel of every pair, ``[..., A, d], [..., B, d] -> [..., A, B]``."""


def features(output: DiscriminatorOutput) -> Tensor:  # -> [..., B, d]
    """The code, or the score as the one feature where there is no code."""
    return output.score[..., None] if output.code is None else output.code


def per_pair(value: float | Tensor) -> float | Tensor:
    """A setting that broadcasts against scores ``[..., A]``, as one that broadcasts against pairs ``[..., A, B]``."""
    return value[..., None] if isinstance(value, Tensor) else value


def squared_distances(left: Tensor, right: Tensor) -> Tensor:  # [..., A, d], [..., B, d] -> [..., A, B]
    """The squared Euclidean distance of every pair, at the cost of one matrix product."""
    # |a - b|² = |a|² + |b|² - 2ab cancels far from the origin, so the origin is put among the samples.
    centre = left.detach().mean(-2)[..., None, :]
    a, b = left - centre, right - centre
    squares = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return (squares + (-2 * a) @ b.mT).clamp_min(0)


def unbiased_terms(kernel: Kernel, *, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """What each sample adds to the unbiased MMD², ``[..., B, d], [..., B', d] -> [..., B], [..., B']``.

    Both means add up to MMD².

    Raises:
        Refused: A batch of one sample.
    """
    across = kernel(real, fake)  # [..., B, B']
    return _others(kernel(real, real)) - across.mean(-1), _others(kernel(fake, fake)) - across.mean(-2)


def critic_values(kernel: Kernel, *, at: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """The critic w, ``[..., A, d], [..., B, d], [..., B', d] -> [..., A]``."""
    return kernel(at, real).mean(-1) - kernel(at, fake).mean(-1)


def _others(within: Tensor) -> Tensor:  # [..., A, A] -> [..., A]
    """The mean over all others of a sample's own batch."""
    size = within.shape[-1]
    if size < 2:
        raise Refused("A kernel distance pairs samples of one batch, but the batch holds 1 sample: use at least 2.")
    return (within.sum(-1) - within.diagonal(dim1=-2, dim2=-1)) / (size - 1)
