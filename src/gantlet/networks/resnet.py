"""The residual pair of WGAN-GP: one block per scale, pre-activation, no normalisation over the batch in the critic.

=========  =====================================================================================  =====================
player     layers                                                                                 parameters
=========  =====================================================================================  =====================
generator  FC - 4×4×512 linear; blocks up to 512, 256, 128, 64; BN ReLU; to 3 tanh                  8,311,107 (8,540,483)
critic     64 linear; blocks down to 128, 256, 512, 512; FC - 1                                     7,491,841
=========  =====================================================================================  =====================

Counted at latent 100 (128) on 64×64×3. A block is norm, ReLU, conv without bias, norm, ReLU, conv, all 3×3, added to a
1×1 convolution of its input. Upwards it upsamples (nearest) before its first convolution, which also changes the
channels; downwards it takes means of 2×2 pixels after its second, which changes the channels there. The generator's norm
is batch norm; the critic's is layer norm over channels and pixels of a sample, with a gain and a bias per
channel. The blocks' 3×3 weights are He's, all others Xavier's, biases zero.

Differs from the paper in: sizes other than 64 (an image halves until it has 4 to 7 pixels, and has as many blocks; the
channels stay within ``8·width``), and the choice of no normalisation.

Reference:
    | Improved training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028

Legend: ``B`` batch, ``C`` colour channels, ``H``, ``W`` sides, ``i``, ``o`` channels in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from gantlet.settings import setting

from .layers import Output, Score, initialised
from .scales import scales_of

__all__ = ["ResNet", "Resample", "ResidualBlock"]

Resample = Literal["up", "down", "none"]
"""What a block does to the sides: doubles them, halves them, or nothing."""


@dataclass(frozen=True)
class ResNet:
    """The residual generator and critic.

    Example:
        >>> import torch
        >>> ResNet(width=2).discriminator(shape=(1, 28, 28))(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """

    width: int = setting(64, "channels at full size; each coarser scale doubles them, up to eight times", low=1)
    d_norm: Literal["layer", "none"] = setting("layer", "the critic's normalisation", choices=("layer", "none"))
    g_norm: Literal["batch", "none"] = setting("batch", "the generator's normalisation", choices=("batch", "none"))
    output: Output = setting("tanh", "how the generator ends", choices=("linear", "tanh"))
    provides = frozenset({"no_batch_statistics"})  # no layer of the critic mixes the samples of a batch

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, C, H, W]
        """Linear to the base, then one block per scale.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels.
        """
        scales = scales_of(shape, name="wgan-gp-resnet")
        outputs = [self.width * min(8, 2**i) for i in reversed(range(scales.count))]
        norm = nn.BatchNorm2d if self.g_norm == "batch" else nn.Identity
        start = [nn.Linear(latent, outputs[0] * scales.pixels), nn.Unflatten(-1, (outputs[0], *scales.base))]
        blocks = [ResidualBlock(i, o, resample="up", norm=norm) for i, o in pairwise([outputs[0], *outputs])]
        end = [norm(self.width), nn.ReLU(), nn.Conv2d(self.width, scales.channels, 3, padding=1)]
        bound = [nn.Tanh()] if self.output == "tanh" else []
        return _initialised([*start, *blocks, *end, *bound])

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, C, H, W] -> [B]
        """A convolution, one block per scale, then linear to one score.

        Raises:
            Refused: Samples whose sides do not halve to between 4 and 7 pixels.
        """
        scales = scales_of(shape, name="wgan-gp-resnet")
        widest = min(8, 2 ** (scales.count - 1))
        outputs = [self.width * min(widest, 2 ** (i + 1)) for i in range(scales.count)]
        norm = partial(nn.GroupNorm, 1) if self.d_norm == "layer" else nn.Identity
        blocks = [ResidualBlock(i, o, resample="down", norm=norm) for i, o in pairwise([self.width, *outputs])]
        end = [nn.Flatten(), nn.Linear(outputs[-1] * scales.pixels, 1), Score()]
        return _initialised([nn.Conv2d(scales.channels, self.width, 3, padding=1), *blocks, *end])


class ResidualBlock(nn.Module):
    """Two convolutions beside a 1×1 shortcut; see the module. The shortcut is left out where nothing changes.

    Arguments:
        inputs: Channels that come.
        outputs: Channels that go.
        resample: Whether it doubles or halves the sides.
        norm: Makes a normalisation for a number of channels.
        activation: Makes the activation before each convolution.
        kernel: Side of the two convolutions' kernels, odd.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        resample: Resample,
        norm: Callable[[int], nn.Module],
        activation: Callable[[], nn.Module] = nn.ReLU,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.resample: Resample = resample
        between = inputs if resample == "down" else outputs
        first = nn.Conv2d(inputs, between, kernel, padding=kernel // 2, bias=False)
        second = nn.Conv2d(between, outputs, kernel, padding=kernel // 2)
        self.before = nn.Sequential(norm(inputs), activation())
        self.after = nn.Sequential(first, norm(between), activation(), second)
        same = resample == "none" and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:  # [B, i, H, W] -> [B, o, 2H, 2W], [B, o, H/2, W/2] or [B, o, H, W]
        """The residual plus the resampled input."""
        if self.resample == "up":
            # A 1×1 convolution and copies of pixels commute: the shortcut convolves the quarter before it grows.
            return self.after(_double(self.before(x))) + _double(self.shortcut(x))
        if self.resample == "down":
            return functional.avg_pool2d(self.after(self.before(x)), 2) + self.shortcut(functional.avg_pool2d(x, 2))
        return self.after(self.before(x)) + self.shortcut(x)

    def initialise(self) -> None:
        """He's normal weights in the two convolutions, whose inputs were rectified."""
        for layer in self.after:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _double(x: Tensor) -> Tensor:  # [B, i, H, W] -> [B, i, 2H, 2W]
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _initialised(layers: list[nn.Module]) -> nn.Sequential:
    for layer in initialised(layers, nn.init.xavier_uniform_):
        if isinstance(layer, ResidualBlock):
            layer.initialise()
    return nn.Sequential(*layers)
