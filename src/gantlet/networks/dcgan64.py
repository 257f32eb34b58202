r"""DCGAN, at any number of scales: strided convolutions down to a base of 4 to 7 pixels, and back.

===========================================================================  ==========
64×64×3: player, settings                                                    parameters
===========================================================================  ==========
generator, latent 100: 4·4·1024 - 512 - 256 - 128 - 3, ``first_norm=false``  18,869,379
the same with ``g_norm=none`` (DRAGAN)                                       18,868,483
the same with ``kernel_size=4, first_norm=false`` (EBGAN)                    12,672,771
the same with latent 32 and ``first_norm=false`` (CoulombGAN)                17,755,267
discriminator: 3 - 64 - 128 - 256 - 512 - 1 (also WGAN, LSGAN)               4,315,649
the same with ``d_norm=none`` (DRAGAN, WGAN-GP)                              4,314,753
the same with ``d_width=128`` (CoulombGAN)                                   17,232,897
===========================================================================  ==========

All kernels have stride 2 and TensorFlow's padding ``SAME`` (see :mod:`gantlet.networks.same_padding`). Rectifiers in the
generator, leaky ones of slope 0.2 in the discriminator, tanh at the end. A layer with batch norm has no bias of its
own; the discriminator's first layer and both last layers are not normalised.

Differs from the paper in: ``d_norm=layer`` or ``none`` where a penalty needs gradients per sample, and the number of
scales follows the image. The widely copied TensorFlow version has ``first_norm=false, init=xavier``; its running
statistics move by 0.01 a step, here by 0.1.

References:
    | Unsupervised representation learning with deep convolutional generative adversarial networks
      (Radford et al., 2016), https://arxiv.org/abs/1511.06434
    | Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875
    | Coulomb GANs (Unterthiner et al., 2018), https://arxiv.org/abs/1708.08819

Legend: ``B`` batch, ``C`` colour channels, ``h`` x ``w`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from gantlet.settings import setting

from .layers import Initialiser, Norm, Score, discriminator_norm, initialised, normal, normalisation
from .same_padding import same_convolution, same_deconvolution
from .scales import scales_of

__all__ = ["DCGAN", "INITIALISERS", "Init", "strided_discriminator"]

Init = Literal["normal", "xavier", "default"]

INITIALISERS: dict[Init, Initialiser | None] = {
    "normal": normal(0.02),
    "xavier": nn.init.xavier_uniform_,
    "default": None,
}
"""How weights start: from N(0, 0.02²), or uniform in ±√(6 / (fan in + fan out)). Biases are 0."""


@dataclass(frozen=True)
class DCGAN:
    """The generator and the discriminator of DCGAN, for sides of 8, 10, 12, 14, 16, 20, 24, 28, 32, … pixels.

    Below 16 pixels there is one scale, and in the discriminator nothing to normalise.

    Example:
        >>> import torch
        >>> family = DCGAN(width=2)
        >>> family.generator(latent=3, shape=(1, 48, 48))(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 48, 48])
    """

    width: int = setting(64, "channels after the discriminator's first layer; half of those before the image", low=1)
    d_width: int = setting(0, "the discriminator's own width; 0 for the generator's", low=0)
    kernel_size: int = setting(5, "side of all kernels in pixels", low=2)
    g_norm: Literal["batch", "none"] = setting("batch", "the generator's normalisation", choices=("batch", "none"))
    first_norm: bool = setting(True, "whether the generator's first layer is normalised, too")
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

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, h, w]
        """Linear to the base, then twice as many pixels and half as many channels at each scale.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels.
        """
        scales = scales_of(shape, name="dcgan")
        widths = [self.width << scale for scale in range(scales.count, 0, -1)]
        first = self.g_norm if self.first_norm else "none"
        layers: list[nn.Module] = [
            nn.Linear(latent, widths[0] * scales.pixels, bias=first == "none"),
            nn.Unflatten(-1, (widths[0], *scales.base)),
            *normalisation(first, widths[0]),
            nn.ReLU(),
        ]
        for pair in pairwise(widths):
            layers += same_deconvolution(pair, kernel=self.kernel_size, bias=self.g_norm == "none")
            layers += [*normalisation(self.g_norm, pair[1]), nn.ReLU()]
        layers += [*same_deconvolution((widths[-1], scales.channels), kernel=self.kernel_size), nn.Tanh()]
        return nn.Sequential(*initialised(layers, INITIALISERS[self.init]))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, h, w] -> [B]
        """Half as many pixels and twice as many channels at each scale, then linear to one score.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels.
        """
        scales = scales_of(shape, name="dcgan")
        widths = [scales.channels, *((self.d_width or self.width) << scale for scale in range(scales.count))]
        layers = strided_discriminator(widths, kernel=self.kernel_size, norm=self.d_norm, pixels=scales.pixels)
        return nn.Sequential(*initialised(layers, INITIALISERS[self.init]))


def strided_discriminator(
    widths: list[int], *, kernel: int, norm: Norm, pixels: int
) -> list[nn.Module]:  # [B, C, h, w] -> [B]
    """Convolutions of stride 2 from each width (the image's channels first) to the next, then linear to one score.

    The first convolution is not normalised and has a bias; ``pixels`` are left at the end.
    """
    layers: list[nn.Module] = []
    for scale, pair in enumerate(pairwise(widths)):
        kind = "none" if scale == 0 else norm
        layers += same_convolution(pair, kernel=kernel, bias=kind == "none")
        layers += [*normalisation(kind, pair[1]), nn.LeakyReLU(0.2)]
    return [*layers, nn.Flatten(), nn.Linear(widths[-1] * pixels, 1), Score()]
