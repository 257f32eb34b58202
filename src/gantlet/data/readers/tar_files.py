"""The members of a tar file, found by its headers alone: names, offsets and sizes, nothing unpacked.

A tar file is blocks of 512 bytes: a header, then the member's bytes, filled up to whole blocks; two blocks of zeros
end it. Numbers are octal text, or binary where the first bit is set. Names longer than their field come in a member
of their own before: GNU's type ``L``, or ``path`` in a list of POSIX's type ``x``. Links, folders and devices have no
content, whatever size they state.

Reference:
    | POSIX.1-2008, pax interchange format, https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
    | GNU tar, Basic tar format, https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gantlet.data.byte_ranges import ByteRangeFile
from gantlet.errors import BadData

__all__ = ["TarMember", "tar_members"]

_BLOCK, _ZEROS = 512, bytes(512)
_LONGEST_RECORD = 2**20  # bytes of a long name or a pax list
_FILES, _LINKS, _EMPTY = frozenset(b"0\x007"), frozenset(b"12"), frozenset(b"123456")
_GNU_NAME, _GNU_LINK, _GNU_SPARSE, _PAX, _PAX_ALL, _FOLDER = b"LKSxg5"
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")
_AS_SPACES = 8 * ord(" ")


@dataclass(frozen=True, slots=True)
class TarMember:
    """One file in a tar file: its name, where its bytes start, how many they are.

    ``fault`` says why its bytes are not simply there (links, devices, sparse files); empty for a plain file.
    """

    name: bytes
    offset: int
    length: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    """What records before a header say of the member."""

    name: bytes = b""
    length: int = -1
    sparse: bool = False


def tar_members(file: ByteRangeFile, *, marked: bool = True) -> Iterator[TarMember]:
    """Every member but folders, in order.

    Arguments:
        file: The tar file, not compressed.
        marked: Whether the file must end with its mark, a block of zeros, so that one that was cut between two
            members is noticed.

    Raises:
        BadData: The file is not a tar file, is compressed, truncated, or corrupt; when that is met.
    """
    offset, said = 0, _Said()
    while offset < file.size:
        block = file.read(offset, _BLOCK)
        if block == _ZEROS:
            return
        size, kind = _checked(file, block, offset), block[156]
        offset += _BLOCK
        if kind == _GNU_SPARSE and len(block) == _BLOCK:
            more = block[482]
            while more and offset < file.size:  # the map of its holes goes on before the data
                more, offset = (file.read(offset, _BLOCK) or b"\0")[504:505] != b"\0", offset + _BLOCK
        if kind == _GNU_NAME:
            said = _Said(_record(file, offset, size).rstrip(b"\0"), said.length, said.sparse)
        elif kind == _PAX:
            said = _pax(file, _record(file, offset, size), said)
        elif kind not in (_GNU_LINK, _PAX_ALL):
            name = said.name or _name(block)
            size = 0 if kind in _EMPTY else said.length if said.length >= 0 else size
            if offset + size > file.size:
                raise BadData(f"{file.path} is truncated within a member of {size} bytes; get it again.")
            if kind != _FOLDER and not (kind == 0 and name.endswith(b"/")):  # before POSIX, a slash told a folder
                yield TarMember(name, offset, size, _fault(kind, sparse=said.sparse))
            said = _Said()
        offset += -(-size // _BLOCK) * _BLOCK
    if marked:
        raise BadData(f"{file.path} is truncated: it ends without its end mark; get it again.")


def _fault(kind: int, *, sparse: bool) -> str:
    if kind in _LINKS:
        return "it is a link"
    return "" if kind in _FILES and not sparse else "it is a device, a pipe or a sparse file"


def _checked(file: ByteRangeFile, block: bytes, offset: int) -> int:
    """The size that a header states, after its checksum was found right."""
    if len(block) < _BLOCK:
        raise BadData(f"{file.path} is truncated: it ends within a header; get it again.")
    try:
        stated = int(block[148:156].strip(b"\0 ") or b"-1", 8)
        # The sum of all bytes, with the checksum's own taken as spaces; some programs took bytes as signed.
        unsigned = sum(block) - sum(block[148:156]) + _AS_SPACES
        signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
        right, size = stated in (unsigned, signed), _number(block[124:136])
    except ValueError:
        right, size = False, 0
    if not right or size < 0:
        what = f"is corrupt, or not a tar file: the header at byte {offset} is wrong; get it again"
        if block.startswith(_PACKED):
            what = "is compressed; decompress it (gunzip, zstd -d): images are read where they are stored"
        raise BadData(f"{file.path} {what}.")
    return size


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    return int(field.strip(b"\0 ") or b"0", 8)


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _record(file: ByteRangeFile, offset: int, size: int) -> bytes:
    content = file.read(offset, size) if size <= _LONGEST_RECORD else b""
    if len(content) != size:
        raise BadData(f"{file.path} is truncated or corrupt: a long name of {size} bytes at byte {offset}.")
    return content


def _pax(file: ByteRangeFile, content: bytes, said: _Said) -> _Said:
    """``path``, ``size`` and whether it is sparse, from lines of ``LENGTH KEY=VALUE``."""
    name, length, sparse = said.name, said.length, said.sparse
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
            sparse = sparse or key.startswith(b"GNU.sparse.")
            content = content[count:]
        if length < -1:
            raise ValueError("a negative size")
    except ValueError as error:
        raise BadData(f"{file.path} is corrupt: {error} in a list of type x.") from None
    return _Said(name, length, sparse)
