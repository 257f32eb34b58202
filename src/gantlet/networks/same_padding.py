r"""Convolutions aligned as TensorFlow's padding ``SAME``, and their exact adjoints.

With kernel :math:`k` and a stride :math:`s \le k` that divides the image's side :math:`sn`, the convolution has
:math:`n` outputs. It lacks :math:`k - s` pixels: :math:`b = \lfloor (k - s) / 2 \rfloor` zeros are put before the
image (left, top) and the rest after it,

.. math::
    y_i = \sum_{j=0}^{k-1} w_j \, x_{si + j - b}, \qquad i = 0, …, n - 1.

Its adjoint, the transposed convolution :math:`x_m = \sum_{i, j:\, si + j - b = m} w_j \, y_i`, is the full one, of
:math:`s(n - 1) + k` pixels, without the first :math:`b` and without the last :math:`k - s - b`.

======  ======  ======  =====
kernel  stride  before  after
======  ======  ======  =====
5       2       1       2
4       2       1       1
3       2       0       1
3       1       1       1
======  ======  ======  =====

A symmetric padding of 2 (transposed: with an ``output_padding`` of 1) gives a 5×5 convolution of stride 2 the right
size, but pads 2 before and 1 after: every layer shifts the image by a pixel against the published networks.

Reference:
    | A guide to convolution arithmetic for deep learning (Dumoulin & Visin, 2016), https://arxiv.org/abs/1603.07285

Legend: ``B`` batch, ``C`` input and ``C'`` output channels, ``n`` pixels, ``s`` stride.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Trim", "same_convolution", "same_deconvolution"]


class Trim(nn.Module):
    """Cut pixels off at the right and at the bottom.

    Example:
        >>> import torch
        >>> Trim(1)(torch.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[[[0.]]]])
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:  # [B, C, n + pixels, n + pixels] -> [B, C, n, n]
        """Drop the last rows and columns."""
        return x[..., : -self.pixels, : -self.pixels]

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        return f"pixels={self.pixels}"


def same_convolution(
    channels: tuple[int, int], *, kernel: int, stride: int = 2, bias: bool = True
) -> list[nn.Module]:  # [B, C, s·n, s·n] -> [B, C', n, n]
    """A convolution from the first number of channels to the second, padded as above.

    Example:
        >>> same_convolution((3, 64), kernel=5)[0]
        ZeroPad2d((1, 2, 1, 2))
    """
    before, after = _missing(kernel, stride)
    if before == after:
        return [nn.Conv2d(*channels, kernel, stride=stride, padding=before, bias=bias)]
    return [nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(*channels, kernel, stride=stride, bias=bias)]


def same_deconvolution(
    channels: tuple[int, int], *, kernel: int, stride: int = 2, bias: bool = True
) -> list[nn.Module]:  # [B, C, n, n] -> [B, C', s·n, s·n]
    """The adjoint of :func:`same_convolution` (but for the biases), from the first number of channels to the second.

    Example:
        >>> same_deconvolution((64, 3), kernel=5)[1]
        Trim(pixels=1)
    """
    before, after = _missing(kernel, stride)
    # ``padding`` cuts as much after as before; what is left to cut is at the end.
    whole = nn.ConvTranspose2d(*channels, kernel, stride=stride, padding=before, bias=bias)
    return [whole] if before == after else [whole, Trim(after - before)]


def _missing(kernel: int, stride: int) -> tuple[int, int]:
    before = (kernel - stride) // 2
    return before, kernel - stride - before
