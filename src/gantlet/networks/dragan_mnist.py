r"""The smallest pair of the DRAGAN notebooks: one hidden layer each.

=============  ====================  ==========
player         layers                parameters
=============  ====================  ==========
generator      100 - 128 ReLU - 784  114,064
discriminator  784 - 128 ReLU - 1    100,609
=============  ====================  ==========

Weights start from :math:`N(0, 2 / \text{fan in})`, biases from 0.

Differs from the notebook in: its images are in (0, 1) and its generator ends in a sigmoid :math:`\sigma`. Images here
are in (-1, 1), so ``output=sigmoid`` is :math:`2 \sigma(x) - 1 = \tanh(x / 2)`; the default is :math:`\tanh x`.

Reference:
    | On convergence and stability of GANs (Kodali et al., 2017), https://arxiv.org/abs/1705.07215

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from gantlet.settings import setting

from .layers import Score, dense, initialised

__all__ = ["DRAGANMNIST", "ScaledSigmoid"]

# Deviation gain / √(fan in), and the rectifier's gain is √2.
_BY_INPUTS = partial(nn.init.kaiming_normal_, mode="fan_in", nonlinearity="relu")


class ScaledSigmoid(nn.Module):
    """The logistic function, stretched from (0, 1) to (-1, 1).

    Example:
        >>> ScaledSigmoid()(torch.zeros(1))
        tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:  # [B, *x] -> [B, *x]
        """2σ(x) - 1, as tanh(x / 2)."""
        return torch.tanh(x / 2)


_ENDS: dict[str, list[type[nn.Module]]] = {"linear": [], "tanh": [nn.Tanh], "sigmoid": [ScaledSigmoid]}


@dataclass(frozen=True)
class DRAGANMNIST:
    """The pair with one hidden layer each, for samples of any shape (flattened).

    Example:
        >>> sum(p.numel() for p in DRAGANMNIST().generator(latent=100, shape=(1, 28, 28)).parameters())
        114064
    """

    hidden: int = setting(128, "width of both players' hidden layer", low=1)
    output: Literal["linear", "tanh", "sigmoid"] = setting(
        "tanh", "how the generator ends; sigmoid is scaled to (-1, 1)", choices=("linear", "tanh", "sigmoid")
    )
    provides = frozenset({"no_batch_statistics"})  # no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """One hidden layer with rectifiers."""
        body = initialised(dense([latent, self.hidden, math.prod(shape)], nn.ReLU), _BY_INPUTS)
        return nn.Sequential(*body, *(end() for end in _ENDS[self.output]), nn.Unflatten(-1, shape))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """One hidden layer with rectifiers, one logit."""
        body = initialised(dense([math.prod(shape), self.hidden, 1], nn.ReLU), _BY_INPUTS)
        return nn.Sequential(nn.Flatten(), *body, Score())
