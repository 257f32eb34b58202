r"""Convolutional stacks on a CPU: wide networks one after another, each in the form that is fastest there.

Under ``vmap`` N convolutions become one grouped convolution, which takes longer than the N apart as soon as each has
enough arithmetic of its own. So a stack of such networks runs them in turn, and changes how they compute, but not what,
up to rounding:

- images are stored with their channels last, in values as in gradients: a transposed convolution then takes as long as its
  adjoint, where it takes twice as long otherwise;
- rectifiers overwrite what a convolution or a normalisation gave, because these steps wait for memory;
- where the image's side has at most four channels, a convolution is a product with the windows of the image, and its
  adjoint adds up windows, see ``windows``.

What qualifies is a tree of usual layers of ``torch.nn`` and of gantlet's own, each in one place, with a convolution in it;
any other module runs under ``vmap``.

Legend: ``B`` batch, ``C`` channels at the image's side and ``C'`` at the other, ``H``, ``W`` pixels of the image, ``h``,
``w`` windows in each direction, ``i`` inputs, ``o`` outputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .windows import is_plain, pair_of, windows_of

__all__ = ["InTurn", "in_turn"]

_THIN = 4
"""Channels at the image's side up to which products with windows are faster than the library's convolutions."""

_ENOUGH = 1 << 18
"""Numbers in the largest kernel times samples in a batch above which networks in turn are faster than a grouped
convolution; measured on pairs of two scales with widths from 2 to 32 and batches from 8 to 256."""

_USUAL: tuple[type[nn.Module], ...] = (
    nn.Sequential,
    nn.ModuleList,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.Flatten,
    nn.Unflatten,
    nn.ZeroPad2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.Upsample,
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.Tanh,
    nn.Sigmoid,
)


class _WithGradientLaid(torch.autograd.Function):
    """The identity, whose gradient is stored with channels last, as its values are.

    Elementwise layers take several times as long where values and gradients are stored differently.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _laid(gradients[0])


class _Conv2d(nn.Conv2d):
    """A convolution; with a thin image also the rectifier after it, given by its slope below zero."""

    slope: float | None = None

    def forward(self, input: Tensor) -> Tensor:  # [B, C, H, W] -> [B, C', h, w]
        if not _thin(self) or input.dim() != 4:
            return self._conv_forward(_laid(input), _laid(self.weight), self.bias)
        windows = windows_of(self, (input.shape[2], input.shape[3]))
        made = functional.linear(windows.gather(input).mT, self.weight.flatten(1), self.bias)  # [B·h·w, C']
        if self.slope is not None:  # here, before ``made`` is seen as images: to overwrite a view costs copies
            made = functional.leaky_relu_(made, self.slope) if self.slope else made.relu_()
        return made.unflatten(0, (len(input), *windows.count)).permute(0, 3, 1, 2)


class _ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # [B, C', h, w] -> [B, C, H, W]
        x, weight = _laid(input), self.weight
        if output_size is not None:
            return super().forward(x, output_size)
        if not _thin(self) or input.dim() != 4:
            stride, padding = pair_of(self.stride), pair_of(self.padding)
            more, held = pair_of(self.output_padding), pair_of(self.dilation)
            return functional.conv_transpose2d(x, _laid(weight), self.bias, stride, padding, more, self.groups, held)
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # [B·h·w, C']
        windows = windows_of(self, (input.shape[2], input.shape[3]))
        made = windows.scatter(weight.flatten(1).mT @ rows.mT)
        return made if self.bias is None else made + self.bias[:, None, None]


class _Flatten(nn.Flatten):
    """Images as rows."""

    def forward(self, input: Tensor) -> Tensor:  # [B, C, H, W] -> [B, C·H·W]
        return super().forward(cast(Tensor, _WithGradientLaid.apply(input)) if input.dim() == 4 else input)


class _Linear(nn.Linear):
    """A linear layer that takes images as they are stored, and orders its weight accordingly."""

    def forward(self, input: Tensor) -> Tensor:  # [B, C, H, W] or [B, i] -> [B, o]
        if input.dim() != 4:
            return super().forward(input.flatten(1))
        if self.out_features >= len(input):  # the weight is larger than the batch
            return super().forward(cast(Tensor, _WithGradientLaid.apply(input)).flatten(1))
        weight = self.weight.unflatten(1, input.shape[1:]).permute(0, 2, 3, 1).flatten(1)
        return functional.linear(input.permute(0, 2, 3, 1).flatten(1), weight, self.bias)


class _Unflatten(nn.Unflatten):
    """Rows as images."""

    def forward(self, input: Tensor) -> Tensor:  # [B, C·H·W] -> [B, C, H, W]
        return _laid(super().forward(input))


_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: _Conv2d,
    nn.ConvTranspose2d: _ConvTranspose2d,
    nn.Flatten: _Flatten,
    nn.Unflatten: _Unflatten,
}


@dataclass(frozen=True)
class InTurn:
    """A network in the form for running in turn.

    Attributes:
        network: It has the parameters and buffers of the module that it was made from, by the same names.
        kernel: Numbers in its largest kernel.
    """

    network: nn.Module
    kernel: int

    def pays(self, batch: int) -> bool:
        """Whether networks in turn are faster than under ``vmap``, with so many samples in a batch of each."""
        return self.kernel * batch > _ENOUGH


def in_turn(module: nn.Module) -> InTurn | None:
    """A copy that computes as above; None where the module does not qualify, has hooks, or has tied weights.

    Example:
        >>> in_turn(nn.Sequential(nn.Conv2d(16, 32, 4), nn.Softmax(1))) is None
        True
        >>> plan = in_turn(nn.Sequential(nn.Conv2d(16, 32, 4), nn.Tanh()))
        >>> plan.kernel, plan.pays(8), plan.pays(64)
        (8192, False, True)
    """
    parts = list(module.modules())
    kernels = [part.weight.numel() for part in parts if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    if not kernels or not all(map(_usual, parts)) or _shares(module):
        return None
    network = copy.deepcopy(module)
    for part in network.modules():
        part.__class__ = _KINDS.get(type(part), type(part))
    for part in list(network.modules()):
        if type(part) is nn.Sequential:
            _merge(part._modules)  # pyright: ignore[reportPrivateUsage]
    return InTurn(network, max(kernels))


def _usual(part: nn.Module) -> bool:
    """Whether a part is known to read its input by shape only, however it is stored."""
    hooked = part._forward_hooks or part._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]
    return not hooked and (type(part) in _USUAL or type(part).__module__.startswith("gantlet.networks."))


def _shares(module: nn.Module) -> bool:
    """Whether a layer or a parameter is used twice."""
    layers, parameters = module.named_modules, module.named_parameters
    every = len(list(layers(remove_duplicate=False))), len(list(parameters(remove_duplicate=False)))
    return every > (len(list(layers())), len(list(parameters())))


def _merge(chain: dict[str, nn.Module]) -> None:
    """Let neighbours in a chain work together; a layer that has nothing left to do becomes the identity."""
    for (first, before), (second, after) in pairwise(list(chain.items())):
        slope = _slope(after)
        if slope is not None and isinstance(before, _Conv2d) and _thin(before):
            before.slope, chain[second] = slope, nn.Identity()
        elif slope is not None and _leaves_its_output(before):
            chain[second] = nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
        elif (
            type(after) is nn.Linear and isinstance(before, _Flatten) and (before.start_dim, before.end_dim) == (1, -1)
        ):
            after.__class__, chain[first] = _Linear, nn.Identity()


def _slope(layer: nn.Module) -> float | None:
    """A rectifier's slope below zero; None for other layers, and where the output's sign is not the input's."""
    if type(layer) is nn.ReLU:
        return 0.0
    return layer.negative_slope if type(layer) is nn.LeakyReLU and layer.negative_slope > 0 else None


def _leaves_its_output(layer: nn.Module) -> bool:
    """Whether nothing looks again at what the layer gave."""
    if isinstance(layer, _Conv2d | _ConvTranspose2d):
        return not _thin(layer)
    return isinstance(layer, nn.BatchNorm2d | nn.GroupNorm)


def _thin(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether it has few channels at the image's side, and is of the formula in ``windows`` without groups."""
    channels = layer.out_channels if isinstance(layer, nn.ConvTranspose2d) else layer.in_channels
    return channels <= _THIN and layer.groups == 1 and is_plain(layer)


def _laid(x: Tensor) -> Tensor:
    """Images with their channels last; whatever has no four axes as it is."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
