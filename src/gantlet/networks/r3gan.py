r"""R3GAN's pair at small sizes: residual, without normalisation, alike for both players.

A block has three convolutions without biases, an inverted bottleneck of twice the channels:

.. math::
    x + W_3\, a\bigl(W_2 * a(W_1 x + b_1) + b_2\bigr), \qquad
    W_1, W_3 \text{ 1×1}, \quad W_2 \text{ 3×3 in groups}, \quad a \text{ the leaky rectifier of slope } 0.2

With no normalisation to hold the sum of L blocks in check, each starts as the identity (:math:`W_3 = 0`), and the m − 1 = 2
other layers of its branch start at He's deviation times :math:`L^{-1/(2m-2)} = L^{-1/4}` (Fixup).

The generator starts from a learned base image, whose channels a linear map of the latent multiplies. The
discriminator ends with one kernel of the base's size per channel and a linear map to the score. Resampling is bilinear:
upwards the weights are (1, 3) / 4, downwards (1, 3, 3, 1) / 8, as their adjoints; where channels change, a 1×1 convolution
is on the coarser side. The generator ends linearly.

Differs from the paper in: small sizes and widths (``width`` channels at full size, doubled per coarser scale up to four
times, where the paper has 96 to 768), other bases (28 pixels start at 7×7), and no conditioning on labels. The paper's
two blocks per scale, its 16 channels in a group and its bottleneck are kept. The paper's objective and penalties are
parts of their own.

References:
    | The GAN is dead; long live the GAN! A modern baseline GAN (Huang et al., 2024), https://arxiv.org/abs/2501.05441
    | Fixup initialization: residual learning without normalization (Zhang et al., 2019), https://arxiv.org/abs/1901.09321

Legend: ``B`` batch, ``C`` colour channels, ``H``, ``W`` sides, ``i``, ``o`` channels in and out, ``h``, ``w`` the base.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gantlet.errors import Refused
from gantlet.settings import setting

from .layers import Output, Score
from .scales import Scales, scales_of

__all__ = ["R3GAN", "FixupBlock"]

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))


@dataclass(frozen=True)
class R3GAN:
    """The modern baseline's architecture.

    Example:
        >>> discriminator = R3GAN(width=8, groups=2).discriminator(shape=(1, 28, 28))
        >>> discriminator(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """

    width: int = setting(32, "channels at full size; each coarser scale doubles them, up to four times", low=1)
    blocks: int = setting(2, "residual blocks per scale", low=1, high=1000)
    groups: int = setting(
        4, "groups of the 3×3 convolutions at full size, which have 2·width channels; more where wider", low=1
    )
    output: Output = setting("linear", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # no layer mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, H, W]
        """The modulated basis, then blocks and upsampling from scale to scale.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels, or groups that do not divide.
        """
        scales, widths = self._widths(shape)
        layers: list[nn.Module] = [_Basis(latent, widths[-1], scales.base), *self._stage(widths, -1)]
        for i in reversed(range(scales.count)):
            layers += [*_convert(widths[i + 1], widths[i]), _Up(), *self._stage(widths, i)]
        bound = [nn.Tanh()] if self.output == "tanh" else []
        return nn.Sequential(*layers, _convolution(self.width, scales.channels, gain=1), *bound)

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, H, W] -> [B]
        """Blocks and downsampling from scale to scale, then the base to one score.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels, or groups that do not divide.
        """
        scales, widths = self._widths(shape)
        layers: list[nn.Module] = [_convolution(scales.channels, self.width, gain=1)]
        for i in range(scales.count):
            layers += [*self._stage(widths, i), _Down(), *_convert(widths[i], widths[i + 1])]
        deepest = widths[-1]
        last = nn.Linear(deepest, 1, bias=False)
        nn.init.kaiming_normal_(last.weight, nonlinearity="linear")
        end = [_depthwise(deepest, scales.base), nn.Flatten(), last, Score()]
        return nn.Sequential(*layers, *self._stage(widths, -1), *end)

    def _widths(self, shape: tuple[int, ...]) -> tuple[Scales, list[int]]:
        if 2 * self.width % self.groups:
            raise Refused(f"r3gan: groups={self.groups} does not divide 2·width={2 * self.width} channels evenly.")
        scales = scales_of(shape, name="r3gan")
        return scales, [self.width * min(4, 2**i) for i in range(scales.count + 1)]

    def _stage(self, widths: list[int], index: int) -> list[nn.Module]:
        width, depth = widths[index], self.blocks * len(widths)
        groups = self.groups * width // self.width
        return [FixupBlock(width, groups=groups, depth=depth) for _ in range(self.blocks)]


class FixupBlock(nn.Module):
    """A residual block that starts as the identity; see the module.

    Arguments:
        channels: Channels that come and go.
        groups: Groups of the 3×3 convolution, which has twice the channels.
        depth: L, how many such blocks the network has.
    """

    def __init__(self, channels: int, *, groups: int, depth: int) -> None:
        super().__init__()
        wide, gain = 2 * channels, _GAIN * depth**-0.25
        self.widen = _convolution(channels, wide, gain=gain, bias=True)
        self.mix = _convolution(wide, wide, kernel=3, groups=groups, gain=gain, bias=True)
        self.narrow = _convolution(wide, channels, gain=0)

    def forward(self, x: Tensor) -> Tensor:  # [B, i, H, W] -> [B, i, H, W]
        """The input plus the branch."""
        wide = functional.leaky_relu(self.mix(functional.leaky_relu(self.widen(x), _SLOPE)), _SLOPE)
        return x + self.narrow(wide)


class _Basis(nn.Module):
    """A learned image whose channels the latent multiplies."""

    def __init__(self, latent: int, channels: int, base: tuple[int, int]) -> None:
        super().__init__()
        self.picture = nn.Parameter(torch.randn(channels, *base))
        self.modulate = nn.Linear(latent, channels, bias=False)
        nn.init.kaiming_normal_(self.modulate.weight, nonlinearity="linear")

    def forward(self, z: Tensor) -> Tensor:  # [B, latent] -> [B, o, h, w]
        return self.modulate(z).unsqueeze(-1).unsqueeze(-1) * self.picture


class _Up(nn.Module):
    """Twice the sides, bilinearly: copies, then (1, 2, 1) / 4, which is two means of neighbours in a row."""

    def forward(self, x: Tensor) -> Tensor:  # [B, i, H, W] -> [B, i, 2H, 2W]
        # Not torch's own bilinear mode, whose gradient on a GPU differs from run to run.
        return _smoothed(functional.interpolate(x, scale_factor=2.0, mode="nearest"), (1, 1))


class _Down(nn.Module):
    """Half the sides: (1, 3, 3, 1) / 8 is three means of neighbours in a row, the last one in steps of two."""

    def forward(self, x: Tensor) -> Tensor:  # [B, i, H, W] -> [B, i, H/2, W/2]
        return _smoothed(x, (1, 1, 2))


def _smoothed(x: Tensor, steps: tuple[int, ...]) -> Tensor:  # [B, i, H, W] -> [B, i, H', W']
    """Means of 2×2 pixels in these steps, with the outermost pixels repeated once."""
    x = torch.cat([x[..., :1, :], x, x[..., -1:, :]], -2)
    x = torch.cat([x[..., :1], x, x[..., -1:]], -1)
    for step in steps:
        x = functional.avg_pool2d(x, 2, step)
    return x


def _convolution(
    inputs: int, outputs: int, *, gain: float, kernel: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """Weights N(0, gain² / fan in), biases zero."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inputs // groups * kernel**2))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _depthwise(channels: int, base: tuple[int, int]) -> nn.Conv2d:
    layer = nn.Conv2d(channels, channels, base, groups=channels, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return layer


def _convert(inputs: int, outputs: int) -> list[nn.Module]:
    return [] if inputs == outputs else [_convolution(inputs, outputs, gain=1)]
