"""Which image formats are read: how each begins, how its files' names end, and who decodes it. One table for all.

The decoder goes by the first bytes, folders and archives by the endings. Nothing is imported before it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gantlet.errors import BadImage

__all__ = ["NOT_READ", "ImageFormat", "format_of", "image_extensions"]


@dataclass(frozen=True)
class ImageFormat:
    """A format of image files.

    Attributes:
        name: As people call it.
        decoder: Who decodes it, as ``module:Class``: a class that is made from an open file.
        extensions: Lower-case endings of names, without the dot.
        starts: How its files begin.
        brands: For the containers that begin with a box ``ftyp``: the brands that stand in it.
        package: What brings the decoder, where that is not Pillow.
    """

    name: str
    decoder: str
    extensions: tuple[str, ...]
    starts: tuple[bytes, ...] = ()
    brands: frozenset[bytes] = frozenset()
    package: str = ""

    def begins(self, content: bytes) -> bool:
        """Whether a file with this content is of this format."""
        if self.brands:
            return content[4:8] == b"ftyp" and not self.brands.isdisjoint(_brands(content))
        return content.startswith(self.starts) and (self.name != "WebP" or content[8:12] == b"WEBP")

    @property
    def available(self) -> bool:
        """Whether the package that decodes it is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def open(self, file: Any) -> Any:
        """Open a file as an image of Pillow's, which decodes it when it is loaded.

        Raises:
            BadImage: The package that decodes it is missing.
        """
        return _decoder(self)(file)


_FORMATS = (
    ImageFormat("JPEG", "PIL.JpegImagePlugin:JpegImageFile", ("jfif", "jpe", "jpeg", "jpg"), (b"\xff\xd8\xff",)),
    ImageFormat("PNG", "PIL.PngImagePlugin:PngImageFile", ("png",), (b"\x89PNG\r\n\x1a\n",)),
    ImageFormat("WebP", "PIL.WebPImagePlugin:WebPImageFile", ("webp",), (b"RIFF",)),
    ImageFormat("GIF", "PIL.GifImagePlugin:GifImageFile", ("gif",), (b"GIF87a", b"GIF89a")),
    ImageFormat("BMP", "PIL.BmpImagePlugin:BmpImageFile", ("bmp",), (b"BM",)),
    ImageFormat(
        "TIFF",
        "PIL.TiffImagePlugin:TiffImageFile",
        ("tif", "tiff"),
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ),
    ImageFormat(
        "Netpbm",
        "PIL.PpmImagePlugin:PpmImageFile",
        ("pbm", "pgm", "pnm", "ppm"),
        tuple(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\r\n#"),
    ),
    ImageFormat("AVIF", "PIL.AvifImagePlugin:AvifImageFile", ("avif",), brands=frozenset({b"avif", b"avis"})),
    ImageFormat(
        "HEIC",
        "pillow_heif.as_plugin:HeifImageFile",
        ("heic", "heif"),
        brands=frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}),
        package="pillow_heif",
    ),
)

NOT_READ: Mapping[str, str] = {
    **dict.fromkeys((".heic", ".heif"), "HEIC, as phones write it: pip install 'gantlet[heic]'"),
    **dict.fromkeys(
        (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"), "raw files of cameras: develop them to PNG"
    ),
    **dict.fromkeys((".jp2", ".j2k", ".jxl", ".jxr"), "JPEG 2000, XL or XR: convert them to PNG"),
    **dict.fromkeys((".exr", ".hdr", ".pfm"), "floating point: convert them to 16-bit PNG"),
    **dict.fromkeys((".psd", ".xcf", ".ai", ".eps", ".svg"), "documents of drawing programs: export them as PNG"),
    ".pdf": "documents: export their pages as PNG",
    **dict.fromkeys((".dcm", ".nii"), "medical images: convert them to 16-bit PNG"),
    **dict.fromkeys((".avi", ".mkv", ".mov", ".mp4", ".webm"), "videos: extract their frames"),
}
"""Endings of files that hold images and are not read (HEIC without its package), what they are, and what to do."""


def format_of(content: bytes) -> ImageFormat:
    """The format of an image file, told by its first bytes, never by its name.

    Example:
        >>> format_of(b"P5 2 1 255\\n").name
        'Netpbm'

    Raises:
        BadImage: It is empty, or of a format that is not read.
    """
    known = next((each for each in _FORMATS if each.begins(content)), None)
    if known is not None:
        return known
    if not content:
        raise BadImage("it is empty (0 bytes)")
    names = ", ".join(each.name for each in _FORMATS)
    raise BadImage(f"it is not an image of a format that is read ({names}): it starts with {content[:8].hex(' ')}")


@cache
def image_extensions() -> frozenset[str]:
    """Lower-case endings of names that are taken for images; those of HEIC only where it can be decoded."""
    return frozenset(f".{ending}" for each in _FORMATS if each.available for ending in each.extensions)


def _brands(content: bytes) -> set[bytes]:
    """The brands of the box ``ftyp``: the main one, then, after a version, those that it is compatible with."""
    end = min(int.from_bytes(content[:4], "big"), len(content), 256)
    return {content[8:12], *(content[at : at + 4] for at in range(16, end - 3, 4))}


def _decoder(kind: ImageFormat) -> Callable[[Any], Any]:
    module, _, name = kind.decoder.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        remedy = "pip install 'gantlet[heic]'" if kind.package else "install a Pillow of version 11.3 or later"
        raise BadImage(f"its format {kind.name} is not read by what is installed here: {remedy}") from error
