r"""Fully connected pairs, in PyTorch's default initialisation, for samples of any shape (flattened).

=======================  =============================================  ===========
family, player           layers                                         parameters
=======================  =============================================  ===========
``mlp``                  2 - 4 × 400 ReLU - 2                           483,202
\                        2 - 4 × 200 LReLU - 1                          121,401
``stackelberg-mixture``  2 - 16 LReLU - 2 tanh                          82
\                        2 - 512 - 256 LReLU - 1                        133,121
``branch-mixture``       2 - 128 - 256 - 512 - 1024 BN LReLU - 2 tanh   695,938
\                        2 - 512 - 256 LReLU - 1                        133,121
``fc-mnist``             96 - 2 × 1024 ReLU - 784 tanh                  1,952,528
\                        784 - 2 × 256 LReLU 0.01 - 1                   267,009
=======================  =============================================  ===========

The generator is first. The first three are counted at latent 2 on points of the plane, the last at latent
96 on 28×28 images; LReLU is the leaky rectifier, of slope 0.2 unless said, BN batch norm.

References:
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from gantlet.settings import setting

from .layers import MeanProbability, Output, dense, dense_discriminator, dense_generator

__all__ = ["MLP", "BranchMixture", "FullyConnected", "StackelbergMixture"]


@dataclass(frozen=True)
class MLP:
    """Hidden layers of equal width: the 2-D networks of the (α_D, α_G) experiments.

    Example:
        >>> sum(p.numel() for p in MLP().generator(latent=2, shape=(2,)).parameters())
        483202
    """

    g_width: int = setting(400, "width of the generator's hidden layers", low=1)
    g_depth: int = setting(4, "number of the generator's hidden layers", low=0, high=1000)
    d_width: int = setting(200, "width of the discriminator's hidden layers", low=1)
    d_depth: int = setting(4, "number of the discriminator's hidden layers", low=0, high=1000)
    d_slope: float = setting(0.2, "slope of the discriminator's leaky rectifiers below zero", low=0.0)
    output: Output = setting("linear", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Hidden layers with rectifiers."""
        sizes = [latent, *[self.g_width] * self.g_depth, math.prod(shape)]
        return dense_generator(dense(sizes, nn.ReLU), output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Hidden layers with leaky rectifiers, one logit."""
        return dense_discriminator([self.d_width] * self.d_depth, slope=self.d_slope, shape=shape)


@dataclass(frozen=True)
class StackelbergMixture:
    """Small generators that are meant to come in teams, against one wide discriminator.

    With ``g_depth`` above 1 each hidden layer of the generator is twice as wide as the one before it. So the
    two single generators that the paper compares with are ``g_hidden=128`` (2-128-2) and
    ``g_hidden=128, g_depth=4`` (2-128-256-512-1024-2).

    Example:
        >>> sum(p.numel() for p in StackelbergMixture().generator(latent=2, shape=(2,)).parameters())
        82
    """

    g_hidden: int = setting(16, "width of the generator's first hidden layer", low=1)
    g_depth: int = setting(1, "number of the generator's hidden layers, each twice the one before", low=1, high=24)
    d_hidden: int = setting(512, "width of the discriminator's first hidden layer; the second has half", low=2)
    d_paths: int = setting(1, "discriminators side by side, whose probabilities are averaged", low=1, high=1000)
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Hidden layers with leaky rectifiers."""
        sizes = [latent, *(self.g_hidden * 2**i for i in range(self.g_depth)), math.prod(shape)]
        return dense_generator(dense(sizes, _leaky), output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Two hidden layers with leaky rectifiers, one logit; or the logit of several such paths' mean probability."""
        paths = [
            dense_discriminator([self.d_hidden, self.d_hidden // 2], slope=0.2, shape=shape)
            for _ in range(self.d_paths)
        ]
        return paths[0] if self.d_paths == 1 else MeanProbability(paths)


@dataclass(frozen=True)
class BranchMixture:
    """One path of the multi-branch baseline: four widening layers, batch norm in all but the first.

    Published code passed 0.8 as batch norm's eps, where a momentum was meant; ``bn_eps=0.8``
    repeats it.

    Example:
        >>> sum(p.numel() for p in BranchMixture().generator(latent=2, shape=(2,)).parameters())
        695938
    """

    g_hidden: int = setting(128, "width of the generator's first hidden layer; each next one doubles", low=1)
    d_hidden: int = setting(512, "width of the discriminator's first hidden layer; the second has half", low=2)
    bn_eps: float = setting(1e-5, "what batch norm adds to a variance", above=0.0)
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # only the generator has batch norm

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Linear, then three times linear with batch norm, leaky rectifiers after each."""
        widths = [self.g_hidden * 2**i for i in range(4)]
        body: list[nn.Module] = [nn.Linear(latent, widths[0]), _leaky()]
        for before, after in pairwise(widths):
            body += [nn.Linear(before, after), nn.BatchNorm1d(after, eps=self.bn_eps, momentum=0.1), _leaky()]
        body.append(nn.Linear(widths[-1], math.prod(shape)))
        return dense_generator(body, output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Two hidden layers with leaky rectifiers, one logit."""
        return dense_discriminator([self.d_hidden, self.d_hidden // 2], slope=0.2, shape=shape)


@dataclass(frozen=True)
class FullyConnected:
    """The fully connected pair of the MNIST comparison notebooks.

    Example:
        >>> sum(p.numel() for p in FullyConnected().discriminator(shape=(1, 28, 28)).parameters())
        267009
    """

    g_width: int = setting(1024, "width of the generator's two hidden layers", low=1)
    d_width: int = setting(256, "width of the discriminator's two hidden layers", low=1)
    d_slope: float = setting(0.01, "slope of the discriminator's leaky rectifiers below zero", low=0.0)
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Two hidden layers with rectifiers."""
        sizes = [latent, self.g_width, self.g_width, math.prod(shape)]
        return dense_generator(dense(sizes, nn.ReLU), output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Two hidden layers with leaky rectifiers, one logit."""
        return dense_discriminator([self.d_width, self.d_width], slope=self.d_slope, shape=shape)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
