r"""What gradient penalties share: the points at which they act, and the discriminator's input gradient there.

.. math::
    \hat x_i = e_i r_i + (1 - e_i) f_i, \qquad \nabla_x D(\hat x_i)

The norm of a gradient is over all dimensions of one sample: not over the batch, not over each pixel or row.

Legend: ``S`` members, ``K`` generators of a team, ``J`` batches scored separately, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from .base import DiscriminatorFunction

__all__ = ["across", "batch_std", "between", "input_gradient", "sample_norm", "squared_norm"]


def between(*, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:  # [S, 1, B, *x], [S, K, B, *x], [S, K, B]
    """Points on the lines from fake (mix 0) to real samples (mix 1), ``[S, K, B, *x]``; no gradient reaches either.

    Example:
        >>> real, fake = torch.full((1, 1, 1, 2), 3.0), torch.full((1, 1, 1, 2), 7.0)
        >>> between(real=real, fake=fake, mix=torch.full((1, 1, 1), 0.25))
        tensor([[[[6., 6.]]]])
    """
    mix = across(mix, fake)
    return mix * real.detach() + (1 - mix) * fake.detach()


def input_gradient(discriminate: DiscriminatorFunction, at: Tensor) -> Tensor:  # [S, J, B, *x] -> [S, J, B, *x]
    """The gradient of each sample's own score, itself differentiable in the discriminator's parameters."""
    at = at.detach().requires_grad_()
    # Outside vmap: the scores of members and samples are independent, so the sum's gradient holds everyone's own.
    (gradient,) = torch.autograd.grad(discriminate(at).score.sum(), at, create_graph=True)
    return gradient


def squared_norm(gradient: Tensor) -> Tensor:  # [S, J, B, *x] -> [S, J, B]
    """The squared Euclidean norm of each sample's gradient."""
    return gradient.flatten(3).square().sum(-1)


def sample_norm(gradient: Tensor) -> Tensor:  # [S, J, B, *x] -> [S, J, B]
    """The Euclidean norm of each sample's gradient; at zero its own gradient is zero, not nan.

    Example:
        >>> sample_norm(torch.tensor([[[[3.0, 4.0], [0.0, 0.0]]]]))
        tensor([[[5., 0.]]])
    """
    squared = squared_norm(gradient)
    # == 0 rather than > 0: a nan must stay one.
    flat = squared == 0
    return torch.where(flat, 0.0, torch.where(flat, 1.0, squared).sqrt())


def batch_std(x: Tensor) -> Tensor:  # [S, J, B, *x] -> [S, J, 1, *1]
    """The standard deviation of all numbers of a batch as one scalar, that of a population.

    Example:
        >>> batch_std(torch.tensor([1.0, 1.0, 3.0, 3.0]).reshape(1, 1, 2, 2)).item()
        1.0
    """
    return across(x.flatten(2).std(-1, correction=0, keepdim=True), x)


_Value = TypeVar("_Value", Tensor, float | Tensor)


def across(value: _Value, like: Tensor) -> _Value:  # [S, 1, 1], [S, J, B, *x] -> [S, 1, 1, *1]
    """A setting or draw that broadcasts against scores, made to broadcast against samples; a number stays one."""
    return value.reshape(*value.shape, *[1] * (like.ndim - 3)) if isinstance(value, Tensor) else value
