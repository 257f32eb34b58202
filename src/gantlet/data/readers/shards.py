"""Tar shards in the layout of WebDataset: files of one sample stand together and share their name up to its first dot.

Reference:
    | High performance I/O for large scale deep learning (Aizman, Maltby, Breuel, 2019), https://arxiv.org/abs/2001.01858
    | https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import glob
import itertools
import json
import os
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gantlet.data.byte_ranges import ByteRangeFile, ByteRangeList, TextList
from gantlet.data.files import expand_braces
from gantlet.data.image_formats import image_extensions
from gantlet.errors import BadData

from .base import Entry, Fault, Part
from .layout import LazyEntries, part_of, read_text, settled
from .tar_files import TarMember, tar_members

__all__ = ["ShardReader", "shard_paths"]

_NONE = re.compile(r"-\d+")
_SPLIT = re.compile(rb"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
_META = re.compile(rb"__[^/]*__($|/)")
_LONGEST_LABEL, _LONGEST_JSON = 200, 2**16  # bytes
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|pipe:")


class ShardReader:
    """Tar shards of WebDataset on this machine: a file, a folder of them, ``a-*.tar``, ``a-{000..009}.tar``, or a list.

    A list is a text file with one path, pattern or range a line, relative to the list.
    Of each sample the image is the first member with an image's ending; members without one are skipped.
    Part: from the shard's name or its folder's (``…-train-000.tar``, ``test/000.tar``);
    shards of validation are the test part where there is no other, else they are left out. Label: the text of the
    sample's ``.cls`` (a number or a word), else ``label`` or ``cls`` of its ``.json``, else none; a negative number is none.
    Only headers and labels are read when it is opened; an image is read at its place.

    Raises:
        BadData: No shard there, an address, or a shard that is truncated, corrupt, compressed, or not a tar file.
    """

    def __init__(self, path: str) -> None:
        named = shard_paths(path)
        said = zip(named, settled([part_of(shard.stem, shard.parent.name) for shard in named]), strict=True)
        kept: list[tuple[Path, Part]] = [(shard, part) for shard, part in said if part is not None]
        shards = [shard for shard, _ in kept]
        self._ranges = ByteRangeList(shards)
        self._names = TextList()
        self._codes = array("i")
        self._labels = {"": 0}
        self._faults: list[Fault] = []
        root = Path(os.path.commonpath([shard.parent for shard in shards]))
        self._shards = [shard.relative_to(root).as_posix() if len(shards) > 1 else "" for shard in shards]
        self._parts: list[Part] = [part for _, part in kept]
        for number in range(len(shards)):
            self._list(number)
        if not len(self._ranges):
            raise BadData(f"{path}: {len(shards)} shards hold no image ({', '.join(sorted(image_extensions()))}).")
        self._label_names = list(self._labels)
        self.entries: Sequence[Entry] = LazyEntries(len(self._ranges), self._entry)
        self.faults: Sequence[Fault] = self._faults
        unlabelled = self._codes.count(0)
        self.facts: Mapping[str, Any] = {
            "format": "tar shards",
            "shards": len(shards),
            "shards_left_out": len(named) - len(shards),
            "images": len(self._ranges),
            "unlabelled": unlabelled,
            "classes": len(self._labels) - 1,
        }

    @staticmethod
    def files_of(path: str) -> list[str]:
        """A path that may be a list, and the shards that it names."""
        try:
            return [path, *map(str, shard_paths(path))]
        except BadData:
            return [path]

    def read(self, place: int) -> bytes:
        """The encoded file of ``entries[place]``.

        Raises:
            BadImage: The shard was changed or cut since it was listed.
        """
        return self._ranges.read(place)

    def close(self) -> None:
        """Close the shards."""
        self._ranges.close()

    def _list(self, number: int) -> None:
        file = ByteRangeFile(self._ranges.files[number])
        seen: set[int] = set()
        try:
            for _, sample in itertools.groupby(_named(tar_members(file, marked=False)), key=lambda pair: pair[0]):
                self._add(number, file, [(ending, member) for _, ending, member in sample], seen)
        finally:
            file.close()

    def _add(self, number: int, file: ByteRangeFile, sample: Sequence[tuple[str, TarMember]], seen: set[int]) -> None:
        image = next(
            (member for ending, member in sample if f".{ending.rpartition('.')[2]}" in image_extensions()), None
        )
        if image is None:
            return
        reason = _fault(image, seen)
        label = "" if reason else _label(file, sample)
        if label is None:
            reason = "the file with its label holds none"
        if reason:
            self._faults.append(Fault(self._name(number, image.name.decode("utf-8", "backslashreplace")), reason))
            return
        seen.add(hash(image.name))
        self._ranges.add(number, offset=image.offset, length=image.length)
        self._names.add(image.name)
        self._codes.append(self._labels.setdefault(label or "", len(self._labels)))

    def _entry(self, place: int) -> Entry:
        number = self._ranges.file_of(place)
        name = self._name(number, self._names[place])
        return Entry(name, self._label_names[self._codes[place]], self._parts[number])

    def _name(self, number: int, member: str) -> str:
        return f"{self._shards[number]}/{member}" if self._shards[number] else member


def _named(members: Iterator[TarMember]) -> Iterator[tuple[bytes, str, TarMember]]:
    """Members with their key and ending, without WebDataset's own notes and names that have no ending."""
    for member in members:
        match = None if _META.match(member.name) else _SPLIT.fullmatch(member.name)
        if match:
            yield match[1], match[2].decode("utf-8", "backslashreplace").lower(), member


def _fault(image: TarMember, seen: set[int]) -> str:
    if image.fault:
        return image.fault
    if not image.length:
        return "it is empty"
    return "an image of the same name stood before in this shard" if hash(image.name) in seen else ""


def _label(file: ByteRangeFile, sample: Sequence[tuple[str, TarMember]]) -> str | None:
    """The sample's label; empty where it has none, None where the file that should hold it does not."""
    for ending, member in sample:
        if ending == "cls":
            text = file.read(member.offset, member.length) if member.length <= _LONGEST_LABEL else b""
            word = _word(text.decode("utf-8", "replace"))
            return "" if _NONE.fullmatch(word) else word or None  # a negative number is not a class
    for ending, member in sample:
        if ending == "json":
            return _label_in_json(file.read(member.offset, member.length) if member.length <= _LONGEST_JSON else b"")
    return ""


def _word(text: str) -> str:
    word = text.strip()
    return str(int(word)) if word.isascii() and word.isdigit() else "" if "\ufffd" in word else word


def _label_in_json(content: bytes) -> str | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    label = next((found[key] for key in ("label", "cls") if key in found), "") if isinstance(found, dict) else ""
    if not isinstance(label, int | str) or len(str(label)) > _LONGEST_LABEL:
        return None
    return "" if _NONE.fullmatch(str(label)) else _word(str(label))


def shard_paths(path: str) -> list[Path]:
    """The shards that a path, pattern, range, folder or list names, in order.

    Raises:
        BadData: None is there, or one is missing; or an address is named.
    """
    found = list(_expanded(path, Path(path).expanduser()))
    if not found:
        raise BadData(f"There is no shard {path}; expected .tar files, a-*.tar, a-{{000..009}}.tar, or a list of them.")
    missing = [shard for shard in found if not shard.is_file()]
    if missing:
        raise BadData(f"{len(missing)} of {len(found)} shards are missing, the first is {missing[0]}.")
    return found


def _expanded(path: str, place: Path, depth: int = 0) -> Iterator[Path]:
    if _URL.match(path):
        raise BadData(
            f"{path[:200]} is an address; shards are read from this disk: fetch them with 'gantlet data download'."
        )
    if place.is_dir():
        yield from sorted(place.glob("*.tar"))
    elif place.is_file() and depth == 0 and not _is_shard(place):
        for line in read_text(place).splitlines():
            if line.strip() and not line.startswith("#"):
                yield from _expanded(line.strip(), place.parent / line.strip(), depth + 1)
    elif place.is_file():
        yield place
    else:
        for name in expand_braces(str(place)):
            yield from map(Path, sorted(glob.glob(name))) if glob.has_magic(name) else [Path(name)]


def _is_shard(place: Path) -> bool:
    return ".tar" in place.suffixes or place.suffix == ".tgz"
