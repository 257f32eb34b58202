"""EBGAN's convolutional pair: a DCGAN generator against an auto-encoder.

===============  ==========================================================================  ==========
player           layers                                                                      parameters
===============  ==========================================================================  ==========
generator        FC - 4×4×1024 ReLU; to 512, 256, 128 BN ReLU; to 3 tanh                     12,672,771
encoder          64 LReLU; 128 BN LReLU; 256 BN LReLU: the code, 8×8×256                     1,318,083
decoder          to 128 BN LReLU; to 64 BN LReLU; to 3 linear                                (both)
===============  ==========================================================================  ==========

Counted at latent 100 on 64×64×3. All convolutions are 4×4 of stride 2, transposed ones on the way up; LReLU is the
leaky rectifier of slope 0.2, BN batch norm. Weights are Xavier's, biases zero.

Differs from the paper in: sizes other than 64 (an image halves until it has 4 to 7 pixels; the auto-encoder has three
scales at most), and ``d_norm=none``, for penalties that need each sample scored alone. The paper does not give an
initialisation; the widely copied TensorFlow version moves running statistics by 0.01 a step, here by 0.1.

Reference:
    | Energy-based generative adversarial network (Zhao et al., 2017), https://arxiv.org/abs/1609.03126

Legend: ``B`` batch, ``C`` colour channels, ``H``, ``W`` sides, ``d`` features of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from gantlet.settings import setting

from .autoencoders import AutoEncoder, Energy
from .layers import Output, initialised, normalisation
from .scales import scales_of

__all__ = ["EBGAN"]

_Norm = Literal["batch", "none"]


@dataclass(frozen=True)
class EBGAN:
    """The pair of the energy-based GAN.

    Example:
        >>> import torch
        >>> discriminator = EBGAN(width=2).discriminator(shape=(1, 28, 28))
        >>> discriminator(torch.zeros(3, 1, 28, 28)).code.shape  # 4 channels of 7×7
        torch.Size([3, 196])
    """

    width: int = setting(64, "channels after the auto-encoder's first convolution; each next one doubles", low=1)
    energy: Energy = setting("l2", "how a residual becomes the score", choices=("l2", "l1", "mse"))
    d_norm: _Norm = setting(
        "batch", "the auto-encoder's normalisation (none for gradient penalties)", choices=("batch", "none")
    )
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))

    @property
    def provides(self) -> frozenset[str]:
        """``autoencoder``, and ``no_batch_statistics`` unless it has batch norm."""
        return frozenset({"autoencoder"} if self.d_norm == "batch" else {"autoencoder", "no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, H, W]
        """Linear to the base, then one transposed convolution per scale, half the channels each time.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels.
        """
        scales = scales_of(shape, name="ebgan")
        widths = [self.width * 2**i for i in range(scales.count, 0, -1)]
        layers: list[nn.Module] = [
            nn.Linear(latent, widths[0] * scales.pixels),
            nn.Unflatten(-1, (widths[0], *scales.base)),
            nn.ReLU(),
        ]
        for before, after in pairwise(widths):
            layers += [_up(before, after, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        bound = [nn.Tanh()] if self.output == "tanh" else []
        layers += [_up(widths[-1], scales.channels), *bound]
        return nn.Sequential(*initialised(layers, nn.init.xavier_uniform_))

    def discriminator(
        self, *, shape: tuple[int, ...], generators: int = 1
    ) -> nn.Module:  # [B, C, H, W] -> DiscriminatorOutput [B], code [B, d]
        """Up to three convolutions to the code and as many transposed ones back.

        Raises:
            Refused: Samples whose sides do not halve to at least 4 pixels.
        """
        scales = scales_of(shape, name="ebgan", most=3)
        widths = [self.width * 2**i for i in range(scales.count)]
        down: list[nn.Module] = [_down(scales.channels, widths[0]), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            down += [_down(before, after, bias=self.d_norm == "none"), *normalisation(self.d_norm, after)]
            down.append(nn.LeakyReLU(0.2))
        up: list[nn.Module] = []
        for before, after in pairwise(reversed(widths)):
            up += [_up(before, after, bias=self.d_norm == "none"), *normalisation(self.d_norm, after)]
            up.append(nn.LeakyReLU(0.2))
        up.append(_up(widths[0], scales.channels))
        encoder, decoder = (nn.Sequential(*initialised(layers, nn.init.xavier_uniform_)) for layers in (down, up))
        return AutoEncoder(encoder, decoder, kind=self.energy, features=widths[-1] * scales.pixels)


def _down(inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)


def _up(inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
