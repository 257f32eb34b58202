"""BEGAN's pair: an auto-encoder of plain 3×3 convolutions against a generator that is a second such decoder.

==================  =====================================================================================  ==========
part                layers                                                                                 parameters
==================  =====================================================================================  ==========
encoder             n; n, n, 2n ↓; 2n, 2n, 3n ↓; 3n, 3n, 4n ↓; 4n, 4n, 4n; FC - 64 linear: the code          16,260,800
decoder, generator  FC - 8×8×n linear; [n, n, ↑] three times; n, n; 3 linear                               1,716,611
==================  =====================================================================================  ==========

Counted at n = 128 on 64×64×3. Numbers are channels of 3×3 convolutions followed by ELU; ↓ has stride 2 and pads right
and bottom, ↑ is nearest upsampling. There is no normalisation. Weights are Xavier's, biases zero. The generator's
pixels are not bounded; clip them only where they are shown or evaluated.

Differs from the paper in: sizes other than 64 (an image halves until it has at most 8 pixels), and no vanishing
residuals. The convolutions of stride 2 already have the next scale's channels, as in the code whose results gantlet
compares with.

Reference:
    | BEGAN: boundary equilibrium generative adversarial networks (Berthelot et al., 2017),
      https://arxiv.org/abs/1703.10717

Legend: ``B`` batch, ``C`` colour channels, ``H``, ``W`` sides, ``d`` features of the code.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gantlet.settings import setting

from .autoencoders import AutoEncoder, Energy
from .layers import Output, initialised
from .scales import Scales, scales_of

__all__ = ["BEGAN"]


@dataclass(frozen=True)
class BEGAN:
    """The pair of the boundary equilibrium GAN.

    Example:
        >>> import torch
        >>> discriminator = BEGAN(width=2, code=5).discriminator(shape=(1, 16, 16))
        >>> discriminator(torch.zeros(3, 1, 16, 16)).code.shape
        torch.Size([3, 5])
    """

    width: int = setting(128, "channels n at full size", low=1)
    code: int = setting(64, "dimension of the code; the paper's latent dimension is the same", low=1)
    energy: Energy = setting("l1", "how a residual becomes the score", choices=("l2", "l1", "mse"))
    output: Output = setting("linear", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset(
        {"autoencoder", "no_batch_statistics"}
    )  # an auto-encoder in which no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, H, W]
        """A decoder of the latent.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 8 pixels.
        """
        bound = [nn.Tanh()] if self.output == "tanh" else []
        return nn.Sequential(*self._decoder(latent, _scales(shape)), *bound)

    def discriminator(
        self, *, shape: tuple[int, ...], generators: int = 1
    ) -> nn.Module:  # [B, C, H, W] -> DiscriminatorOutput [B], code [B, d]
        """An encoder and a decoder with weights of its own.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 8 pixels.
        """
        scales = _scales(shape)
        encoder, decoder = nn.Sequential(*self._encoder(scales)), nn.Sequential(*self._decoder(self.code, scales))
        return AutoEncoder(encoder, decoder, kind=self.energy, features=self.code)

    def _encoder(self, scales: Scales) -> list[nn.Module]:
        n, deepest = self.width, self.width * (scales.count + 1)
        layers = _conv(scales.channels, n)
        for i in range(1, scales.count + 1):
            layers += [*_conv(i * n, i * n), *_conv(i * n, i * n), *_conv_down(i * n, (i + 1) * n)]
        layers += [*_conv(deepest, deepest), *_conv(deepest, deepest), *_conv(deepest, deepest)]
        layers += [nn.Flatten(), nn.Linear(deepest * scales.pixels, self.code)]
        return initialised(layers, nn.init.xavier_uniform_)

    def _decoder(self, inputs: int, scales: Scales) -> list[nn.Module]:
        n = self.width
        layers: list[nn.Module] = [nn.Linear(inputs, n * scales.pixels), nn.Unflatten(-1, (n, *scales.base))]
        for _ in range(scales.count):
            layers += [*_conv(n, n), *_conv(n, n), nn.Upsample(scale_factor=2)]
        layers += [*_conv(n, n), *_conv(n, n), nn.Conv2d(n, scales.channels, 3, padding=1)]
        return initialised(layers, nn.init.xavier_uniform_)


def _scales(shape: tuple[int, ...]) -> Scales:
    return scales_of(shape, name="began", until=8)


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU()]


def _conv_down(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(inputs, outputs, 3, stride=2), nn.ELU()]
