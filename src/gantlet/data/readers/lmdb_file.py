"""The pairs of an LMDB file, listed by walking its B+ tree: read-only, without a lock, and safe on a damaged file.

The usual library maps the file and trusts every page number in it, so that one flipped bit can end the process. Here
each offset is checked against the file's size, and the values stay where they are.

A page of P bytes starts with its number (8 bytes), 2 bytes of padding, flags (2), and the end of its table and the
start of its nodes (2 + 2); then comes the table, one 2-byte offset per node. A node is two halves of a size (2 + 2),
flags (2), the key's length (2), the key, and in a leaf the value, or the number of the first of the pages that hold
it alone, after their own 16 bytes of header. In a branch the first three fields are the number of the child.
Pages 0 and 1 are the two versions of the root; the one of the later transaction counts.

Reference:
    | LMDB 0.9 (Chu, 2011), libraries/liblmdb/mdb.c, http://www.lmdb.tech/doc/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gantlet.data.byte_ranges import ByteRangeFile
from gantlet.errors import BadData

__all__ = ["Pair", "lmdb_pairs"]

_HEADER, _MOST_LEVELS = 16, 32
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _LEAF2 = 0x01, 0x02, 0x20
_ON_PAGES, _SUB, _DUPLICATES = 0x01, 0x02, 0x04
_NODE = struct.Struct("<HHHH")
_NONE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A key, and where its value is; ``length`` is -1 where that is not within the file."""

    key: bytes
    offset: int
    length: int


@dataclass(frozen=True)
class _Tree:
    page: int
    root: int
    entries: int


def lmdb_pairs(file: ByteRangeFile) -> Iterator[Pair]:
    """Every pair of the main database, in the order of the keys.

    Raises:
        BadData: The file is not an LMDB, is truncated or corrupt, or holds databases within the database; when it is
            met, which may be after some pairs.
    """
    tree = _tree(file)
    count = 0
    for count, pair in enumerate(_walk(file, tree), start=1):
        if count > tree.entries:
            break
        yield pair
    if count != tree.entries:
        raise BadData(f"{file.path} is corrupt: it states {tree.entries} entries, {count} or more were found.")


def _tree(file: ByteRangeFile) -> _Tree:
    """The root of the later transaction."""
    start = file.read(0, _HEADER + 136)
    if len(start) < _HEADER + 136 or struct.unpack_from("<I", start, _HEADER)[0] != _MAGIC:
        raise BadData(f"{file.path} is not an LMDB file (or was written on a big-endian machine); expected a data.mdb.")
    found: list[tuple[int, _Tree]] = []
    page = struct.unpack_from("<I", start, _HEADER + 24)[0]
    if page not in {1 << bits for bits in range(9, 17)}:
        raise BadData(f"{file.path} is corrupt: it states pages of {page} bytes.")
    for number in (0, 1):
        meta = file.read(number * page + _HEADER, 136)
        if len(meta) == 136 and struct.unpack_from("<II", meta) == (_MAGIC, _VERSION):
            entries, root = struct.unpack_from("<QQ", meta, 24 + 48 + 32)
            (transaction,) = struct.unpack_from("<Q", meta, 128)
            found.append((transaction, _Tree(page, root, entries)))
    if not found:
        raise BadData(f"{file.path} has an unknown version of LMDB; expected {_VERSION}.")
    tree = max(found, key=lambda version: version[0])[1]
    if tree.root == _NONE or not tree.entries:
        raise BadData(f"{file.path} holds no entries.")
    return tree


def _walk(file: ByteRangeFile, tree: _Tree) -> Iterator[Pair]:
    waiting = [(tree.root, 0)]
    left = file.size // tree.page + 1  # a tree visits each page once; more is a loop
    while waiting:
        number, level = waiting.pop()
        left -= 1
        page = file.read(number * tree.page, tree.page) if number * tree.page < file.size else b""
        if len(page) < tree.page:
            raise BadData(f"{file.path} is truncated: it names page {number}, which is not there; get it again.")
        flags, lower = struct.unpack_from("<HH", page, 10)
        if left < 0 or level > _MOST_LEVELS or not _HEADER <= lower <= tree.page or flags & _LEAF2:
            raise BadData(f"{file.path} is corrupt at page {number}.")
        places = struct.unpack_from(f"<{(lower - _HEADER) // 2}H", page, _HEADER)
        try:
            if flags & _BRANCH:
                waiting += [(_child(page, place), level + 1) for place in reversed(places)]
            elif flags & _LEAF:
                yield from _leaf(file, tree, page, number * tree.page, places)
            else:
                raise BadData(f"{file.path} is corrupt: page {number} is neither branch nor leaf.")
        except struct.error:
            raise BadData(f"{file.path} is corrupt at page {number}.") from None


def _child(page: bytes, place: int) -> int:
    low, middle, high, _ = _NODE.unpack_from(page, place)
    return low | middle << 16 | high << 32


def _leaf(file: ByteRangeFile, tree: _Tree, page: bytes, start: int, places: tuple[int, ...]) -> Iterator[Pair]:
    for place in places:
        low, high, flags, keyed = _NODE.unpack_from(page, place)
        if flags & (_SUB | _DUPLICATES):
            raise BadData(f"{file.path} holds databases within the database (or is corrupt), which no image needs.")
        after, length = place + 8 + keyed, low | high << 16
        if after > tree.page:
            raise BadData(f"{file.path} is corrupt: a key of {keyed} bytes leaves its page.")
        offset, end = start + after, start + tree.page
        if flags & _ON_PAGES:
            offset, end = struct.unpack_from("<Q", page, after)[0] * tree.page + _HEADER, file.size
        yield Pair(page[place + 8 : after], offset, length if offset + length <= end else -1)
