r"""Convolutional pairs of widely read MNIST notebooks: one with max pooling, one critic with strides.

====================  =======================================================================  ==========
player                layers for 28×28×1                                                       parameters
====================  =======================================================================  ==========
generator of both     latent 96 - 1024 BN - 7·7·128 BN, then 4×4 ↑2: 64 BN, 1 tanh             6,675,009
``notebook-conv``     5×5: 32, pool, 64, pool, then linear 1024 - 1024 - 1                     1,102,721
``notebook-critic``   4×4 ↓2: 64, 128 BN, then linear 3200 - 1024 - 1, with ``d_norm=batch``   3,411,393
====================  =======================================================================  ==========

↑2 and ↓2 are stride 2, BN is batch norm *after* the rectifier. Discriminators have leaky rectifiers of slope 0.01 and
no padding; ``pool`` takes the largest of 2×2 pixels.

Differs from the notebooks in: the critic has no batch norm unless ``d_norm`` says otherwise, since its
gradient penalty is taken sample by sample. (Its batch norm was never in training mode there, which left a gain and a
bias per channel; with ``batch`` it is.)

References:
    | InfoGAN (Chen et al., 2016), https://arxiv.org/abs/1606.03657
    | Improved training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028

Legend: ``B`` batch, ``C`` colour channels, ``n`` pixels of an image's side.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gantlet.settings import setting

from .layers import Norm, Score, discriminator_norm, initialised, normalisation, square_image

__all__ = ["NotebookConv", "NotebookCritic"]


@dataclass(frozen=True)
class NotebookConv:
    """The pair with max pooling, for sides divisible by 4 of at least 16 pixels.

    Weights of linear layers and transposed convolutions start from Xavier's uniform with biases 0, those of the
    discriminator's convolutions as PyTorch has it.

    Example:
        >>> family = NotebookConv()
        >>> sum(p.numel() for p in family.discriminator(shape=(1, 28, 28)).parameters())
        1102721
    """

    g_width: int = setting(64, "channels before the image; there are twice as many at a quarter of the side", low=1)
    d_width: int = setting(32, "channels after the discriminator's first layer; the second has twice as many", low=1)
    hidden: int = setting(1024, "width of both players' hidden linear layer", low=1)
    provides = frozenset({"no_batch_statistics"})  # only the generator has batch norm

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, n, n]
        """Two linear layers, then two transposed convolutions.

        Raises:
            Refused: Samples whose side is not divisible by 4, or less than 16.
        """
        return _generator("notebook-conv", latent=latent, hidden=self.hidden, width=self.g_width, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, n, n] -> [B]
        """Two convolutions, each before a maximum over 2×2 pixels, then two linear layers.

        Raises:
            Refused: Samples whose side is not divisible by 4, or less than 16.
        """
        channels, side = _image("notebook-conv", shape)
        features = 2 * self.d_width * (side // 4 - 3) ** 2  # a 5×5 kernel costs 4 pixels: ((n - 4)/2 - 4)/2
        convolutions = [
            nn.Conv2d(channels, self.d_width, 5),
            nn.LeakyReLU(0.01),
            nn.MaxPool2d(2),
            nn.Conv2d(self.d_width, 2 * self.d_width, 5),
            nn.LeakyReLU(0.01),
            nn.MaxPool2d(2),
        ]
        layers = [nn.Linear(features, self.hidden), nn.LeakyReLU(0.01), nn.Linear(self.hidden, 1), Score()]
        return nn.Sequential(*convolutions, nn.Flatten(), *initialised(layers, nn.init.xavier_uniform_))


@dataclass(frozen=True)
class NotebookCritic:
    """The pair with the strided critic, for sides divisible by 4 of at least 16 pixels.

    All weights start from Xavier's uniform, biases from 0.

    Example:
        >>> family = NotebookCritic(d_norm="batch")
        >>> sum(p.numel() for p in family.discriminator(shape=(1, 28, 28)).parameters())
        3411393
    """

    g_width: int = setting(64, "channels before the image; there are twice as many at a quarter of the side", low=1)
    d_width: int = setting(64, "channels after the critic's first layer; the second has twice as many", low=1)
    hidden: int = setting(1024, "width of both players' hidden linear layer", low=1)
    d_norm: Norm = discriminator_norm("none")

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless the critic has batch norm."""
        return frozenset() if self.d_norm == "batch" else frozenset({"no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, n, n]
        """Two linear layers, then two transposed convolutions.

        Raises:
            Refused: Samples whose side is not divisible by 4, or less than 16.
        """
        return _generator("notebook-critic", latent=latent, hidden=self.hidden, width=self.g_width, shape=shape)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, n, n] -> [B]
        """Two convolutions of stride 2, then two linear layers.

        Raises:
            Refused: Samples whose side is not divisible by 4, or less than 16.
        """
        channels, side = _image("notebook-critic", shape)
        deep, left = 2 * self.d_width, side // 4 - 2  # 2m pixels leave m - 1, and those (m - 1 odd) leave m/2 - 2
        layers = [
            nn.Conv2d(channels, self.d_width, 4, stride=2),
            nn.LeakyReLU(0.01),
            nn.Conv2d(self.d_width, deep, 4, stride=2),
            nn.LeakyReLU(0.01),
            *normalisation(self.d_norm, deep),
            nn.Flatten(),
            nn.Linear(deep * left**2, self.hidden),
            nn.LeakyReLU(0.01),
            nn.Linear(self.hidden, 1),
            Score(),
        ]
        return nn.Sequential(*initialised(layers, nn.init.xavier_uniform_))


def _generator(network: str, *, latent: int, hidden: int, width: int, shape: tuple[int, ...]) -> nn.Sequential:
    channels, side = _image(network, shape)
    deep, base = 2 * width, side // 4
    layers = [
        nn.Linear(latent, hidden),
        nn.ReLU(),
        nn.BatchNorm1d(hidden),
        nn.Linear(hidden, deep * base**2),
        nn.ReLU(),
        nn.BatchNorm1d(deep * base**2),
        nn.Unflatten(-1, (deep, base, base)),
        nn.ConvTranspose2d(deep, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(width),
        nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    ]
    return nn.Sequential(*initialised(layers, nn.init.xavier_uniform_))


def _image(network: str, shape: tuple[int, ...]) -> tuple[int, int]:
    return square_image(
        network, shape, fits=lambda side: side % 4 == 0 and side >= 16, sides="divisible by 4, of 16 pixels or more"
    )
