"""Random architectures: a method is robust if it trains well on networks that were not tuned for it.

The BogoNet protocol of the DRAGAN paper: each game draws the generator's and the discriminator's architecture apart, from
three families, and every method plays the same games. Here ``architecture`` is the number of the game. It decides, for each
player on its own:

=============  =============================================================================================
drawn          from
=============  =============================================================================================
family         dense layers, plain convolutions of stride 2, or residual blocks (one of them by ``family=``)
depth          2 to 4 hidden layers; 1 or 2 convolutions or blocks per scale
widths         4, 8 or 16 times ``width`` per dense layer; ½, 1 or 2 times ``width`` channels at full size
kernel         3, 4 or 5 pixels (residual blocks 3 or 5)
activation     ReLU, leaky ReLU of slope 0.2, ELU or tanh
normalisation  none or batch norm in the generator; none in the discriminator unless ``d_batch_norm``
=============  =============================================================================================

Each draw is keyed by the game, the player and the name of what is drawn, and hashed: the same in every process and release
of Python, and torch's random state is left alone (the weights come from it, as everywhere). Generators end in tanh; weights
start as PyTorch's layers do.

Differs from the paper in: its pools of sizes are not published, those above are gantlet's; discriminators without batch
norm by default, so that methods with gradient penalties can play every game.

Reference:
    | On convergence and stability of GANs (Kodali et al., 2017), https://arxiv.org/abs/1705.07215

Legend: ``B`` batch, ``*x`` sample shape, ``i``, ``o`` channels in and out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from torch import nn

from gantlet.settings import setting

from .layers import Score
from .resnet import Resample, ResidualBlock
from .scales import Scales, scales_of

__all__ = ["BogoNet", "BogoNetPlan"]

_Kind = Literal["mlp", "dcgan", "resnet"]
_Player = Literal["generator", "discriminator"]
_T = TypeVar("_T")

_KINDS: tuple[_Kind, ...] = ("mlp", "dcgan", "resnet")
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}


@dataclass(frozen=True)
class BogoNetPlan:
    """One player's architecture as drawn.

    Attributes:
        kind: Its family.
        depth: Hidden layers, or convolutions or blocks per scale.
        widths: One per hidden layer, or the channels at full size.
        kernel: Side of the kernels in pixels; no meaning to dense layers.
        activation: By name.
        batch_norm: Whether every hidden layer has it.
    """

    kind: _Kind
    depth: int
    widths: tuple[int, ...]
    kernel: int
    activation: str
    batch_norm: bool

    def __str__(self) -> str:
        norm = "batch norm" if self.batch_norm else "no norm"
        if self.kind == "mlp":
            body = "-".join(str(width) for width in self.widths)
        else:
            body = f"{self.widths[0]} channels, {self.depth} per scale, kernel {self.kernel}"
        return f"{self.kind} {body}, {self.activation}, {norm}"


@dataclass(frozen=True)
class BogoNet:
    """A pair of random architectures.

    Example:
        >>> print(BogoNet(architecture=3).describe())
        generator: resnet 64 channels, 1 per scale, kernel 3, tanh, no norm
        discriminator: dcgan 64 channels, 1 per scale, kernel 3, leaky, no norm
    """

    architecture: int = setting(0, "number of the game: decides both architectures", low=0)
    family: Literal["any", "mlp", "dcgan", "resnet"] = setting(
        "any", "where both players come from; any draws for each", choices=("any", *_KINDS)
    )
    width: int = setting(32, "unit of the widths", low=2)
    d_batch_norm: bool = setting(False, "whether a discriminator may have batch norm, too")

    @property
    def provides(self) -> frozenset[str]:
        """``no_batch_statistics`` unless this game's discriminator drew batch norm."""
        return frozenset() if self.plan("discriminator").batch_norm else frozenset({"no_batch_statistics"})

    def plan(self, player: _Player) -> BogoNetPlan:
        """What is drawn for a player, whatever the sample shape."""

        def drawn(name: str, among: Sequence[_T]) -> _T:
            key = f"bogonet/1/{self.architecture}/{player}/{name}".encode()
            return among[int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") % len(among)]

        kind: _Kind = drawn("family", _KINDS) if self.family == "any" else self.family
        dense = kind == "mlp"
        depth = drawn("layers", (2, 3, 4)) if dense else drawn("per scale", (1, 2))
        channels = (max(1, self.width * drawn("channels", (1, 2, 4)) // 2),)
        hidden = tuple(self.width * drawn(f"width {i}", (4, 8, 16)) for i in range(depth))
        return BogoNetPlan(
            kind=kind,
            depth=depth,
            widths=hidden if dense else channels,
            kernel=drawn("kernel", (3, 5) if kind == "resnet" else (3, 4, 5)),
            activation=drawn("activation", tuple(_ACTIVATIONS)),
            batch_norm=drawn("norm", (False, True)) and (player == "generator" or self.d_batch_norm),
        )

    def describe(self) -> str:
        """One line per player."""
        return f"generator: {self.plan('generator')}\ndiscriminator: {self.plan('discriminator')}"

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """This game's generator.

        Raises:
            Refused: Convolutions were drawn for samples whose sides do not halve to between 4 and 7 pixels.
        """
        plan = self.plan("generator")
        if plan.kind == "mlp":
            body = [*_hidden(plan, latent), nn.Linear(plan.widths[-1], math.prod(shape))]
            return nn.Sequential(*body, nn.Tanh(), nn.Unflatten(-1, shape))
        scales = scales_of(shape, name="bogonet")
        channels = _channels(plan, scales)[::-1]
        layers: list[nn.Module] = [
            nn.Linear(latent, channels[0] * scales.pixels),
            nn.Unflatten(-1, (channels[0], *scales.base)),
        ]
        for before, after in pairwise(channels):
            layers += _stage(plan, before, after, "up")
        if plan.kind == "resnet":  # its blocks end linearly
            layers += _bent(plan, channels[-1])
        return nn.Sequential(*layers, nn.Conv2d(channels[-1], scales.channels, 3, padding=1), nn.Tanh())

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """This game's discriminator.

        Raises:
            Refused: Convolutions were drawn for samples whose sides do not halve to between 4 and 7 pixels.
        """
        plan = self.plan("discriminator")
        if plan.kind == "mlp":
            hidden = _hidden(plan, math.prod(shape))
            return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(plan.widths[-1], 1), Score())
        scales = scales_of(shape, name="bogonet")
        channels = _channels(plan, scales)
        layers: list[nn.Module] = [nn.Conv2d(scales.channels, channels[0], 3, padding=1)]
        for before, after in pairwise(channels):
            layers += _stage(plan, before, after, "down")
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * scales.pixels, 1), Score())


def _channels(plan: BogoNetPlan, scales: Scales) -> list[int]:
    """From full size to the base, doubled at each scale up to eight times."""
    return [plan.widths[0] * min(8, 2**i) for i in range(scales.count + 1)]


def _hidden(plan: BogoNetPlan, inputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *plan.widths)):
        norm = [nn.BatchNorm1d(after)] if plan.batch_norm else []
        layers += [nn.Linear(before, after), *norm, _ACTIVATIONS[plan.activation]()]
    return layers


def _stage(plan: BogoNetPlan, inputs: int, outputs: int, resample: Literal["up", "down"]) -> list[nn.Module]:
    """One convolution or block that resamples, then ones that keep the size."""
    if plan.kind == "resnet":
        return [
            _block(plan, inputs, outputs, resample),
            *(_block(plan, outputs, outputs) for _ in range(plan.depth - 1)),
        ]
    k = plan.kernel
    if resample == "up":
        first = nn.ConvTranspose2d(inputs, outputs, k, stride=2, padding=(k - 1) // 2, output_padding=k % 2)
    else:
        first = nn.Conv2d(inputs, outputs, k, stride=2, padding=(k - 1) // 2)
    more = (nn.Conv2d(outputs, outputs, 3, padding=1) for _ in range(plan.depth - 1))
    return [layer for convolution in (first, *more) for layer in (convolution, *_bent(plan, outputs))]


def _block(plan: BogoNetPlan, inputs: int, outputs: int, resample: Resample = "none") -> nn.Module:
    norm = nn.BatchNorm2d if plan.batch_norm else nn.Identity
    activation = _ACTIVATIONS[plan.activation]
    return ResidualBlock(inputs, outputs, resample=resample, norm=norm, activation=activation, kernel=plan.kernel)


def _bent(plan: BogoNetPlan, channels: int) -> list[nn.Module]:
    norm = [nn.BatchNorm2d(channels)] if plan.batch_norm else []
    return [*norm, _ACTIVATIONS[plan.activation]()]
