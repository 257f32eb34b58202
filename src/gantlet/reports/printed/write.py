"""``gantlet figure``: one figure of one study or several as a PDF, SVG or PNG file whose bytes depend on nothing but them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from gantlet.errors import BadValue, UnknownName
from gantlet.files import write_whole
from gantlet.places import check_free, user_path
from gantlet.reports.read import read_study

from . import get, names
from .base import SIZES, FigureRequest

__all__ = ["write_figure"]

_METADATA = {
    ".pdf": {"CreationDate": None, "Creator": "gantlet", "Producer": None},
    ".svg": {"Date": None, "Creator": "gantlet"},
    ".png": {"Software": "gantlet"},
}
_MARKS = {".pdf": b"/Creator (gantlet)", ".svg": b"<dc:title>gantlet</dc:title>", ".png": b"Software\0gantlet"}
"""What this metadata is in the bytes of a file, by which a figure of gantlet's is known."""
_WITHOUT_KEYS = ("curves", "bars", "profile", "ranking", "budget", "modes", "samples")
_DOTS = 300  # per inch, of a PNG
_SETTINGS: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "gantlet",
    "font.family": ["DejaVu Sans"],
}


def write_figure(
    folders: str | Path | Sequence[str | Path],
    name: str,
    out: str | Path,
    *,
    size: str = "column",
    metric: str = "",
    x: str = "",
    y: str = "",
) -> Path:
    """Draw a figure and write it; a figure of gantlet's that is there is replaced.

    Arguments:
        folders: A study folder, or several.
        name: ``curves``, ``profile``, ``ranking``, ``budget``, ``bars``, ``modes``, ``samples``, ``heatmap``, ``sweep``, or a
            figure of your own.
        out: FILE.pdf, FILE.svg or FILE.png; PNGs have 300 dots per inch.
        size: ``column`` (84 mm wide), ``page`` (173 mm) or ``slide`` (10 inches).
        metric: A column of the results; the task's headline if empty.
        x: A key of the grid such as ``lr``: of ``heatmap`` and ``sweep``.
        y: Another one: of ``heatmap``.

    Returns:
        The file that was written.

    Raises:
        UnknownName: There is no such figure, size or metric.
        BadValue: No folder was named, another kind of file was, or the studies lack what the figure shows.
        FolderInUse: There is a file that is no such figure.
        StoreError: A study cannot be read, or the file cannot be written.
    """
    paths, path = (
        [user_path(folder) for folder in ([folders] if isinstance(folders, (str, Path)) else folders)],
        user_path(out),
    )
    if not paths:
        raise BadValue("A figure needs at least one study folder; none was named.")
    if size not in SIZES:
        raise UnknownName("size", size, SIZES)
    if path.suffix.lower() not in _METADATA:
        raise BadValue(f"{out} (--out, or out= in Python) ends in none of .pdf, .svg and .png. Give FILE.pdf.")
    if name not in names() and ":" not in name:
        raise UnknownName("figure", name, names())
    if (x or y) and name in _WITHOUT_KEYS:
        raise BadValue(f"The figure {name} takes no --x and --y; heatmap and sweep do.")
    check_free(path, file=True, ours="figure", mark=_MARKS[path.suffix.lower()])
    figure = get(name)
    request = FigureRequest([read_study(folder) for folder in paths], metric, SIZES[size], x, y)
    file = io.BytesIO()
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        drawn = figure.draw(request)
        drawn.savefig(file, format=path.suffix[1:].lower(), dpi=_DOTS, metadata=_METADATA[path.suffix.lower()])
    write_whole(path, file.getvalue())
    return path
