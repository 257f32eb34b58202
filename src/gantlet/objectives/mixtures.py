r"""Mixtures of kernels as functions of a squared distance, with every derivative in closed form.

.. math::
    g(t) = \sum_σ e^{-t / 2σ^2}, \quad g^{(n)}(t) = \sum_σ \Bigl(-\frac{1}{2σ^2}\Bigr)^n e^{-t / 2σ^2}, \qquad
    q(t) = \sum_α \Bigl(1 + \frac{t}{2α}\Bigr)^{-α}, \quad
    q^{(n)}(t) = \sum_α \Bigl(1 + \frac{t}{2α}\Bigr)^{-α-n} \prod_{m<n} -\frac{α + m}{2α}

A gradient penalty on the critic differentiates a kernel twice, and its loss a third time. One function per derivative
spares the graph of their pieces: half of a step of MMD GAN.

Reference:
    | Demystifying MMD GANs (Binkowski et al., 2018), https://arxiv.org/abs/1801.01401
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["ALPHAS", "SIGMAS", "Mixture", "mixture"]

SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Widths of the Gaussian mixture."""

ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Exponents of the rational-quadratic mixture."""

Mixture = Literal["gaussian", "rational-quadratic"]


def mixture(squared: Tensor, kind: Mixture) -> Tensor:  # [...] -> [...]
    """The mixture at squared distances, differentiable any number of times.

    Example:
        >>> mixture(torch.zeros(2), "rational-quadratic")
        tensor([5., 5.])
    """
    return _Derivative.apply(squared, kind, 0)  # pyright: ignore[reportReturnType] # typed as Any or None by torch


class _Derivative(torch.autograd.Function):
    """The n-th derivative of a mixture, whose own derivative is the next."""

    @staticmethod
    def forward(ctx: Any, squared: Tensor, kind: Mixture, order: int) -> Tensor:
        """Add the terms up."""
        ctx.save_for_backward(squared)
        ctx.kind, ctx.order = kind, order
        total = torch.zeros_like(squared)
        if kind == "gaussian":
            for sigma in SIGMAS:
                rate = -0.5 / sigma**2
                total.add_(torch.exp(rate * squared), alpha=rate**order)
            return total
        for alpha in ALPHAS:
            factor = 1.0
            for m in range(order):
                factor *= -(alpha + m) / (2 * alpha)
            # exp of a log: several times faster than a power with a broken exponent.
            total.add_(torch.exp(torch.log(1 + squared / (2 * alpha)).mul_(-alpha - order)), alpha=factor)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The chain rule."""
        (squared,) = ctx.saved_tensors
        return gradients[0] * _Derivative.apply(squared, ctx.kind, ctx.order + 1), None, None
