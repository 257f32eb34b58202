r"""The networks of LSGAN: a generator with two transposed convolutions a scale, and DCGAN's discriminator.

=============  =======================================================================  ==========
player         layers for 64×64×3                                                       parameters
=============  =======================================================================  ==========
generator      linear to 4·4·256, then 3×3: 256 ↑2, 256, 256 ↑2, 256, 128 ↑2, 64 ↑2, 3  6,934,595
\              the same at latent 100                                                   3,149,891
discriminator  5×5: 3 - 64 - 128 - 256 - 512, then linear to 1                          4,315,649
=============  =======================================================================  ==========

The first count is at latent 1024, the paper's. Every layer of the generator but the last has batch norm (the linear
one over each of its features) and a rectifier, the last one tanh; ↑2 is stride 2. Padding is TensorFlow's ``SAME``
(see :mod:`gantlet.networks.same_padding`).

Differs from the paper in: sides other than 112 pixels, and the choice of the discriminator's normalisation.

Reference:
    | Least squares generative adversarial networks (Mao et al., 2017), https://arxiv.org/abs/1611.04076

Legend: ``B`` batch, ``C`` colour channels, ``n`` pixels of an image's side.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gantlet.settings import setting

from .dcgan64 import INITIALISERS, Init, strided_discriminator
from .layers import Norm, discriminator_norm, initialised, normalisation, square_image
from .same_padding import same_deconvolution

__all__ = ["LSGAN"]


@dataclass(frozen=True)
class LSGAN:
    """The pair of LSGAN, for sides divisible by 16.

    Example:
        >>> family = LSGAN()
        >>> sum(p.numel() for p in family.generator(latent=100, shape=(3, 64, 64)).parameters())
        3149891
    """

    width: int = setting(64, "channels before the image, and after the discriminator's first layer", low=1)
    d_norm: Norm = discriminator_norm()
    init: Init = setting(
        "normal",
        "how weights start: N(0, 0.02²), Xavier's uniform, or as PyTorch makes them",
        choices=("normal", "xavier", "default"),
    )

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless the discriminator has batch norm."""
        return frozenset() if self.d_norm == "batch" else frozenset({"no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, n, n]
        """Linear to a sixteenth of the side, then four scales.

        Raises:
            Refused: Samples whose side is not divisible by 16.
        """
        channels, base = _base(shape)
        deep = 4 * self.width
        layers: list[nn.Module] = [
            nn.Linear(latent, deep * base**2, bias=False),
            nn.BatchNorm1d(deep * base**2),
            nn.ReLU(),
            nn.Unflatten(-1, (deep, base, base)),
        ]
        steps = [(deep, 2), (deep, 1), (deep, 2), (deep, 1), (2 * self.width, 2), (self.width, 2)]
        before = deep
        for after, stride in steps:
            layers += same_deconvolution((before, after), kernel=3, stride=stride, bias=False)
            layers += [*normalisation("batch", after), nn.ReLU()]
            before = after
        layers += [*same_deconvolution((before, channels), kernel=3, stride=1), nn.Tanh()]
        return nn.Sequential(*initialised(layers, INITIALISERS[self.init]))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, n, n] -> [B]
        """Four convolutions of stride 2, then linear to one score.

        Raises:
            Refused: Samples whose side is not divisible by 16.
        """
        channels, base = _base(shape)
        widths = [channels, *(self.width << scale for scale in range(4))]
        layers = strided_discriminator(widths, kernel=5, norm=self.d_norm, pixels=base**2)
        return nn.Sequential(*initialised(layers, INITIALISERS[self.init]))


def _base(shape: tuple[int, ...]) -> tuple[int, int]:
    channels, side = square_image("lsgan", shape, fits=lambda side: side % 16 == 0, sides="divisible by 16")
    return channels, side // 16
