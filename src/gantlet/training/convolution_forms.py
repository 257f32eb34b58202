r"""Convolutions on a GPU: each layer in the form that a table of measured shapes says is faster.

N networks under ``vmap`` make of each layer one convolution in N times as many groups, and the library's grouped
convolutions are slow for some shapes; so are those of a lone network whose layers have groups of their own. The other
form is one batched matrix product with the windows of the images (im2col, see ``windows``), which moves k² times the pixels:

.. math::
    y_g = W_g \, (Gx)_g + b_g, \qquad W_g \in \mathbb{R}^{C'/n \times C k^2/n}, \qquad g = 1, \ldots, n.

Which is faster depends on the shape alone, so it is looked up and never timed in training: a study repeats the same
arithmetic. The table ``convolution_shapes.json`` is written by ``scripts/gpu-page`` from what ``scripts/gpu-check``
measured on a card; a shape that is not in it is the library's.

Legend: ``B`` batch, ``C`` channels at the image's side and ``C'`` at the other, ``n`` groups of all networks, ``H``, ``W``
pixels of the image, ``h``, ``w`` windows in each direction, ``k`` pixels of a kernel's side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log2
from typing import cast

import torch
from torch import Tensor, nn

from .windows import Windows, is_plain, pair_of, windows_of

__all__ = ["ByShape", "LayerShape", "by_shape", "choice_on", "faster_as_product", "measured_shapes"]

_Convolution = nn.Conv2d | nn.ConvTranspose2d
ByShape = Callable[["LayerShape"], bool]
"""Whether a layer of a shape is computed as a batched product."""


@dataclass(frozen=True)
class LayerShape:
    """What the time of a layer depends on.

    Attributes:
        transposed: Whether it enlarges images.
        kernel: Pixels of its kernel, (height, width).
        stride: Its stride, (height, width).
        groups: Its groups, those of all networks together.
        image: Channels of a group at the image's side.
        other: Channels of a group at the other side.
        windows: Windows of all images in a batch, ``B·h·w``.
        products: How products are computed: ``float32``, ``tf32``, ``bfloat16`` or ``float64``.
    """

    transposed: bool
    kernel: tuple[int, int]
    stride: tuple[int, int]
    groups: int
    image: int
    other: int
    windows: int
    products: str

    @property
    def key(self) -> str:
        """Its place in the table: counts are rounded to powers of two.

        Example:
            >>> LayerShape(False, (4, 4), (2, 2), 8, 3, 64, 100_000, "tf32").key
            'conv 4x4/2x2, 8 groups of 4 and 64, 131072 windows, tf32'
        """
        kind, sizes = "transposed" if self.transposed else "conv", (self.kernel, self.stride)
        (kernel, stride) = (f"{height}x{width}" for height, width in sizes)
        groups, image, other, windows = map(_power, (self.groups, self.image, self.other, self.windows))
        return f"{kind} {kernel}/{stride}, {groups} groups of {image} and {other}, {windows} windows, {self.products}"


def _power(count: int) -> int:
    return 1 << round(log2(count))


@cache
def measured_shapes() -> dict[str, float]:
    """How many times as fast the batched product is as the library's convolution, by :attr:`LayerShape.key`."""
    return json.loads((files("gantlet.training") / "convolution_shapes.json").read_text("utf-8"))["faster"]


def choice_on(device: torch.device) -> ByShape | None:
    """How forms are chosen on a device; None where all are the library's.

    They are on a CPU, whose library is faster for nearly all shapes, and where no shape has been measured.
    """
    return faster_as_product if device.type == "cuda" and measured_shapes() else None


def faster_as_product(shape: LayerShape) -> bool:
    """Whether the table says that a batched product is faster; what it has not is left to the library."""
    return measured_shapes().get(shape.key, 0.0) > 1


class _Chosen:
    """What both kinds of layers below add to torch's."""

    chosen: ByShape
    networks: int

    def _asked(self, layer: _Convolution, x: Tensor) -> Windows | None:  # [B, C, H, W], or [B, C', h, w] if transposed
        """The windows with which it is computed, if a product is faster."""
        if x.dim() != 4 or not x.numel() or torch.compiler.is_compiling():
            return None
        windows = windows_of(layer, (x.shape[2], x.shape[3]))
        return windows if self.chosen(_shape_of(layer, windows, self.networks, x)) else None


class _Conv2d(_Chosen, nn.Conv2d):
    """A convolution."""

    def forward(self, input: Tensor) -> Tensor:  # [B, C, H, W] -> [B, C', h, w]
        windows = self._asked(self, input)
        if windows is None:
            return super().forward(input)
        pixels = windows.gather(_lowered(input)).unflatten(0, (self.groups, -1))  # [n, C·k·k / n, B·h·w]
        made = (self.weight.flatten(1).unflatten(0, (self.groups, -1)) @ pixels).flatten(0, 1)
        return _with_bias(made.unflatten(1, (len(input), *windows.count)).transpose(0, 1), self.bias)


class _ConvTranspose2d(_Chosen, nn.ConvTranspose2d):
    """A transposed convolution."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # [B, C', h, w] -> [B, C, H, W]
        windows = self._asked(self, input) if output_size is None else None
        if windows is None:
            return super().forward(input, output_size)
        rows = input.transpose(0, 1).flatten(1).unflatten(0, (self.groups, -1))  # [n, C' / n, B·h·w]
        kernels = self.weight.flatten(1).unflatten(0, (self.groups, -1))  # [n, C' / n, C·k·k / n]
        return _with_bias(windows.scatter((kernels.mT @ rows).flatten(0, 1)), self.bias)


def by_shape(network: nn.Module, networks: int, chosen: ByShape) -> None:
    """Have the convolutions of a network, one of so many under ``vmap``, computed in the form that is chosen for each.

    In place; parameters keep their names. Layers with holes in the kernel or other borders than zeros, and those of
    classes of their own, stay as they are.
    """
    kinds: dict[type[nn.Module], type[_Conv2d | _ConvTranspose2d]]
    kinds = {nn.Conv2d: _Conv2d, nn.ConvTranspose2d: _ConvTranspose2d}
    for part in network.modules():
        if type(part) in kinds and is_plain(cast(_Convolution, part)):
            part.__class__ = kinds[type(part)]
            layer = cast(_Chosen, part)
            layer.chosen, layer.networks = chosen, networks


def _lowered(x: Tensor) -> Tensor:
    """In the type that a product would cast it to: windows have k² times the pixels."""
    return x.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else x


def _with_bias(made: Tensor, bias: Tensor | None) -> Tensor:
    return made if bias is None else made + bias.to(made.dtype)[:, None, None]


def _shape_of(layer: _Convolution, windows: Windows, networks: int, x: Tensor) -> LayerShape:
    transposed = isinstance(layer, nn.ConvTranspose2d)
    image, other = (layer.out_channels, layer.in_channels) if transposed else (layer.in_channels, layer.out_channels)
    (height, width), groups = windows.count, layer.groups
    return LayerShape(
        transposed,
        windows.kernel,
        pair_of(layer.stride),
        networks * groups,
        image // groups,
        other // groups,
        len(x) * height * width,
        _products(x),
    )


def _products(x: Tensor) -> str:
    if torch.is_autocast_enabled(x.device.type):
        return str(torch.get_autocast_dtype(x.device.type)).removeprefix("torch.")
    rounded = x.dtype == torch.float32 and x.device.type == "cuda" and torch.get_float32_matmul_precision() != "highest"
    return "tf32" if rounded else str(x.dtype).removeprefix("torch.")
