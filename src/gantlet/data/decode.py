"""From an image's file to pixels: 8-bit colour or grey, whatever the file held, or one reason why not.

What every file becomes, in this order:

- The format is told by the first bytes, never by the name; of an animation, the first frame is taken.
- An image of more than ``most_pixels`` by its header is refused before any of it is decoded.
- 16-bit grey becomes round(v / 257), so that 65535 is 255; of 16-bit colour the upper byte is taken. Floating point is
  refused: its range is not known. CMYK (and YCCK) becomes R = (255 - C)(255 - K) / 255 and so on, YCbCr becomes RGB by
  ITU-R BT.601; colour profiles are not applied.
- Where there is transparency (alpha, a transparent palette entry or colour), it is blended over ``background``:
  round((a c + (255 - a) b) / 255).
- The orientation that EXIF (or XMP) states is applied.
- Colour becomes grey by the luma of ITU-R BT.601, (19595 R + 38470 G + 7471 B + 32768) / 65536 rounded down; grey
  becomes colour by three equal channels.

Legend: ``H`` x ``W`` pixels, ``C`` channels.

Reference:
    | Studio encoding parameters of digital television, Recommendation ITU-R BT.601-7 (2011), section 2.5.1
    | Exchangeable image file format for digital still cameras: Exif Version 2.32, CIPA DC-008 (2019), tag 0x0112
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from gantlet.errors import BadImage, BadValue

from .image_formats import format_of
from .readers.base import Raw

__all__ = ["MOST_PIXELS", "Decoding"]

MOST_PIXELS = 100_000_000
"""Images of more pixels are refused unless more are asked for: at four bytes a pixel this is 400 MB."""

# Pillow logs errors of damaged TIFFs beside raising them; without any handler, Python would print them.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Decoding:
    """How an image becomes pixels. Safe to call from several threads.

    Attributes:
        colour: Three channels, or one.
        background: What is behind transparent pixels: red, green and blue, each 0 to 255.
        most_pixels: Images of more pixels are refused.

    Example:
        >>> half_red = np.array([[[255, 0, 0, 128]]], dtype=np.uint8)
        >>> Decoding()(half_red)
        array([[[255, 127, 127]]], dtype=uint8)
        >>> Decoding(colour="grey", background=(0, 0, 0))(half_red)
        array([[[38]]], dtype=uint8)

    Raises:
        BadValue: A value out of its range.
    """

    colour: Literal["rgb", "grey"] = "rgb"
    background: tuple[int, int, int] = (255, 255, 255)
    most_pixels: int = MOST_PIXELS

    def __post_init__(self) -> None:
        if self.colour not in ("rgb", "grey"):
            raise BadValue(f"colour is 'rgb' or 'grey', not '{self.colour}'.")
        if len(self.background) != 3 or not all(0 <= part <= 255 for part in self.background):
            raise BadValue(f"background is three numbers from 0 to 255 (red, green, blue), not {self.background}.")
        if self.most_pixels < 1:
            raise BadValue(f"most_pixels is at least 1, not {self.most_pixels}.")

    def __call__(self, raw: Raw) -> NDArray[np.uint8]:
        """The image of an encoded file, or of pixels ``[H, W]`` or ``[H, W, 1 | 3 | 4]`` uint8: ``[H, W, C]``, C = 3 or 1.

        Raises:
            BadImage: It cannot be decoded, or must not be; the message is the reason.
        """
        image = self._opened(raw) if isinstance(raw, bytes) else _image_of(raw)
        wanted = "RGB" if self.colour == "rgb" else "L"
        if image.has_transparency_data:
            image = _over(image, self.background)
        if image.mode != wanted:
            image = image.convert(wanted)
        pixels = np.asarray(image)
        return pixels[:, :, None] if wanted == "L" else pixels

    def _opened(self, raw: bytes) -> Image.Image:
        """A file as an upright image of mode 1, L, RGB or any with transparency."""
        kind = format_of(raw)
        try:
            with _QUIET:
                image = kind.open(io.BytesIO(raw))
                self._check_size(*image.size)
                return _plain(image)
        except BadImage:
            raise
        # Pillow raises whatever a damaged file leads it to: OSError, SyntaxError, struct.error, zlib.error, MemoryError, …
        except Exception as error:
            raise BadImage(_reason(kind.name, error)) from error

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.most_pixels:
            raise BadImage(
                f"it has {width} × {height} = {width * height / 1e6:.1f} million pixels, more than the "
                f"{self.most_pixels / 1e6:g} million that are allowed; make it smaller"
            )


def _plain(image: ImageFile.ImageFile) -> Image.Image:
    """Decode, and do away with 16 bits, print colours and orientation."""
    deep = image.format == "PNG" and bool(image.tile) and image.tile[0][3] == "RGB;16B"
    image.load()
    with suppress(Exception):  # damaged metadata; the pixels are right
        ImageOps.exif_transpose(image, in_place=True)
    plain: Image.Image = image
    if image.mode.startswith("I"):
        plain = _eight_bits(image)
    elif image.mode == "F":
        raise BadImage("its pixels are floating point, whose range is not known; save it with 8 or 16 bits")
    elif image.mode not in ("1", "L", "RGB") and not image.has_transparency_data:
        plain = image.convert("RGB")
    if deep and "transparency" in plain.info:  # a 16-bit colour, while the pixels are upper bytes by now
        plain.info["transparency"] = tuple(part >> 8 for part in plain.info["transparency"])
    return plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8, with alpha if one of its values stands for transparency."""
    values = np.asarray(image).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise BadImage(f"its grey values reach from {low} to {high}; 16 bits hold 0 to 65535")
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 257 is odd: there are no ties to round
    if "transparency" in image.info:
        opaque = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
        grey.putalpha(Image.fromarray(opaque))
    return grey


def _over(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(image, mask=image)
    return canvas


def _image_of(pixels: NDArray[np.uint8]) -> Image.Image:
    shape = "×".join(map(str, pixels.shape))
    if pixels.dtype != np.uint8:
        raise BadImage(f"its pixels are {pixels.dtype}; expected uint8")
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if not pixels.size or not (flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] in (3, 4))):
        raise BadImage(f"its shape is {shape}; expected height × width, or height × width × 1, 3 or 4")
    return Image.fromarray(flat)


def _reason(name: str, error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, Image.DecompressionBombError):
        return f"it is beyond Pillow's own limit, which holds for {name} whatever most_pixels is ({said})"
    if isinstance(error, MemoryError):
        return f"its {name} data ask for more memory than there is"
    if isinstance(error, EOFError) or "truncated" in said.lower():
        return f"its {name} data are truncated"
    return f"its {name} data are damaged or of a kind that is not read ({said or type(error).__name__})"


class _Quiet:
    """Pillow's warnings kept silent while any thread decodes: what matters becomes a reason, the rest is noise.

    Filters of warnings belong to the process; so the first thread that enters sets them, the last that leaves puts
    them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(kind, error, trace)


_QUIET = _Quiet()
