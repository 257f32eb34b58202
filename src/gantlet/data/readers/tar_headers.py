"""The members of a tar file, found by its headers alone: names, places and sizes, nothing unpacked.

A tar file is blocks of 512 bytes: a header, then the member's bytes, filled up to whole blocks; two blocks of zeros
end it. Numbers are octal text, or binary where the first bit is set. Names longer than their field come in a member
of their own before: GNU's type ``L``, or ``path`` in a list of POSIX's type ``x``.

Reference:
    | POSIX.1-2008, pax interchange format, https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
    | GNU tar, Basic tar format, https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gantlet.errors import BadData

from .spans import SpanFile

__all__ = ["TarMember", "tar_members"]

_BLOCK, _ZEROS = 512, bytes(512)
_LONGEST_RECORD = 2**20  # bytes of a long name or a pax list
_FILES, _GNU_NAME, _PAX = frozenset(b"0\x007"), ord("L"), ord("x")
_PASSED = frozenset(b"5gK")  # folders, lists for all members, GNU's long link names
_AS_SPACES = 8 * ord(" ")


@dataclass(frozen=True, slots=True)
class TarMember:
    """One file in a tar file: its name, where its bytes start, how many they are.

    ``usable`` is False for links, devices and sparse files, whose bytes are not simply there.
    """

    name: bytes
    offset: int
    length: int
    usable: bool = True


def tar_members(file: SpanFile) -> Iterator[TarMember]:
    """Every member but folders, in order.

    Raises:
        BadData: The file is no tar file, compressed, truncated, or corrupt; when that is met.
    """
    place = 0
    name, length = b"", -1  # as a record before the header said
    while place < file.size:
        block = file.read(place, _BLOCK)
        if block == _ZEROS:
            return
        size = _checked(file, block, place)
        start, kind = place + _BLOCK, block[156]
        if kind == _GNU_NAME:
            name = _record(file, start, size).rstrip(b"\0")
        elif kind == _PAX:
            name, length = _pax(file, _record(file, start, size), name, length)
        else:
            size = length if length >= 0 else size
            if start + size > file.size:
                raise BadData(f"{file.path} is truncated within a member of {size} bytes; get it again.")
            if kind not in _PASSED:
                yield TarMember(name or _name(block), start, size, kind in _FILES)
            if kind not in b"gK":
                name, length = b"", -1
        place = start + -(-size // _BLOCK) * _BLOCK


def _checked(file: SpanFile, block: bytes, place: int) -> int:
    """The size that a header states, after its checksum was found right."""
    if len(block) < _BLOCK:
        raise BadData(f"{file.path} is truncated: it ends within a header; get it again.")
    try:
        stated = int(block[148:156].strip(b"\0 ") or b"-1", 8)
        # The sum of all bytes, with the checksum's own taken as spaces.
        right = stated == sum(block) - sum(block[148:156]) + _AS_SPACES
        size = _number(block[124:136])
    except ValueError:
        right, size = False, 0
    if not right or size < 0:
        what = (
            "is compressed; unpack it (gunzip, zstd -d): pictures are read at their place"
            if _packed(block)
            else (f"is corrupt, or no tar file: the header at byte {place} is wrong; get it again")
        )
        raise BadData(f"{file.path} {what}.")
    return size


def _packed(block: bytes) -> bool:
    return block.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"))


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    return int(field.strip(b"\0 ") or b"0", 8)


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _record(file: SpanFile, start: int, size: int) -> bytes:
    content = file.read(start, size) if size <= _LONGEST_RECORD else b""
    if len(content) != size:
        raise BadData(f"{file.path} is truncated or corrupt: a long name of {size} bytes at byte {start}.")
    return content


def _pax(file: SpanFile, content: bytes, name: bytes, length: int) -> tuple[bytes, int]:
    """``path`` and ``size`` from lines of ``LENGTH KEY=VALUE``."""
    try:
        while content.strip(b"\0"):
            count = int(content[: content.index(b" ")])
            if not 0 < count <= len(content):
                raise ValueError("a line that leaves the list")
            key, equals, value = content[content.index(b" ") + 1 : count - 1].partition(b"=")
            if not equals:
                raise ValueError("a line without =")
            name = value if key == b"path" else name
            length = int(value) if key == b"size" else length
            content = content[count:]
        if length < -1:
            raise ValueError("a negative size")
    except ValueError as error:
        raise BadData(f"{file.path} is corrupt: {error} in a list of type x.") from None
    return name, length
