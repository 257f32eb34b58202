"""What the readers of fixed layouts share: lists that hold no object per picture, stacks of pixels, names of parts.

Legend: ``N`` pictures, ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final, overload

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

from .base import Entry, Part

__all__ = ["Labels", "Listing", "Stack", "Stacks", "as_pixels", "check_folder", "named_labels", "part_of", "read_text"]

_TRAIN = frozenset({"train", "training"})
_TEST = frozenset({"test", "testing", "t10k", "val", "valid", "validation", "dev", "eval"})
_LONGEST_TEXT = 2**28  # bytes; CelebA's list of 202,599 names has 3 million


def part_of(*names: str) -> Part:
    """The part that a file, folder or split of these names belongs to; the first that says so decides.

    A validation part counts as ``test``: neither is trained on.

    Example:
        >>> part_of("train-00000-of-00001.parquet"), part_of("bedroom_val_lmdb"), part_of("faces", "test")
        ('train', 'test', 'test')
        >>> part_of("trains-of-europe")
        ''
    """
    words = [word for name in names for word in re.split(r"[^a-z0-9]+", name.lower())]
    said = next((word for word in words if word in _TRAIN | _TEST), "")
    return "train" if said in _TRAIN else "test" if said else ""


@final
class Listing(Sequence[Entry]):
    """Entries that are made when they are asked for.

    Arguments:
        count: How many there are.
        make: The entry at a place ``0 <= place < count``.

    Example:
        >>> Listing(3, lambda place: Entry(str(place)))[-1]
        Entry(name='2', label='', part='')
    """

    def __init__(self, count: int, make: Callable[[int], Entry]) -> None:
        self._places = range(count)
        self._make = make

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self._make(place) for place in self._places[index]]
        return self._make(self._places[index])


@dataclass(frozen=True)
class Labels:
    """The class of each picture as a number, and what the classes are called.

    Attributes:
        codes: ``[N]`` int64; below 0 for none.
        names: By code; empty where the classes have only numbers.
    """

    codes: NDArray[np.int64]
    names: Sequence[str] = ()

    def __getitem__(self, place: int) -> str:
        code = int(self.codes[place])
        return "" if code < 0 else self.names[code] if self.names else str(code)


def named_labels(codes: NDArray[Any], names: Sequence[str], *, count: int, source: str) -> Labels:
    """Labels that were checked: one for each of ``count`` pictures, each with a name where there are names.

    Raises:
        BadData: Too few, too many, no whole numbers, or numbers that have no name; with the counts.
    """
    if codes.ndim == 2 and 1 in codes.shape:
        codes = codes.reshape(-1)
    if codes.dtype.kind not in "iu" or codes.ndim != 1:
        raise BadData(f"{source} holds labels {list(codes.shape)} of {codes.dtype}; expected whole numbers, [{count}].")
    if len(codes) != count:
        raise BadData(f"{source} holds {len(codes)} labels for {count} pictures; they must agree.")
    nameless = int(np.count_nonzero((codes >= len(names)) | (codes < -1))) if names else 0
    if nameless:
        raise BadData(f"{source}: {nameless} of {count} labels are outside the {len(names)} classes that have a name.")
    return Labels(codes.astype(np.int64), list(names))


@dataclass(frozen=True)
class Stack:
    """Pictures of one size, in memory or mapped into it.

    Attributes:
        name: Precedes the number in each picture's name, as ``name/17``; empty for the number alone.
        pixels: ``[N, H, W]`` or ``[N, H, W, C]``, uint8; any strides.
        labels: One for each, or None.
        part: To which all of them belong.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: Labels | None = None
    part: Part = ""

    def entry(self, place: int) -> Entry:
        """What the picture at ``place`` is called."""
        name = f"{self.name}/{place}" if self.name else str(place)
        return Entry(name, "" if self.labels is None else self.labels[place], self.part)


@final
class Stacks:
    """Several stacks, one behind the other, as a reader's entries and pixels."""

    def __init__(self, stacks: Sequence[Stack]) -> None:
        self._stacks = list(stacks)
        self._starts = np.cumsum([0, *(len(stack.pixels) for stack in stacks)])
        self.entries = Listing(int(self._starts[-1]), self._entry)

    def read(self, place: int) -> NDArray[np.uint8]:
        """A copy of the pixels at ``place``, ``[H, W]`` or ``[H, W, C]``, contiguous."""
        stack, within = self._find(place)
        return np.array(stack.pixels[within], order="C")

    def facts(self, layout: str) -> Mapping[str, Any]:
        """Layout and counts, for the report."""
        counts = {part or "undivided": 0 for part in (stack.part for stack in self._stacks)}
        for stack in self._stacks:
            counts[stack.part or "undivided"] += len(stack.pixels)
        sizes = sorted({tuple(stack.pixels.shape[1:]) for stack in self._stacks})
        return {"layout": layout, "pictures": len(self.entries), **counts, "sizes": [list(size) for size in sizes]}

    def _entry(self, place: int) -> Entry:
        stack, within = self._find(place)
        return stack.entry(within)

    def _find(self, place: int) -> tuple[Stack, int]:
        index = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._stacks[index], place - int(self._starts[index])


def check_folder(path: Path, *, wanted: str) -> None:
    """See to it that ``path`` is a folder with something in it; ``wanted`` says what should lie there.

    Raises:
        BadData: It is missing, a file, empty, or cannot be listed.
    """
    try:
        if not path.is_dir():
            reason = "is a file" if path.exists() else "does not exist"
            raise BadData(f"{path} {reason}; expected a folder with {wanted}.")
        if next(path.iterdir(), None) is None:
            raise BadData(f"The folder {path} is empty; expected {wanted}.")
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be listed: {error}.") from error


def read_text(path: Path) -> str:
    """A small text file, UTF-8, with any line ends.

    Raises:
        BadData: It is missing, unreadable, larger than 256 MiB, or no UTF-8 text.
    """
    try:
        if path.stat().st_size > _LONGEST_TEXT:
            raise BadData(f"{path} has {path.stat().st_size} bytes, too many for a list of names.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is no UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be read: {error}.") from error


def as_pixels(values: NDArray[Any], source: str) -> NDArray[np.uint8]:
    """``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]`` of uint8 as ``[N, H, W]`` or ``[N, H, W, C]``, without a copy.

    C is 1, 3 or 4.

    Raises:
        BadData: Another type or shape, or one that can be read in two ways.
    """
    shape = list(values.shape)
    if values.dtype != np.uint8:
        raise BadData(f"{source} holds {values.dtype}; pictures are uint8, 0 to 255. Scale, round and save them so.")
    pixels = cast("NDArray[np.uint8]", values)
    if pixels.ndim == 3 and 0 not in shape:
        return pixels
    first, last = (pixels.ndim == 4 and shape[axis] in (1, 3, 4) for axis in (1, 3))
    if first and last:
        raise BadData(f"{source} has the shape {shape}, with channels first or last; pad the pictures.")
    if not (first or last) or 0 in shape:
        raise BadData(
            f"{source} has the shape {shape}; expected [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1, 3 or 4."
        )
    return np.moveaxis(pixels, 1, 3) if first else pixels
