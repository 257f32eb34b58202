"""From images of any size to images of one size: crop, pad or stretch, then resample.

Let the image be ``H`` x ``W`` and the target ``h`` x ``w``.

- ``center_crop=N`` first keeps the N x N pixels in the middle.
- ``crop`` keeps the largest part in the middle that has the target's shape: of an image that is too wide
  floor(H w / h) columns, of one that is too high floor(W h / w) rows.
- ``pad`` scales the whole image by min(h / H, w / W), sides rounded, and fills the rest with the background.
- ``stretch`` scales height and width apart.

What is left over in the middle of an odd remainder: the offset is floor(remainder / 2), so the right or lower margin is
the larger one, for crops as for pads. An image that has its size already comes out byte for byte.

``antialias`` is Pillow's Lanczos filter (three lobes), whose support grows with the factor by which an image shrinks, so
that every source pixel counts; it is what the data-set tools of StyleGAN and EDM use. ``nearest2`` takes every second
pixel, ``x[::2, ::2]``: what the bilinear resizing of TensorFlow 1 comes to at exactly half the size.

Legend: ``C`` channels, 1 or 3.

Reference:
    | On Aliased Resizing and Surprising Subtleties in GAN Evaluation (Parmar, Zhang, Zhu, 2022), https://arxiv.org/abs/2104.11222
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantlet.errors import BadImage, BadValue

__all__ = ["Resize"]

_Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Resize:
    """How pixels are brought to one size.

    Attributes:
        height: Pixels of the result, from top to bottom.
        width: Pixels of the result, from left to right.
        mode: What gives way when the shapes differ: the margins (``crop``), the rest (``pad``) or the proportions (``stretch``).
        center_crop: Side of the square that is cut out of the middle first; 0 for none.
        resample: ``antialias``, or ``nearest2``, which halves and does nothing else.
        enlarge: Whether an image that is too small is enlarged; otherwise it is a bad one.
        background: What ``pad`` fills with: red, green and blue, each 0 to 255; its luma for grey images.

    Example:
        >>> wide = np.arange(8, dtype=np.uint8).reshape(2, 4, 1)
        >>> Resize(2, 2)(wide)
        array([[[1, 2],
                [5, 6]]], dtype=uint8)
        >>> Resize(1, 2, resample="nearest2")(wide)
        array([[[0, 2]]], dtype=uint8)

    Raises:
        BadValue: A value out of its range.
    """

    height: int
    width: int
    mode: Literal["crop", "pad", "stretch"] = "crop"
    center_crop: int = 0
    resample: Literal["antialias", "nearest2"] = "antialias"
    enlarge: bool = True
    background: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise BadValue(f"height and width are at least 1, not {self.height} and {self.width}.")
        if self.mode not in ("crop", "pad", "stretch"):
            raise BadValue(f"resize is 'crop', 'pad' or 'stretch', not '{self.mode}'.")
        if self.center_crop < 0:
            raise BadValue(f"center_crop is the side of a square in pixels, or 0 for none, not {self.center_crop}.")
        if self.resample not in ("antialias", "nearest2"):
            raise BadValue(f"resample is 'antialias' or 'nearest2', not '{self.resample}'.")
        if len(self.background) != 3 or not all(0 <= part <= 255 for part in self.background):
            raise BadValue(f"background is three numbers from 0 to 255 (red, green, blue), not {self.background}.")

    def __call__(self, pixels: _Pixels) -> _Pixels:
        """One image in the wanted size: ``[H, W, C]`` uint8 -> ``[C, height, width]`` uint8, in memory of its own.

        Raises:
            BadImage: It is smaller than the centre crop on either side, would have to be enlarged but must not be, or is not
                twice the size that ``nearest2`` halves to; the message is the reason.
        """
        resized = self._fitted(self._center_cropped(pixels))
        return np.array(resized.transpose(2, 0, 1), order="C")

    def _center_cropped(self, pixels: _Pixels) -> _Pixels:
        height, width, _ = pixels.shape
        side = self.center_crop
        if not side:
            return pixels
        if height < side or width < side:
            raise BadImage(f"it is {_size(height, width)}, smaller than the crop of {_size(side, side)}")
        return _middle(pixels, side, side)

    def _fitted(self, pixels: _Pixels) -> _Pixels:
        height, width, _ = pixels.shape
        if (height, width) == (self.height, self.width):
            return pixels
        if self.mode == "crop":
            # Whole numbers only: the part is never larger than the image, and at least a pixel.
            part = _middle(
                pixels,
                min(height, max(1, width * self.height // self.width)),
                min(width, max(1, height * self.width // self.height)),
            )
            return self._resampled(part, self.height, self.width)
        if self.mode == "stretch":
            return self._resampled(pixels, self.height, self.width)
        scale = min(self.height / height, self.width / width)
        inner = self._resampled(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
        return self._padded(inner)

    def _padded(self, inner: _Pixels) -> _Pixels:
        height, width, channels = inner.shape
        colour = self.background if channels == 3 else (_luma(*self.background),)
        resized = np.empty((self.height, self.width, channels), dtype=np.uint8)
        resized[...] = colour
        top, left = (self.height - height) // 2, (self.width - width) // 2
        resized[top : top + height, left : left + width] = inner
        return resized

    def _resampled(self, pixels: _Pixels, height: int, width: int) -> _Pixels:
        came_height, came_width, channels = pixels.shape
        if (came_height, came_width) == (height, width):
            return pixels
        if not self.enlarge and (came_height < height or came_width < width):
            raise BadImage(f"it is {_size(came_height, came_width)}, smaller than the target of {_size(height, width)}")
        if self.resample == "nearest2":
            if (came_height, came_width) != (2 * height, 2 * width):
                came, wanted = _size(came_height, came_width), _size(2 * height, 2 * width)
                raise BadImage(f"it is {came}; nearest2 takes every second pixel and wants {wanted}")
            return pixels[::2, ::2]
        image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)).reshape(height, width, channels)


def _middle(pixels: _Pixels, height: int, width: int) -> _Pixels:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _luma(red: int, green: int, blue: int) -> int:
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16  # as in gantlet.data.decode


def _size(height: int, width: int) -> str:
    return f"{height} × {width} pixels"
