"""What is in a source of images, and what to know before training: counts, sizes, value ranges, duplicates, faults.

Every image is decoded once; two are duplicates when their pixels, as :mod:`gantlet.data.decode` makes them, are the
same, whatever their files look like. What cannot be decoded is counted as a fault and nowhere else.

Legend: ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from PIL import ImageFile

from gantlet.errors import BadImage

from .decode import Decoding
from .image_formats import NOT_READ, format_of
from .readers.base import Fault, Raw, Reader

__all__ = ["Inspection", "Look", "inspect", "look", "spread_evenly"]

_BATCH, _SHARE = 2048, 128  # images between two reports of progress, and at once for a thread
_HALF_DEEP = 1 << 15  # 16-bit grey below it is half as bright as it could be, or less
_DARK, _FLAT, _BLACK = 64, 96, 8  # 8-bit values: all images dark; too little contrast; one image black
_ARRAY_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Look:
    """What one image is.

    Attributes:
        mode: As Pillow calls it (``L``, ``P``, ``RGB``, ``RGBA``, …).
        format: Of its file (``PNG``, ``JPEG``, …); ``pixels`` where there is no file.
        height: In pixels, upright.
        width: The same.
        hash: Of the size and the decoded pixels.
        low: The smallest value of a decoded pixel, 0 to 255.
        high: The largest.
        deep: The largest value in a file of 16 bits a channel of grey, 0 to 65535; -1 for other files.
    """

    mode: str
    format: str
    height: int
    width: int
    hash: bytes
    low: int
    high: int
    deep: int = -1


@dataclass(frozen=True)
class Inspection:
    """What was found in a source. Images that cannot be decoded are in ``faults`` alone.

    Attributes:
        pictures: How many usable images it lists.
        looked: How many were tried, those that failed included.
        unreadable: How many of these could not be decoded.
        parts: Images by part (empty for none).
        labels: Images by label, by falling number; empty where there are no labels.
        modes: Decoded images by mode.
        formats: Decoded images by format.
        sizes: Decoded images by (height, width), the most frequent first.
        values: The smallest and the largest value of all decoded pixels; (0, 0) where nothing was decoded.
        duplicates: Names of images with the same pixels, one tuple for each group, the largest first.
        shared: How many of the test images are, pixel by pixel, among the training images.
        skipped: Files that are not taken for images, by ending.
        faults: What cannot be used, and why.
        advice: What to know before training, a sentence each; empty if nothing.
        facts: What the reader says of the source.
    """

    pictures: int
    looked: int
    unreadable: int
    parts: Mapping[str, int]
    labels: Mapping[str, int]
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    values: tuple[int, int]
    duplicates: Sequence[tuple[str, ...]]
    shared: int
    skipped: Mapping[str, int]
    faults: Sequence[Fault]
    advice: Sequence[str]
    facts: Mapping[str, Any]

    @property
    def copies(self) -> int:
        """How many images could be left out without losing one."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def fault_share(self) -> float:
        """The share of faults among all that the source holds, in [0, 1]; an estimate where not all were tried."""
        listed, outside = self.pictures + self.unreadable, len(self.faults) - self.unreadable
        return (outside + self.unreadable * listed / max(1, self.looked)) / max(1, listed + outside)

    @property
    def max_corrupt(self) -> float:
        """The smallest ``max_corrupt``, of four decimals, with which this source can be trained on."""
        return math.ceil(10_000 * self.fault_share) / 10_000

    def side(self, axis: int) -> tuple[int, float, int]:
        """The smallest, median and largest height (``axis`` 0) or width (1); zeros where nothing was decoded."""
        sides = [size[axis] for size, count in self.sizes.items() for _ in range(count)]
        return (min(sides), median(sides), max(sides)) if sides else (0, 0.0, 0)

    def record(self) -> dict[str, Any]:
        """Everything as JSON values."""
        sizes = [{"height": h, "width": w, "images": count} for (h, w), count in self.sizes.items()]
        return {
            "images": self.pictures,
            "looked": self.looked,
            "unreadable": self.unreadable,
            "parts": dict(self.parts),
            "labels": dict(self.labels),
            "modes": dict(self.modes),
            "formats": dict(self.formats),
            "sizes": sizes,
            "height": dict(zip(("min", "median", "max"), self.side(0), strict=True)),
            "width": dict(zip(("min", "median", "max"), self.side(1), strict=True)),
            "values": dict(zip(("min", "max"), self.values, strict=True)),
            "duplicates": [list(group) for group in self.duplicates],
            "copies": self.copies,
            "test_in_train": self.shared,
            "skipped": dict(self.skipped),
            "faults": [{"name": fault.name, "reason": fault.reason} for fault in self.faults],
            "fault_share": self.fault_share,
            "max_corrupt": self.max_corrupt,
            "advice": list(self.advice),
            "facts": dict(self.facts),
        }


def inspect(
    reader: Reader, *, most: int = 0, workers: int = 4, progress: Callable[[int, int], object] | None = None
) -> Inspection:
    """Look at a source's pictures: at all of them, or at ``most`` that are spread evenly over it (0 for all)."""
    count = len(reader.entries)
    places = spread_evenly(count, most or count)
    found: dict[int, Look] = {}
    failed: dict[int, Fault] = {}
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
                    failed[place] = Fault(reader.entries[place].name, outcome)
            if progress is not None:
                progress(start + len(batch), len(places))
    duplicates, shared = _duplicates(reader, found)
    usable = [entry for place, entry in enumerate(reader.entries) if place not in failed]
    skipped: Mapping[str, int] = reader.facts.get("skipped", {})
    return Inspection(
        pictures=len(usable),
        looked=len(places),
        unreadable=len(failed),
        parts=_counted(str(entry.part) for entry in usable),
        labels=_counted(entry.label for entry in usable if entry.label),
        modes=_counted(seen.mode for seen in found.values()),
        formats=_counted(seen.format for seen in found.values()),
        sizes=_counted((seen.height, seen.width) for seen in found.values()),
        values=_range(found.values()),
        duplicates=duplicates,
        shared=shared,
        skipped=skipped,
        faults=[*reader.faults, *failed.values()],
        advice=[*_on_values([*found.values()]), *_on_faults(failed.values()), *_on_skipped(skipped)],
        facts=reader.facts,
    )


def look(raw: Raw) -> Look:
    """What an image is, by its header and its pixels.

    Example:
        >>> seen = look(np.zeros((2, 3), dtype=np.uint8))
        >>> seen.mode, seen.format, seen.height, seen.width
        ('L', 'pixels', 2, 3)

    Raises:
        BadImage: It cannot be decoded.
    """
    pixels = Decoding()(raw)
    height, width, _ = pixels.shape
    digest = hashlib.blake2b(f"{height}x{width}:".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    mode, kind, deep = _header(raw)
    return Look(mode, kind, height, width, digest.digest(), int(pixels.min()), int(pixels.max()), deep)


def spread_evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, spread evenly, the first among them.

    Example:
        >>> spread_evenly(10, 4), spread_evenly(3, 4)
        ([0, 2, 5, 7], [0, 1, 2])
    """
    kept = min(count, most)
    return [place * count // kept for place in range(kept)]


# One image


def _try_all(reader: Reader, places: Sequence[int]) -> list[Look | str]:
    return [_try(reader, place) for place in places]


def _try(reader: Reader, place: int) -> Look | str:
    try:
        return look(reader.read(place))
    except BadImage as error:
        return str(error)


def _header(raw: Raw) -> tuple[str, str, int]:
    """Mode and format, and the largest value of 16-bit grey (else -1)."""
    if not isinstance(raw, bytes):
        return _ARRAY_MODES[raw.shape[2] if raw.ndim == 3 else 1], "pixels", -1
    kind = format_of(raw)
    image: ImageFile.ImageFile = kind.open(io.BytesIO(raw))
    deep = int(np.asarray(image).max()) if image.mode.startswith("I") else -1
    return image.mode, image.format or kind.name, deep


# What to know before training


def _range(looks: Iterable[Look]) -> tuple[int, int]:
    seen = [(look.low, look.high) for look in looks]
    return (min(low for low, _ in seen), max(high for _, high in seen)) if seen else (0, 0)


def _on_values(looks: Sequence[Look]) -> Iterator[str]:
    """What will look black, or washed out."""
    low, high = _range(looks)
    deep = max((look.deep for look in looks), default=-1)
    if 0 <= deep < _HALF_DEEP:
        yield (
            f"The 16-bit images use values only up to {deep:,} of 65,535: as 8-bit they reach {round(deep / 257)} of 255 "
            "and will look black. Multiply them to fill 16 bits."
        )
    elif looks and high < _DARK:
        yield f"The brightest pixel of all is {high} of 255: the images will look black. Scale them to 0 to 255."
    if looks and high >= _DARK and high - low < _FLAT:
        yield f"All pixels are between {low} and {high} of 255: the images will look washed out. Stretch their contrast."
    dark = sum(look.high < _BLACK for look in looks)
    if dark and high >= _DARK:
        yield f"{dark:,} of {len(looks):,} images are black (no pixel above {_BLACK - 1} of 255)."
    plain = sum(look.low == look.high >= _BLACK for look in looks)
    if plain:
        yield f"{plain:,} of {len(looks):,} images are of one single value."


def _on_faults(faults: Collection[Fault]) -> Iterator[str]:
    floating = sum("floating point" in fault.reason for fault in faults)
    if floating:
        yield f"{floating:,} images hold floating-point values and are not used: save them with 8 or 16 bits."


def _on_skipped(skipped: Mapping[str, int]) -> Iterator[str]:
    for ending, count in skipped.items():
        if what := NOT_READ.get(ending):
            yield f"{count:,} files {ending} are skipped ({what})."


def _duplicates(reader: Reader, found: Mapping[int, Look]) -> tuple[list[tuple[str, ...]], int]:
    """Groups of names with the same pixels; and test images that are also training images."""
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
