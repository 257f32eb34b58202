"""What networks of the user's own share, be they modules or ONNX files: how images reach them, and how their card is found."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gantlet.data.base import rescaled

from .base import ExtractorCard, Features
from .pixels import ANTIALIASED, as_colour, as_grey, resized

__all__ = ["card_of_own", "pixels_of"]


def pixels_of(
    images: Tensor, *, grey: bool, size: tuple[int, int] | None, becomes: tuple[float, float]
) -> Tensor:  # [N, C, H, W] uint8 -> [N, 1 or 3, *size] float32
    """Images as the network expects them: its channels, its size (None: as they come), and what 0 and 255 become."""
    pixels = as_grey(images) if grey else as_colour(images).float()
    return rescaled(resized(pixels, size) if size else pixels, was=(0.0, 255.0), becomes=becomes)


def card_of_own(
    read: Callable[[Tensor], Features],
    *,
    name: str,
    sha256: str,
    size: tuple[int, int] | None,
    becomes: tuple[float, float],
) -> ExtractorCard:
    """Its card; dimension and classes are those of one black image."""
    with torch.inference_mode():
        found = read(torch.zeros(1, 3, *(size or (64, 64)), dtype=torch.uint8))
    return ExtractorCard(
        name=name,
        sha256=sha256,
        input_size=size,
        input_range=becomes,
        resizer=ANTIALIASED if size else "none",
        dimension=found.features.shape[1],
        classes=0 if found.probabilities is None else found.probabilities.shape[1],
    )
