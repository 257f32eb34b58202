r"""Convolutions as matrix products with the windows of an image (im2col, and its adjoint col2im).

.. math::
    y = W \, Gx + b, \qquad x = G^\top W^\top y + b,

with :math:`W \in \mathbb{R}^{C' \times C k^2}` and the linear map G that gathers the windows; the second is the transposed
convolution. G and :math:`G^\top` are each other's derivative, so that there are derivatives of every order. Both take any
axes before the batch, and under ``vmap`` the mapped axis becomes one of them.

Reference:
    | A guide to convolution arithmetic for deep learning (Dumoulin & Visin, 2016), https://arxiv.org/abs/1603.07285

Legend: ``B`` batch, ``C`` channels at the image's side and ``C'`` at the other, ``H``, ``W`` pixels of the image, ``h``,
``w`` windows in each direction, ``k`` pixels of a kernel's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Windows", "is_plain", "pair_of", "windows_of"]


@dataclass(frozen=True)
class Windows:
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

    def gather(self, x: Tensor) -> Tensor:  # [..., B, C, H, W] -> [..., C·k·k, B·h·w]
        """The windows' pixels, copied."""
        return cast(Tensor, _Gather.apply(x, self))

    def scatter(self, pixels: Tensor) -> Tensor:  # [..., C·k·k, B·h·w] -> [..., B, C, H, W]
        """The adjoint of :meth:`gather`: images in which windows overlap and add up."""
        return cast(Tensor, _Scatter.apply(pixels, self))


class _Gather(torch.autograd.Function):
    """:meth:`Windows.gather`, whose gradient is the adjoint."""

    @staticmethod
    def forward(x: Tensor, windows: Windows) -> Tensor:
        (s, t), (p, q), (k, m) = windows.stride, windows.padding, windows.kernel
        padded = functional.pad(x, (q, q, p, p))
        *outer, b, c, i, j = padded.stride()
        *before, batch, channels = x.shape[:-2]
        sizes, steps = (channels, k, m, batch, *windows.count), (c, i, j, b, s * i, t * j)
        return padded.as_strided((*before, *sizes), (*outer, *steps)).reshape(*before, channels * k * m, -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.windows = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Scatter.apply(gradients[0], ctx.windows), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, int]:
        return _Gather.apply(args[0].movedim(in_dims[0], 0), args[1]), 0


class _Scatter(torch.autograd.Function):
    """:meth:`Windows.scatter`, whose gradient is the adjoint.

    Pixels are sorted by their remainders modulo the stride: then whole planes add up, and few times.
    """

    @staticmethod
    def forward(pixels: Tensor, windows: Windows) -> Tensor:
        (k, m), (s, t), (p, q) = windows.kernel, windows.stride, windows.padding
        (height, width), (h, w) = windows.image, windows.count
        seen = pixels.unflatten(-1, (pixels.shape[-1] // (h * w), h, w)).unflatten(
            -4, (-1, k, m)
        )  # [..., C, k, k, B, h, w]
        down, right = -(-k // s), -(-m // t)
        *before, channels, _, _, batch, _, _ = seen.shape
        planes = pixels.new_zeros(*before, channels, s, t, batch, h + down - 1, w + right - 1)
        for i in range(down):
            for j in range(right):
                part = seen[..., i * s : (i + 1) * s, j * t : (j + 1) * t, :, :, :]
                into = planes[..., : part.shape[-5], : part.shape[-4], :, i : i + h, j : j + w]
                into += part
        n = len(before)
        whole = planes.permute(*range(n), n + 3, n, n + 4, n + 1, n + 5, n + 2)  # [..., B, C, h + …, s, w + …, t]
        whole = whole.flatten(-2).flatten(-3, -2)
        rest, below = width + q - whole.shape[-1], height + p - whole.shape[-2]
        return functional.pad(whole, (-q, rest, -p, below))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.windows = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Gather.apply(gradients[0], ctx.windows), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, int]:
        return _Scatter.apply(args[0].movedim(in_dims[0], 0), args[1]), 0


def is_plain(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether the layer is of the formula above: no holes in the kernel, zeros at the border, as many as it says."""
    return pair_of(layer.dilation) == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def windows_of(layer: nn.Conv2d | nn.ConvTranspose2d, size: tuple[int, int]) -> Windows:
    """The windows of a plain layer's images; ``size`` is that of its input, which a transposed one enlarges."""
    kernel, stride, padding = pair_of(layer.kernel_size), pair_of(layer.stride), pair_of(layer.padding)
    if isinstance(layer, nn.ConvTranspose2d):
        more = pair_of(layer.output_padding)
        sides = zip(size, stride, padding, kernel, more, strict=True)
        height, width = ((n - 1) * s - 2 * p + k + o for n, s, p, k, o in sides)
        size = height, width
    return Windows(kernel, stride, padding, size)


def pair_of(sizes: Any) -> tuple[int, int]:
    """(height, width), as torch's layers keep them."""
    return int(sizes[0]), int(sizes[1])
