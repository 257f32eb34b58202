r"""DCGAN with 4×4 kernels and no linear layer, as in the (α_D, α_G)-GAN experiments on photographs.

================  ===========  ====================================================  =========================
images            first, last  the generator's sides                                 parameters (latent 100)
================  ===========  ====================================================  =========================
CelebA, 64×64×3   4×4          1, 4, 8, 16, 32, 64                                   3,576,704 and 2,765,568
LSUN, 112×112×3   7×7          1, 7, 14, 28, 56, 112                                 5,266,304 and 2,782,464
CIFAR, 32×32×3    2×2          1, 2, 4, 8, 16, 32                                    2,962,304 and 2,759,424
================  ===========  ====================================================  =========================

The generator has 512, 256, 128 and 64 channels before the image, the discriminator mirrors it; the kernel that leaves
or reaches one pixel has a sixteenth of the image's side. No layer has a bias. Batch norm and rectifiers (in the
discriminator leaky ones of slope 0.2) everywhere but at the image and the score, tanh at the end.

Differs from the paper's table in: no batch norm after the discriminator's first convolution, as in the published code.
A layer whose normalisation is taken away by ``d_norm=none`` gets a bias instead.

References:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291
    | Unsupervised representation learning with deep convolutional generative adversarial networks
      (Radford et al., 2016), https://arxiv.org/abs/1511.06434

Legend: ``B`` batch, ``C`` colour channels, ``n`` pixels of an image's side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from gantlet.settings import setting

from .layers import Norm, Score, discriminator_norm, initialised, normal, normalisation, square_image

__all__ = ["DCGAN4", "Start", "started"]

Start = Literal["normal", "default", "xavier"]
"""How weights start: as in DCGAN's code, as PyTorch has it, or uniform as Xavier Glorot's."""


@dataclass(frozen=True)
class DCGAN4:
    """The pair of the photographs, for sides divisible by 16.

    Example:
        >>> family = DCGAN4()
        >>> sum(p.numel() for p in family.discriminator(shape=(3, 32, 32)).parameters())
        2759424
    """

    width: int = setting(64, "channels before the image, and after the discriminator's first layer", low=1)
    d_norm: Norm = discriminator_norm()
    init: Start = setting(
        "normal",
        "how weights start: N(0, 0.02²) with gains from N(1, 0.02²), PyTorch's, or Xavier's uniform",
        choices=("normal", "default", "xavier"),
    )

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless the discriminator has batch norm."""
        return frozenset() if self.d_norm == "batch" else frozenset({"no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, n, n]
        """Latents as one pixel, then five transposed convolutions.

        Raises:
            Refused: Samples whose side is not divisible by 16.
        """
        channels, base = _base(shape)
        widths = [self.width << scale for scale in (3, 2, 1, 0)]
        layers: list[nn.Module] = [
            nn.Unflatten(-1, (latent, 1, 1)),
            nn.ConvTranspose2d(latent, widths[0], base, bias=False),
        ]
        for before, after in pairwise([*widths, channels]):
            layers += [nn.BatchNorm2d(before), nn.ReLU()]
            layers.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
        return nn.Sequential(*started([*layers, nn.Tanh()], self.init))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, n, n] -> [B]
        """Five convolutions, the last one to one number.

        Raises:
            Refused: Samples whose side is not divisible by 16.
        """
        channels, base = _base(shape)
        layers: list[nn.Module] = [nn.Conv2d(channels, self.width, 4, stride=2, padding=1, bias=False)]
        layers.append(nn.LeakyReLU(0.2))
        for before, after in pairwise(self.width << scale for scale in range(4)):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=self.d_norm == "none"))
            layers += [*normalisation(self.d_norm, after), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(self.width << 3, 1, base, bias=False), nn.Flatten(), Score()]
        return nn.Sequential(*started(layers, self.init))


def started(layers: Iterable[nn.Module], start: Start) -> list[nn.Module]:
    """The layers as they are, or with Xavier's weights, or with those from N(0, 0.02²) and gains from N(1, 0.02²)."""
    if start == "default":
        return list(layers)
    if start == "xavier":
        return initialised(layers, nn.init.xavier_uniform_)
    drawn = initialised(layers, normal(0.02))
    for layer in drawn:
        if isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(layer.weight, mean=1.0, std=0.02)
    return drawn


def _base(shape: tuple[int, ...]) -> tuple[int, int]:
    channels, side = square_image("dcgan4", shape, fits=lambda side: side % 16 == 0, sides="divisible by 16")
    return channels, side // 16
