r"""Teams of generators against one discriminator that may also tell the generators apart (Stackelberg GAN).

===========================================================  ===================  ===========
player                                                       at                   parameters
===========================================================  ===================  ===========
MNIST generator: 128, 512 (BN), 784 tanh                     latent 100           482,448
Fashion generator: 128, then 256, 512, 1024 (BN), 784 tanh   latent 2             1,497,488
their discriminator: 784 - 512 - 256 - heads 1 and K         K = 10               536,075
CIFAR generator, two scales: 8·8·256 - 128 - 3 tanh          latent 100, 32×32×3  2,483,715
CIFAR discriminator: 3 - 128 - 256 - 512 - heads 1 and K     K = 10, 32×32×3      4,198,411
===========================================================  ===================  ===========

BN is batch norm, before the activation. The generators of CIFAR have rectifiers, all else leaky ones of slope 0.2.
Convolutions are 5×5 with stride 2 and TensorFlow's padding ``SAME``; the CIFAR discriminator has batch norm after each
of them. The second head, of K logits for "which generator made it", is there for teams only (K > 1).

Differs from the published code in: batch norm's eps is 1e-5 (the code has 0.8, where a momentum was meant;
``bn_eps=0.8`` repeats it), the second head has as many logits as there are generators (the code always 10).

References:
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010
    | MGAN: training generative adversarial nets with multiple generators (Hoang et al., 2018),
      https://openreview.net/forum?id=rkmu5b0a-

Legend: ``B`` batch, ``K`` generators, ``C`` colour channels, ``n`` pixels of an image's side, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import nn

from gantlet.settings import setting

from .layers import (
    Norm,
    Output,
    dense_generator,
    discriminator_norm,
    heads,
    initialised,
    normal,
    normalisation,
    square_image,
)
from .same_padding import same_convolution, same_deconvolution

__all__ = ["StackelbergCIFAR", "StackelbergFashion", "StackelbergMNIST"]

# TensorFlow's truncated normal: values beyond two deviations are drawn again.
_TRUNCATED = partial(nn.init.trunc_normal_, std=0.02, a=-0.04, b=0.04)


@dataclass(frozen=True)
class StackelbergMNIST:
    """One generator of the MNIST team, and the team's discriminator, in PyTorch's default initialisation.

    Example:
        >>> sum(p.numel() for p in StackelbergMNIST().generator(latent=100, shape=(1, 28, 28)).parameters())
        482448
    """

    g_hidden: int = setting(
        128, "width of the generator's first hidden layer; the second has four times as much", low=1
    )
    d_hidden: int = setting(512, "width of the discriminator's first hidden layer; the second has half", low=2)
    bn_eps: float = setting(1e-5, "what batch norm adds to a variance", above=0.0)
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # only the generator has batch norm

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Two hidden layers, both with batch norm."""
        body = _widening([latent, self.g_hidden, 4 * self.g_hidden], eps=self.bn_eps, first=True)
        return dense_generator([*body, nn.Linear(4 * self.g_hidden, math.prod(shape))], output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Two hidden layers; an output with ``generator_logits`` ``[B, K]`` for a team."""
        return _team_discriminator(self.d_hidden, shape=shape, generators=generators)


@dataclass(frozen=True)
class StackelbergFashion:
    """One generator of the Fashion-MNIST team, and the team's discriminator, in PyTorch's default initialisation.

    Example:
        >>> sum(p.numel() for p in StackelbergFashion().generator(latent=2, shape=(1, 28, 28)).parameters())
        1497488
    """

    g_hidden: int = setting(128, "width of the generator's first hidden layer; each next one doubles", low=1)
    d_hidden: int = setting(512, "width of the discriminator's first hidden layer; the second has half", low=2)
    bn_eps: float = setting(1e-5, "what batch norm adds to a variance", above=0.0)
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # only the generator has batch norm

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """Four hidden layers with batch norm in all but the first."""
        widths = [self.g_hidden << layer for layer in range(4)]
        body = _widening([latent, *widths], eps=self.bn_eps, first=False)
        return dense_generator([*body, nn.Linear(widths[-1], math.prod(shape))], output=self.output, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """Two hidden layers; an output with ``generator_logits`` ``[B, K]`` for a team."""
        return _team_discriminator(self.d_hidden, shape=shape, generators=generators)


@dataclass(frozen=True)
class StackelbergCIFAR:
    """One generator of the CIFAR team, and the team's discriminator, for sides divisible by 8 and by the scales.

    Weights start from N(0, 0.02²), in the discriminator's convolutions truncated at two deviations; its heads from
    N(0, 0.01²); biases from 0.

    Example:
        >>> family = StackelbergCIFAR()
        >>> sum(p.numel() for p in family.generator(latent=100, shape=(3, 32, 32)).parameters())
        2483715
    """

    g_layers: int = setting(
        2, "number of the generator's transposed convolutions, each doubles the side", low=1, high=16
    )
    g_width: int = setting(128, "channels before the image; each scale further down has twice as many", low=1)
    d_width: int = setting(128, "channels after the discriminator's first layer; each next one doubles", low=1)
    d_layers: int = setting(3, "number of the discriminator's convolutions, each halves the side", low=1, high=16)
    d_norm: Norm = discriminator_norm()

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless the discriminator has batch norm."""
        return frozenset() if self.d_norm == "batch" else frozenset({"no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, n, n]
        """Linear, then transposed convolutions, with rectifiers between and no normalisation.

        Raises:
            Refused: Samples whose side is not divisible by 8, or by 2 to the power of ``g_layers``.
        """
        channels, side = self._image(shape)
        base = side >> self.g_layers
        widths = [self.g_width << scale for scale in reversed(range(self.g_layers))]
        layers = [nn.Linear(latent, widths[0] * base**2), nn.Unflatten(-1, (widths[0], base, base))]
        for pair in pairwise([*widths, channels]):
            layers += [nn.ReLU(), *same_deconvolution(pair, kernel=5)]
        return nn.Sequential(*initialised([*layers, nn.Tanh()], normal(0.02)))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, n, n] -> [B]
        """``d_layers`` convolutions; an output with ``generator_logits`` ``[B, K]`` for a team.

        Raises:
            Refused: Samples whose side is not divisible by 8, or by 2 to the power of ``g_layers`` or ``d_layers``.
        """
        channels, side = self._image(shape)
        widths = [self.d_width << scale for scale in range(self.d_layers)]
        layers: list[nn.Module] = []
        for pair in pairwise([channels, *widths]):
            layers += [*same_convolution(pair, kernel=5), *normalisation(self.d_norm, pair[1]), nn.LeakyReLU(0.2)]
        last = heads(widths[-1] * (side >> self.d_layers) ** 2, generators=generators)
        return nn.Sequential(*initialised(layers, _TRUNCATED), nn.Flatten(), *initialised(last, normal(0.01)))

    def _image(self, shape: tuple[int, ...]) -> tuple[int, int]:
        unit = 1 << max(3, self.g_layers, self.d_layers)
        return square_image(
            "stackelberg-cifar", shape, fits=lambda side: side % unit == 0, sides=f"divisible by {unit}"
        )


def _widening(sizes: list[int], *, eps: float, first: bool) -> list[nn.Module]:
    """Linear layers with batch norm (in the first one if ``first``) and leaky rectifiers."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(sizes)):
        norm = [nn.BatchNorm1d(after, eps=eps, momentum=0.1)] if first or index else []
        layers += [nn.Linear(before, after), *norm, nn.LeakyReLU(0.2)]
    return layers


def _team_discriminator(hidden: int, *, shape: tuple[int, ...], generators: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden, hidden // 2),
        nn.LeakyReLU(0.2),
        *heads(hidden // 2, generators=generators),
    )
