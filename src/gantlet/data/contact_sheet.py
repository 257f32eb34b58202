"""Contact sheets: images of a source side by side on one, a row for each class.

Legend: ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantlet.errors import BadData, BadImage
from gantlet.files import write_whole
from gantlet.places import check_free

from .decode import Decoding
from .inspect import spread_evenly
from .readers.base import Reader

__all__ = ["check_sheet", "contact_sheet", "write_sheet"]

_MOST_ROWS = 20  # classes that get a row of their own
_GREY = (128, 128, 128)


def contact_sheet(reader: Reader, *, columns: int = 16, rows: int = 16, largest: int = 128) -> Image.Image:
    """Images side by side on grey: a row for each class where there are 2 to 20, else spread evenly over the source.

    A tile is as large as the largest image on the sheet, at most ``largest``; what fits into it is shown pixel by
    pixel, in the middle, and what does not is reduced. An image that cannot be decoded leaves its tile empty.

    Raises:
        BadData: Nothing on the sheet can be decoded.
    """
    titles, lines = _arrangement(reader, columns, rows)
    tiles = [[_tile(reader, place, largest) for place in line] for line in lines]
    shown = [tile for line in tiles for tile in line if tile is not None]
    if not shown:
        raise BadData("None of the images for the contact sheet can be decoded.")
    height, width = (max(tile.shape[axis] for tile in shown) for axis in (0, 1))
    margin = 8 + max((_length(title) for title in titles), default=0) if any(titles) else 0
    size = (margin + max(map(len, lines)) * (width + 2) + 2, len(lines) * (height + 2) + 2)
    sheet = Image.new("RGB", size, _GREY)
    draw = ImageDraw.Draw(sheet)
    for row, (title, line) in enumerate(zip(titles, tiles, strict=True)):
        top = 2 + row * (height + 2)
        draw.text((4, top + height // 2), title, fill=(255, 255, 255), anchor="lm")
        for column, tile in enumerate(line):
            if tile is not None:
                left = margin + 2 + column * (width + 2)
                inside = (left + (width - tile.shape[1]) // 2, top + (height - tile.shape[0]) // 2)
                sheet.paste(Image.fromarray(tile), inside)
    return sheet


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a contact sheet as PNG.

    Raises:
        BadData: The name does not end in .png.
        FolderInUse: There is something of this name.
        StoreError: It cannot be written.
    """
    check_sheet(path)
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    write_whole(path, stream.getvalue())


def check_sheet(path: Path) -> None:
    """See to it that a contact sheet can have this name.

    Raises:
        BadData: It does not end in .png.
        FolderInUse: There is something of this name.
    """
    if path.suffix.lower() != ".png":
        raise BadData(f"The contact sheet is a PNG file; {path} does not end in .png.")
    check_free(path, file=True, option="--sheet")


def _arrangement(reader: Reader, columns: int, rows: int) -> tuple[list[str], list[list[int]]]:
    """Titles of the rows, and the places of the images in each."""
    by_label: dict[str, list[int]] = {}
    for place, entry in enumerate(reader.entries):
        by_label.setdefault(entry.label, []).append(place)
    if 2 <= len(by_label) <= _MOST_ROWS:
        titles = sorted(by_label)
        return titles, [[by_label[title][k] for k in spread_evenly(len(by_label[title]), columns)] for title in titles]
    places = spread_evenly(len(reader.entries), columns * rows)
    lines = [places[start : start + columns] for start in range(0, len(places), columns)]
    return [""] * len(lines), lines


def _tile(reader: Reader, place: int, largest: int) -> NDArray[np.uint8] | None:
    try:
        pixels = Decoding()(reader.read(place))
    except BadImage:
        return None
    if max(pixels.shape[:2]) <= largest:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _length(title: str) -> int:
    return int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(title)) + 1
