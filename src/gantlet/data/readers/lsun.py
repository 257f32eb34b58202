"""LSUN as its authors publish it: one LMDB for each category and part, encoded images as values.

Reference:
    | LSUN: construction of a large-scale image dataset using deep learning with humans in the loop
      (Yu, Seff, Zhang, Song, Funkhouser, Xiao, 2015), https://arxiv.org/abs/1506.03365
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gantlet.data.byte_ranges import ByteRangeFile, ByteRangeList, TextList
from gantlet.errors import BadData

from .base import Entry, Fault, Part
from .layout import LazyEntries, check_folder
from .lmdb_file import lmdb_pairs

__all__ = ["LsunReader"]

_NAME = re.compile(r"(?:(?P<label>.+)_)?(?P<part>train|val|test)(?:_lmdb)?")
_WANTED = "an LSUN database (a folder with data.mdb, called such as bedroom_train_lmdb), or several"


_PARTS: Mapping[str, Part] = {"train": "train", "val": "test", "test": "test"}


@dataclass(frozen=True)
class _Base:
    file: Path
    name: str
    label: str
    part: Part


class LsunReader:
    """An LMDB of encoded images, such as ``bedroom_train_lmdb``, or a folder of several.

    Part: ``_train`` in the folder's name is train, ``_val`` and ``test`` are test. Label: the category before it
    (``bedroom``); none where the folder is called otherwise. An image is called by its key, after the folder's
    name where there are several. Listing walks the tree of keys only; no library is needed, and nothing is locked.

    Raises:
        BadData: No database there, or one that is empty, truncated, corrupt, or of another layout.
    """

    marks: ClassVar[tuple[str, ...]] = ("data.mdb", "*/data.mdb")

    def __init__(self, path: str) -> None:
        self._bases = _bases(Path(path).expanduser())
        self._ranges = ByteRangeList([base.file for base in self._bases])
        self._keys = TextList()
        self._faults: list[Fault] = []
        starts = array("q")
        for number in range(len(self._bases)):
            starts.append(len(self._ranges))
            self._list(number)
        self.entries: Sequence[Entry] = LazyEntries(len(self._ranges), self._entry)
        self.faults: Sequence[Fault] = self._faults
        counts = {
            base.name: end - start
            for base, start, end in zip(self._bases, starts, [*starts[1:], len(self._ranges)], strict=True)
        }
        self.facts: Mapping[str, Any] = {"format": "LSUN (LMDB)", "images": len(self._ranges), "databases": counts}

    def read(self, place: int) -> bytes:
        """The encoded file of ``entries[place]`` (LSUN's are WebP and JPEG).

        Raises:
            BadImage: The database was changed or cut since it was listed.
        """
        return self._ranges.read(place)

    def close(self) -> None:
        """Close the databases."""
        self._ranges.close()

    def _list(self, number: int) -> None:
        file = ByteRangeFile(self._bases[number].file)
        try:
            for pair in lmdb_pairs(file):
                if pair.length > 0:
                    self._ranges.add(number, offset=pair.offset, length=pair.length)
                    self._keys.add(pair.key)
                else:
                    name = self._name(number, pair.key.decode("utf-8", "backslashreplace"))
                    self._faults.append(
                        Fault(name, "its value is beyond the end of the file" if pair.length else "it is empty")
                    )
        finally:
            file.close()

    def _entry(self, place: int) -> Entry:
        number = self._ranges.file_of(place)
        base = self._bases[number]
        return Entry(self._name(number, self._keys[place]), base.label, base.part)

    def _name(self, number: int, key: str) -> str:
        return f"{self._bases[number].name}/{key}" if len(self._bases) > 1 else key


def _bases(path: Path) -> list[_Base]:
    if path.name == "data.mdb" and path.is_file():
        path = path.parent
    check_folder(path, wanted=_WANTED)
    if (path / "data.mdb").is_file():
        return [_base(path / "data.mdb")]
    found = sorted(file for file in path.glob("*/data.mdb") if file.is_file())
    if not found:
        raise BadData(f"{path} holds no data.mdb, nor does a folder in it; expected {_WANTED}.")
    return [_base(file) for file in found]


def _base(file: Path) -> _Base:
    name = file.resolve().parent.name
    match = _NAME.fullmatch(name)
    return _Base(
        file, file.parent.name, (match["label"] or "") if match else "", _PARTS[match["part"]] if match else ""
    )
