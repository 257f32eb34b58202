r"""Convolutional stacks on a CPU: wide networks one after another, each in the form that is fastest there.

Under ``vmap`` N convolutions become one grouped convolution, which takes longer than the N apart as soon as each has
enough arithmetic of its own. So a stack of such networks runs them in turn, and changes how they compute, but not what,
up to rounding:

- images are stored with their channels last, in values as in gradients: a transposed convolution then takes as long as its
  adjoint, where it takes twice as long otherwise;
- rectifiers overwrite what a convolution or a normalisation gave, because these steps wait for memory;
- where the image's side has at most four channels, a convolution is a product with the windows of the image, and its
  adjoint adds up windows,

.. math::
    y = W \, Gx + b, \qquad x = G^\top W^\top y + b,

with :math:`W \in \mathbb{R}^{C' \times C k^2}` and the linear map G that gathers the windows. G and :math:`G^\top` are each
other's derivative, so that there are derivatives of every order.

What qualifies is a tree of usual layers of ``torch.nn`` and of gantlet's own, each in one place, with a convolution in it;
any other module runs under ``vmap``.

Reference:
    | A guide to convolution arithmetic for deep learning (Dumoulin & Visin, 2016), https://arxiv.org/abs/1603.07285

Legend: ``B`` batch, ``C`` channels at the image's side and ``C'`` at the other, ``H``, ``W`` pixels of the image, ``h``,
``w`` windows in each direction, ``k`` pixels of a kernel's side, ``i`` inputs, ``o`` outputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

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


@dataclass(frozen=True)
class _Windows:
    """The windows that a kernel sees of images of a size, with zeros around them; pairs are (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    image: tuple[int, int]

    @property
    def count(self) -> tuple[int, int]:
        """Windows in each direction."""
        (k, m), (s, t), (p, q), (height, width) = self.kernel, self.stride, self.padding, self.image
        return (height + 2 * p - k) // s + 1, (width + 2 * q - m) // t + 1

    def gather(self, x: Tensor) -> Tensor:  # [B, C, H, W] -> [C·k·k, B·h·w]
        """The windows' pixels, copied."""
        (s, t), (p, q), (k, m), (batch, channels) = self.stride, self.padding, self.kernel, x.shape[:2]
        padded = functional.pad(x, (q, q, p, p))
        b, c, i, j = padded.stride()
        windows = padded.as_strided((channels, k, m, batch, *self.count), (c, i, j, b, s * i, t * j))
        return windows.reshape(channels * k * m, -1)

    def scatter(self, pixels: Tensor) -> Tensor:  # [C·k·k, B·h·w] -> [B, C, H, W]
        """The adjoint of :meth:`gather`: images in which windows overlap and add up.

        Pixels are sorted by their remainders modulo the stride: then whole planes add up, and few times.
        """
        (k, m), (s, t), (p, q) = self.kernel, self.stride, self.padding
        (height, width), (h, w) = self.image, self.count
        windows = pixels.reshape(-1, k, m, pixels.shape[1] // (h * w), h, w)
        down, right = -(-k // s), -(-m // t)
        planes = pixels.new_zeros(len(windows), s, t, windows.shape[3], h + down - 1, w + right - 1)
        for i in range(down):
            for j in range(right):
                part = windows[:, i * s : (i + 1) * s, j * t : (j + 1) * t]
                planes[:, : part.shape[1], : part.shape[2], :, i : i + h, j : j + w] += part
        whole = planes.permute(3, 0, 4, 1, 5, 2).flatten(4).flatten(2, 3)  # [B, C, s·(h + …), t·(w + …)]
        rest, below = width + q - whole.shape[3], height + p - whole.shape[2]
        return functional.pad(whole, (-q, rest, -p, below))


class _Gather(torch.autograd.Function):
    """:meth:`_Windows.gather`, whose gradient is the adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, windows: _Windows) -> Tensor:
        ctx.windows = windows
        return windows.gather(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Scatter.apply(gradients[0], ctx.windows), None


class _Scatter(torch.autograd.Function):
    """:meth:`_Windows.scatter`, whose gradient is the adjoint."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, windows: _Windows) -> Tensor:
        ctx.windows = windows
        return windows.scatter(pixels)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Gather.apply(gradients[0], ctx.windows), None


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
        windows = _windows(self, (input.shape[2], input.shape[3]))
        pixels = cast(Tensor, _Gather.apply(input, windows))
        made = functional.linear(pixels.mT, self.weight.flatten(1), self.bias)  # [B·h·w, C']
        if self.slope is not None:  # here, before ``made`` is seen as images: to overwrite a view costs copies
            made = functional.leaky_relu_(made, self.slope) if self.slope else made.relu_()
        return made.unflatten(0, (len(input), *windows.count)).permute(0, 3, 1, 2)


class _ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # [B, C', h, w] -> [B, C, H, W]
        stride, padding, more = _pair(self.stride), _pair(self.padding), _pair(self.output_padding)
        x, weight = _laid(input), self.weight
        if output_size is not None:
            return super().forward(x, output_size)
        if not _thin(self) or input.dim() != 4:
            held = _pair(self.dilation)
            return functional.conv_transpose2d(x, _laid(weight), self.bias, stride, padding, more, self.groups, held)
        sizes = zip(input.shape[2:], stride, padding, _pair(self.kernel_size), more, strict=True)
        height, width = ((n - 1) * s - 2 * p + k + o for n, s, p, k, o in sizes)
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # [B·h·w, C']
        made = cast(Tensor, _Scatter.apply(weight.flatten(1).mT @ rows.mT, _windows(self, (height, width))))
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
    """Whether it is of the formula above, and few channels: no groups, no holes in the kernel, zeros at the border."""
    channels = layer.out_channels if isinstance(layer, nn.ConvTranspose2d) else layer.in_channels
    plain = layer.groups == 1 and _pair(layer.dilation) == (1, 1) and layer.padding_mode == "zeros"
    return channels <= _THIN and plain and not isinstance(layer.padding, str)


def _windows(layer: nn.Conv2d | nn.ConvTranspose2d, image: tuple[int, int]) -> _Windows:
    return _Windows(_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), image)


def _pair(sizes: Any) -> tuple[int, int]:
    return int(sizes[0]), int(sizes[1])


def _laid(x: Tensor) -> Tensor:
    """Images with their channels last; whatever has no four axes as it is."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
