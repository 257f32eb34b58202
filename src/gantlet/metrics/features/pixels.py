"""From whatever images are to what an extractor reads: 8 bits, three channels, one size. Each step is on the card.

The order is that of a reader who saves the images as PNG first: values are rounded to 8 bits, *then* resized, in floating
point and with antialiasing, without rounding again. Skipping the first step, or the antialiasing, moves a Fréchet distance
by more than good methods differ in.

Legend: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.

Reference:
    | On aliased resizing and surprising subtleties in GAN evaluation (Parmar, Zhang, Zhu, 2022), https://arxiv.org/abs/2104.11222
"""

from __future__ import annotations

from torch import Tensor, uint8
from torch.nn import functional as F

from gantlet.data.base import Range, rescaled

__all__ = ["ANTIALIASED", "as_colour", "as_grey", "quantised", "resized"]

ANTIALIASED = "bicubic with antialiasing, in floating point, clamped to 0 … 255"
"""What :func:`resized` does, for cards."""

_LUMA = (0.299, 0.587, 0.114)


def quantised(images: Tensor, pixel_range: Range = (-1.0, 1.0)) -> Tensor:
    """Images as a PNG would hold them: rounded to the nearest of 256 values, ``[*]`` -> ``[*]`` uint8.

    8-bit images come back as they are. The range is the data's own, never the smallest and largest value of a batch.

    Example:
        >>> import torch
        >>> quantised(torch.tensor([-1.2, -1.0, 0.0, 0.998, 1.0]))
        tensor([  0,   0, 128, 255, 255], dtype=torch.uint8)
    """
    if images.dtype == uint8:
        return images
    return rescaled(images.float(), was=pixel_range, becomes=(0.0, 255.0)).round_().clamp_(0, 255).to(uint8)


def as_colour(images: Tensor) -> Tensor:  # [N, C, H, W] -> [N, 3, H, W]
    """Three channels; grey images have three equal ones."""
    return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)


def as_grey(images: Tensor) -> Tensor:  # [N, C, H, W] -> [N, 1, H, W] float32
    """One channel, by the luma of ITU-R BT.601, not rounded."""
    values = images.float()
    weights = values.new_tensor(_LUMA)[:, None, None]
    return values if images.shape[1] == 1 else (values * weights).sum(1, keepdim=True)


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:  # [N, C, H, W] -> [N, C, *size] float32
    """Images of another size, values still 0 … 255: bicubic, antialiased, as Pillow does it but without rounding."""
    values = images.float()
    if tuple(images.shape[-2:]) == size:
        return values
    return F.interpolate(values, size=size, mode="bicubic", antialias=True, align_corners=False).clamp_(0, 255)
