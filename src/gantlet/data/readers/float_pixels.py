"""Images of floating point, as tools of the field save them: in [0, 1] or in [-1, 1].

Legend: ``N`` images, ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.array_files import as_float32, check_finite
from gantlet.errors import BadData

__all__ = ["FloatPixels", "float_pixels"]

_ROUNDING = 1e-4  # how far beyond its range a value may be, as resizing leaves it


@dataclass(frozen=True)
class FloatPixels:
    """Images in [-1, 1], which are 8-bit images one at a time and keep their exact values as a whole.

    Attributes:
        values: ``[N, H, W]`` or ``[N, H, W, C]``, float32 in [-1, 1].
        scale: The range that was found in the file.

    Example:
        >>> FloatPixels(np.array([[[-1, 0, 1]]], dtype=np.float32), "[-1, 1]")[0]
        array([[  0, 128, 255]], dtype=uint8)
    """

    values: NDArray[np.float32]
    scale: str

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W)`` or ``(N, H, W, C)``."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> NDArray[np.uint8]:
        return np.rint((self.values[place] + 1) * 127.5).astype(np.uint8)


def float_pixels(values: NDArray[Any], source: str) -> FloatPixels:
    """Images of any floating-point type, ``[N, H, W]`` or ``[N, H, W, C]`` with C = 1 or 3.

    A value below 0 means [-1, 1].

    Raises:
        BadData: Values that are not finite or in neither range, or transparency.
    """
    if values.shape[3:] == (4,):
        raise BadData(
            f"{source} has four channels of floating point; expected 1 or 3. Blend the images over a background, or save "
            "them as uint8, whose transparency is understood."
        )
    check_finite(values, source)
    low, high = values.min(), values.max()
    if low < -1 - _ROUNDING or high > 1 + _ROUNDING:
        hint = " Divide by 255, or save as uint8." if low >= 0 and high <= 255 else ""
        raise BadData(f"{source} has pixels from {low:g} to {high:g}; expected [0, 1] or [-1, 1].{hint}")
    pixels = as_float32(values, source)
    if low < -_ROUNDING:
        return FloatPixels(pixels.clip(-1, 1), "[-1, 1]")
    return FloatPixels(pixels.clip(0, 1) * np.float32(2) - np.float32(1), "[0, 1]")
