"""A small convolutional pair for images of 28×28 pixels, after DCGAN.

The discriminator has 4×4 convolutions of stride 2 (28 → 14 → 7) with leaky rectifiers of slope 0.2; the
generator has transposed ones (7 → 14 → 28) with rectifiers, and ends in tanh. There is no normalisation at
the generator's output or at the discriminator's input; weights are from N(0, 0.02²), biases 0, gains 1.

Differs from the paper in: two scales instead of four, a linear head, and the choice of the normalisation
(``layer`` is over all of a sample's channels and pixels, with a gain and a bias per channel).

Reference:
    | Unsupervised representation learning with deep convolutional generative adversarial networks
      (Radford et al., 2016), https://arxiv.org/abs/1511.06434

Legend: ``B`` batch, ``C`` colour channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from gantlet.settings import setting

from .layers import Norm, Score, discriminator_norm, initialised, normal, normalisation, square_image

__all__ = ["DCGAN28"]


@dataclass(frozen=True)
class DCGAN28:
    """A DCGAN of two scales.

    Example:
        >>> import torch
        >>> family = DCGAN28(width=8)
        >>> family.generator(latent=16, shape=(1, 28, 28))(torch.zeros(2, 16)).shape
        torch.Size([2, 1, 28, 28])
    """

    width: int = setting(32, "channels at 14×14 pixels; there are twice as many at 7×7", low=1)
    d_norm: Norm = discriminator_norm()
    g_norm: Literal["batch", "none"] = setting("batch", "the generator's normalisation", choices=("batch", "none"))

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless the discriminator has batch norm."""
        return frozenset() if self.d_norm == "batch" else frozenset({"no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, 28, 28]
        """Linear to 7×7, then two transposed convolutions.

        Raises:
            Refused: Samples that are not 28×28 images.
        """
        channels, deep, norm = _channels(shape), 2 * self.width, self.g_norm
        layers = [
            nn.Linear(latent, deep * 7 * 7, bias=norm == "none"),
            nn.Unflatten(-1, (deep, 7, 7)),
            *normalisation(norm, deep),
            nn.ReLU(),
            nn.ConvTranspose2d(deep, self.width, 4, stride=2, padding=1, bias=norm == "none"),
            *normalisation(norm, self.width),
            nn.ReLU(),
            nn.ConvTranspose2d(self.width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        ]
        return nn.Sequential(*initialised(layers, normal(0.02)))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, 28, 28] -> [B]
        """Two convolutions, then linear to one score.

        Raises:
            Refused: Samples that are not 28×28 images.
        """
        channels, deep, norm = _channels(shape), 2 * self.width, self.d_norm
        layers = [
            nn.Conv2d(channels, self.width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(self.width, deep, 4, stride=2, padding=1, bias=norm == "none"),
            *normalisation(norm, deep),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(deep * 7 * 7, 1),
            Score(),
        ]
        return nn.Sequential(*initialised(layers, normal(0.02)))


def _channels(shape: tuple[int, ...]) -> int:
    return square_image("dcgan28", shape, fits=lambda side: side == 28, sides="of 28 pixels")[0]
