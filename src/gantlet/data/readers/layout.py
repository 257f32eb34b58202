"""What the readers of fixed layouts share: entries that are made when asked for, places in files, names of parts, small text files."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Literal, TypeAlias, final, overload

from gantlet.errors import BadData

from .base import Entry, Part

__all__ = ["PARTS_BY_NAME", "Consecutive", "LazyEntries", "Said", "check_folder", "part_of", "read_text", "settled"]

Said: TypeAlias = Literal["", "train", "test", "val"]
"""Which part a name speaks of; empty for none."""

PARTS_BY_NAME: Mapping[str, Said] = {
    **dict[str, Said].fromkeys(("train", "training"), "train"),
    **dict[str, Said].fromkeys(("test", "testing", "t10k"), "test"),
    **dict[str, Said].fromkeys(("val", "valid", "validation"), "val"),
}
"""What files, folders, splits and arrays are called that belong to a part."""

_LONGEST_TEXT = 2**28  # bytes; CelebA's list of 202,599 names has 3 million


def part_of(name: str, folder: str = "") -> Said:
    """The part that a file, split or array of this name belongs to, else that of the folder that holds it.

    A name says it by any of its words, a folder only by its whole name.

    Example:
        >>> part_of("train-00000-of-00001.parquet"), part_of("faces_val"), part_of("0000", "test")
        ('train', 'val', 'test')
        >>> part_of("trains-of-europe", "my test")
        ''
    """
    words = [*re.split(r"[^a-z0-9]+", name.lower()), folder.lower()]
    for word in words:
        if word in PARTS_BY_NAME:
            return PARTS_BY_NAME[word]
    return ""


def settled(said: Sequence[Said]) -> list[Part | None]:
    """Parts of a source from what its names say: validation is the test part where there is no other, else None (left out).

    Example:
        >>> settled(["train", "val"]), settled(["train", "val", "test"])
        (['train', 'test'], ['train', None, 'test'])
    """
    held_out: Part | None = None if "test" in said else "test"
    return [held_out if part == "val" else part for part in said]


@final
class LazyEntries(Sequence[Entry]):
    """Entries that are made when they are asked for.

    Arguments:
        count: How many there are.
        make: The entry at a place ``0 <= place < count``.

    Example:
        >>> LazyEntries(3, lambda place: Entry(str(place)))[-1]
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


@final
class Consecutive:
    """Files, arrays or groups of rows one behind the other: which of them holds a place, and where in it.

    Example:
        >>> turns = Consecutive([2, 0, 3])
        >>> len(turns), turns.find(1), turns.find(2)
        (5, (0, 1), (2, 0))
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        self.lengths = tuple(lengths)
        self._starts = [0, *accumulate(self.lengths)]

    def __len__(self) -> int:
        return self._starts[-1]

    def find(self, place: int) -> tuple[int, int]:
        """The number of the one that holds a place, and the place within it."""
        number = bisect_right(self._starts, place) - 1
        return number, place - self._starts[number]


def check_folder(path: Path, *, wanted: str) -> None:
    """See to it that ``path`` is a folder with something in it; ``wanted`` says what should be in it.

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
        raise BadData(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be read: {error}.") from error
