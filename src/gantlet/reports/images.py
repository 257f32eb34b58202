"""Images of a study that may come from a stranger: PNG files that are neither large nor behind a link."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gantlet.errors import StoreError
from gantlet.figures.png import UNREADABLE, opened_png
from gantlet.files import inside

__all__ = ["read_image"]


def read_image(path: Path, within: Path) -> Image.Image | None:
    """An image below a study's folder, in grey or in colour.

    Arguments:
        path: The file.
        within: The study's folder.

    Returns:
        None where the file is missing, half written, too large, not a PNG, or a link: a report goes without it.
    """
    try:
        with opened_png(inside(within, *path.relative_to(within).parts)) as opened:
            return opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (StoreError, *UNREADABLE):
        return None
