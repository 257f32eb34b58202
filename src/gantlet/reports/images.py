"""Images of a study that may come from a stranger: PNG files that are neither large nor behind a link."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image

from gantlet.errors import Damaged, StoreError
from gantlet.files import inside, read_regular

__all__ = ["read_image"]

_MOST_PIXELS = 40_000_000
_MOST_BYTES = 256 << 20


def read_image(path: Path, within: Path) -> Image.Image | None:
    """An image below a study's folder, in grey or in colour.

    Arguments:
        path: The file.
        within: The study's folder.

    Returns:
        None where the file is missing, half written, too large, not a PNG, or a link: a report goes without it.
    """
    try:
        content = read_regular(inside(within, *path.relative_to(within).parts), most=_MOST_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    return None
                return opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (Damaged, StoreError, OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None
