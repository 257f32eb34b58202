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

from gantlet.errors import Refused
from gantlet.settings import setting

from .layers import Score

__all__ = ["DCGAN28"]

_Norm = Literal["batch", "none", "layer"]


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
    d_norm: _Norm = setting(
        "batch",
        "the discriminator's normalisation (none or layer for gradient penalties)",
        choices=("batch", "none", "layer"),
    )
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
        return _initialised(
            nn.Linear(latent, deep * 7 * 7, bias=norm == "none"),
            nn.Unflatten(-1, (deep, 7, 7)),
            *_normed(norm, deep),
            nn.ReLU(),
            nn.ConvTranspose2d(deep, self.width, 4, stride=2, padding=1, bias=norm == "none"),
            *_normed(norm, self.width),
            nn.ReLU(),
            nn.ConvTranspose2d(self.width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, 28, 28] -> [B]
        """Two convolutions, then linear to one score.

        Raises:
            Refused: Samples that are not 28×28 images.
        """
        channels, deep, norm = _channels(shape), 2 * self.width, self.d_norm
        return _initialised(
            nn.Conv2d(channels, self.width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(self.width, deep, 4, stride=2, padding=1, bias=norm == "none"),
            *_normed(norm, deep),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(deep * 7 * 7, 1),
            Score(),
        )


def _channels(shape: tuple[int, ...]) -> int:
    if len(shape) != 3 or shape[1:] != (28, 28):
        sample_size = "×".join(str(size) for size in shape)
        raise Refused(
            f"The network 'dcgan28' is made for images of channels×28×28, but a sample has the shape {sample_size}: "
            f"choose a network for that shape, such as 'fc-mnist'."
        )
    return shape[0]


def _normed(norm: _Norm, channels: int) -> list[nn.Module]:
    kinds: dict[_Norm, list[nn.Module]] = {
        "batch": [nn.BatchNorm2d(channels)],
        "layer": [nn.GroupNorm(1, channels)],
        "none": [],
    }
    return kinds[norm]


def _initialised(*layers: nn.Module) -> nn.Sequential:
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
