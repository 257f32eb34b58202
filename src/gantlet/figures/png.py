"""PNG files of a study that may come from a stranger: plain files that are neither large nor behind a link."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from gantlet.files import read_regular

__all__ = ["UNREADABLE", "opened_png"]

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What opening or decoding a file raises that is not a PNG, or too large; one that is no plain file is a StoreError."""

_MOST_BYTES = 256 << 20
_MOST_PIXELS = 40_000_000


@contextmanager
def opened_png(path: Path) -> Generator[Image.Image]:
    """An image, not decoded yet.

    Raises:
        StoreError: It is missing, a link, a pipe or a device, or has more than 256 MiB.
        ValueError: It has more than 40 million pixels; or another of ``UNREADABLE``.
    """
    content = read_regular(path, most=_MOST_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit decides
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError("it is too large")
            yield image
