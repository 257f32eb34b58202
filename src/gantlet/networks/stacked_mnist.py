r"""The narrow 3×3 pair of the Stacked MNIST experiments: few channels, so that modes are easily lost.

=============  ==============================================  ======================================
player         layers for 28×28×3, width w                     parameters at w = 1, 4, 8 (latent 100)
=============  ==============================================  ======================================
generator      latent - 32w - 16w - 8w - 3 (3, 7, 14, 28)      34,888, 208,672 and 601,664
discriminator  3 - 8w - 16w - 32w - 1 (14, 7, 3, 1)            6,360, 94,560 and 373,440
=============  ==============================================  ======================================

In brackets: the side in pixels after each layer.

All kernels are 3×3 with stride 2, without biases; the two next to the image are padded by 1, those next to the latent
or the score are not. Batch norm and rectifiers (in the discriminator leaky ones of slope 0.2) everywhere but at the
image and the score, tanh at the end.

Differs from the published code in: the choice of the discriminator's normalisation (a layer without one has a bias)
and of the colours.

References:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291
    | Unrolled generative adversarial networks (Metz et al., 2017), https://arxiv.org/abs/1611.02163

Legend: ``B`` batch, ``C`` colour channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gantlet.settings import setting

from .dcgan4 import Start, started
from .layers import Norm, Score, discriminator_norm, normalisation, square_image

__all__ = ["StackedMNIST"]


@dataclass(frozen=True)
class StackedMNIST:
    """The pair of Stacked MNIST, for images of 28×28 pixels.

    Example:
        >>> family = StackedMNIST(width=4)
        >>> sum(p.numel() for p in family.generator(latent=100, shape=(3, 28, 28)).parameters())
        208672
    """

    width: int = setting(4, "an eighth of the channels next to the image", low=1)
    g_width: int = setting(0, "the same for the generator alone; 0: width", low=0)
    d_width: int = setting(0, "the same for the discriminator alone; 0: width", low=0)
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

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, 28, 28]
        """Latents as one pixel, then four transposed convolutions.

        Raises:
            Refused: Samples that are not 28×28 images.
        """
        channels = _channels(shape)
        near, middle, deep = ((self.g_width or self.width) * times for times in (8, 16, 32))
        layers = [
            nn.Unflatten(-1, (latent, 1, 1)),
            nn.ConvTranspose2d(latent, deep, 3, stride=2, bias=False),  # 1 -> 3
            nn.BatchNorm2d(deep),
            nn.ReLU(),
            nn.ConvTranspose2d(deep, middle, 3, stride=2, bias=False),  # 3 -> 7
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.ConvTranspose2d(middle, near, 3, stride=2, padding=1, output_padding=1, bias=False),  # 7 -> 14
            nn.BatchNorm2d(near),
            nn.ReLU(),
            nn.ConvTranspose2d(near, channels, 3, stride=2, padding=1, output_padding=1, bias=False),  # 14 -> 28
            nn.Tanh(),
        ]
        return nn.Sequential(*started(layers, self.init))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, 28, 28] -> [B]
        """Four convolutions, the last one to one number.

        Raises:
            Refused: Samples that are not 28×28 images.
        """
        channels, bias = _channels(shape), self.d_norm == "none"
        near, middle, deep = ((self.d_width or self.width) * times for times in (8, 16, 32))
        layers = [
            nn.Conv2d(channels, near, 3, stride=2, padding=1, bias=False),  # 28 -> 14
            nn.LeakyReLU(0.2),
            nn.Conv2d(near, middle, 3, stride=2, padding=1, bias=bias),  # 14 -> 7
            *normalisation(self.d_norm, middle),
            nn.LeakyReLU(0.2),
            nn.Conv2d(middle, deep, 3, stride=2, bias=bias),  # 7 -> 3
            *normalisation(self.d_norm, deep),
            nn.LeakyReLU(0.2),
            nn.Conv2d(deep, 1, 3, stride=2, bias=False),  # 3 -> 1
            nn.Flatten(),
            Score(),
        ]
        return nn.Sequential(*started(layers, self.init))


def _channels(shape: tuple[int, ...]) -> int:
    return square_image("stacked-mnist", shape, fits=lambda side: side == 28, sides="of 28 pixels")[0]
