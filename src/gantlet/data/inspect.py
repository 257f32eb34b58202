"""What is in a source of pictures: counts, modes, sizes, classes, exact duplicates, faults, and a contact sheet.

Every picture is decoded once; two are duplicates when their pixels, as :mod:`gantlet.data.decode` makes them, are the
same, whatever their files look like.

Legend: ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantlet.errors import BadData, BadPicture
from gantlet.files import write_whole

from .decode import Decoding
from .readers.base import Fault, Raw, Reader

__all__ = ["Inspection", "Look", "check_sheet", "contact_sheet", "inspect", "look", "spread_evenly", "write_sheet"]

_BATCH, _SHARE = 2048, 128  # pictures between two reports of progress, and at once for a thread
_MOST_ROWS = 20  # classes that get a row of their own on a contact sheet
_GREY = (128, 128, 128)
_ARRAY_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Look:
    """What one picture is.

    Attributes:
        mode: As Pillow calls it (``L``, ``P``, ``RGB``, ``RGBA``, …).
        format: Of its file (``PNG``, ``JPEG``, …); ``pixels`` where there is no file.
        height: In pixels, upright.
        width: The same.
        hash: Of the size and the decoded pixels.
    """

    mode: str
    format: str
    height: int
    width: int
    hash: bytes


@dataclass(frozen=True)
class Inspection:
    """What was found in a source.

    Attributes:
        pictures: How many it lists.
        looked: How many of them were decoded, those that failed included.
        parts: Pictures by part (empty for none).
        labels: Pictures by label, by falling number; empty where there are no labels.
        modes: Decoded pictures by mode.
        formats: Decoded pictures by format.
        sizes: Decoded pictures by (height, width), the most frequent first.
        duplicates: Names of pictures with the same pixels, one tuple for each group, the largest first.
        shared: How many of the test pictures are, pixel by pixel, among the training pictures.
        faults: What cannot be used, and why.
        facts: What the reader says of the source.
    """

    pictures: int
    looked: int
    parts: Mapping[str, int]
    labels: Mapping[str, int]
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    duplicates: Sequence[tuple[str, ...]]
    shared: int
    faults: Sequence[Fault]
    facts: Mapping[str, Any]

    @property
    def copies(self) -> int:
        """How many pictures could be left out without losing one."""
        return sum(len(group) - 1 for group in self.duplicates)

    def side(self, axis: int) -> tuple[int, float, int]:
        """The smallest, median and largest height (``axis`` 0) or width (1); zeros where nothing was decoded."""
        sides = [size[axis] for size, count in self.sizes.items() for _ in range(count)]
        return (min(sides), median(sides), max(sides)) if sides else (0, 0.0, 0)

    def record(self) -> dict[str, Any]:
        """Everything as JSON values."""
        sizes = [{"height": h, "width": w, "pictures": count} for (h, w), count in self.sizes.items()]
        return {
            "pictures": self.pictures,
            "looked": self.looked,
            "parts": dict(self.parts),
            "labels": dict(self.labels),
            "modes": dict(self.modes),
            "formats": dict(self.formats),
            "sizes": sizes,
            "height": dict(zip(("min", "median", "max"), self.side(0), strict=True)),
            "width": dict(zip(("min", "median", "max"), self.side(1), strict=True)),
            "duplicates": [list(group) for group in self.duplicates],
            "copies": self.copies,
            "test_in_train": self.shared,
            "faults": [{"name": fault.name, "reason": fault.reason} for fault in self.faults],
            "facts": dict(self.facts),
        }


def inspect(
    reader: Reader, *, most: int = 0, workers: int = 4, progress: Callable[[int, int], object] | None = None
) -> Inspection:
    """Look at a source's pictures: at all of them, or at ``most`` that are spread evenly over it (0 for all)."""
    count = len(reader.entries)
    places = spread_evenly(count, most or count)
    found: dict[int, Look] = {}
    faults = list(reader.faults)
    # Set once around all threads: filters of warnings belong to the process.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for start in range(0, len(places), _BATCH):
            batch = places[start : start + _BATCH]
            shares = [batch[first : first + _SHARE] for first in range(0, len(batch), _SHARE)]
            outcomes = [outcome for share in pool.map(partial(_try_all, reader), shares) for outcome in share]
            for place, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Look):
                    found[place] = outcome
                else:
                    faults.append(Fault(reader.entries[place].name, outcome))
            if progress is not None:
                progress(start + len(batch), len(places))
    duplicates, shared = _duplicates(reader, found)
    return Inspection(
        pictures=count,
        looked=len(places),
        parts=_counted(str(entry.part) for entry in reader.entries),
        labels=_counted(entry.label for entry in reader.entries if entry.label),
        modes=_counted(seen.mode for seen in found.values()),
        formats=_counted(seen.format for seen in found.values()),
        sizes=_counted((seen.height, seen.width) for seen in found.values()),
        duplicates=duplicates,
        shared=shared,
        faults=faults,
        facts=reader.facts,
    )


def look(raw: Raw) -> Look:
    """What a picture is, by its header and its pixels.

    Example:
        >>> seen = look(np.zeros((2, 3), dtype=np.uint8))
        >>> seen.mode, seen.format, seen.height, seen.width
        ('L', 'pixels', 2, 3)

    Raises:
        BadPicture: It cannot be decoded.
    """
    pixels = Decoding()(raw)
    height, width, _ = pixels.shape
    digest = hashlib.blake2b(f"{height}x{width}:".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    mode, kind = _header(raw)
    return Look(mode, kind, height, width, digest.digest())


def spread_evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, spread evenly, the first among them.

    Example:
        >>> spread_evenly(10, 4), spread_evenly(3, 4)
        ([0, 2, 5, 7], [0, 1, 2])
    """
    kept = min(count, most)
    return [place * count // kept for place in range(kept)]


# The contact sheet


def contact_sheet(reader: Reader, *, columns: int = 16, rows: int = 16, largest: int = 128) -> Image.Image:
    """Pictures side by side on grey: a row for each class where there are 2 to 20, else spread evenly over the source.

    A tile is as large as the largest picture on the sheet, at most ``largest``; what fits into it is shown pixel by
    pixel, in the middle, and what does not is reduced. A picture that cannot be decoded leaves its tile empty.

    Raises:
        BadData: Nothing on the sheet can be decoded.
    """
    titles, lines = _arrangement(reader, columns, rows)
    tiles = [[_tile(reader, place, largest) for place in line] for line in lines]
    shown = [tile for line in tiles for tile in line if tile is not None]
    if not shown:
        raise BadData("None of the pictures for the contact sheet can be decoded.")
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
        BadData: The name does not end in .png, or the file exists.
        StoreError: It cannot be written.
    """
    check_sheet(path)
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    write_whole(path, stream.getvalue())


def check_sheet(path: Path) -> None:
    """See to it that a contact sheet can have this name.

    Raises:
        BadData: It does not end in .png, or the file exists.
    """
    if path.suffix.lower() != ".png":
        raise BadData(f"The contact sheet is a PNG file; {path} does not end in .png.")
    if path.exists():
        raise BadData(f"{path} exists and is not overwritten; give another name.")


def _arrangement(reader: Reader, columns: int, rows: int) -> tuple[list[str], list[list[int]]]:
    """Titles of the rows, and the places of the pictures in each."""
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
    except BadPicture:
        return None
    if max(pixels.shape[:2]) <= largest:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _length(title: str) -> int:
    return int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(title)) + 1


# One picture


def _try_all(reader: Reader, places: Sequence[int]) -> list[Look | str]:
    return [_try(reader, place) for place in places]


def _try(reader: Reader, place: int) -> Look | str:
    try:
        return look(reader.read(place))
    except BadPicture as error:
        return str(error)


def _header(raw: Raw) -> tuple[str, str]:
    if not isinstance(raw, bytes):
        return _ARRAY_MODES[raw.shape[2] if raw.ndim == 3 else 1], "pixels"
    with Image.open(io.BytesIO(raw)) as image:
        return image.mode, image.format or "unknown"


def _duplicates(reader: Reader, found: Mapping[int, Look]) -> tuple[list[tuple[str, ...]], int]:
    """Groups of names with the same pixels; and test pictures that are also training pictures."""
    groups: dict[bytes, list[int]] = {}
    for place, seen in found.items():
        groups.setdefault(seen.hash, []).append(place)
    several = sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)
    shared = 0
    for group in several:
        parts = [reader.entries[place].part for place in group]
        shared += parts.count("test") if "train" in parts else 0
    return [tuple(reader.entries[place].name for place in group) for group in several], shared


def _counted(things: Any) -> dict[Any, int]:
    return dict(Counter(things).most_common())
