"""Zip and tar archives of images, read where they are stored: nothing is ever unpacked to a path that an archive names.

Names say class and part as in a folder (:mod:`.listing` has the rules). A member whose name leads outside (absolute, or
with ``..``), that is encrypted, a link, a device or a sparse file, or that would unpack to more than 1 GiB (or to more
than 64 MiB and 200 times what it is packed in: no image shrinks like that) is a fault, as is an earlier one of two with
the same name.

A zip archive is read at random, each member's checksum compared. An uncompressed tar is listed by one pass over its
headers, then read at random; its data have no checksums. A compressed tar cannot be read at random: it is decompressed once,
when it is opened, into a temporary file that has no name and ends with the reader, as long as at least 1 GiB of disk stays
free. Every process that opens it does so again, so for work on several processes decompress it beforehand.

Reference:
    | .ZIP File Format Specification, version 6.3.10 (PKWARE, 2022), sections 4.3.7 and 4.4
    | IEEE Std 1003.1-2017, pax: ustar interchange format
"""

from __future__ import annotations

import bz2
import mmap
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, ClassVar, NamedTuple, Protocol

from gantlet.data.byte_ranges import ByteRangeFile, decompressed, opened
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault
from .listing import MOST_BYTES, Listing, member_name, skip_reason
from .tar_files import TarMember, tar_members

__all__ = ["TarReader", "ZipReader"]

_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO = 2**26, 200
_OUTSIDE = "its name leads outside the archive"


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_METHODS: Mapping[int, Callable[[], _Unpacker] | None] = {
    zipfile.ZIP_STORED: None,
    zipfile.ZIP_DEFLATED: lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    zipfile.ZIP_BZIP2: bz2.BZ2Decompressor,
}


class _Member(NamedTuple):
    """Where a member is in its zip archive."""

    header: int
    packed: int
    size: int
    checksum: int
    method: int


class ZipReader:
    """All images of a zip archive, by name; safe to read from several threads.

    Raises:
        BadData: There is no such file, it is not a zip archive, is truncated, or holds no images.
    """

    endings: ClassVar[tuple[str, ...]] = (".zip",)

    entries: Sequence[Entry]
    faults: Sequence[Fault]
    facts: Mapping[str, Any]

    def __init__(self, path: str) -> None:
        listing = Listing[_Member]()
        with opened(path) as file:
            self._file = ByteRangeFile(path, file)
            try:
                with zipfile.ZipFile(file) as archive:
                    for info in archive.infolist():
                        _take_member(info, self._file.size, listing)
            # A damaged table of contents leads zipfile to many an error: BadZipFile, struct.error, UnicodeDecodeError, …
            except Exception as error:
                raise BadData(_no_zip(path, file, error)) from error
        self.entries, self._places, facts = listing.sorted_out(f"The archive {path}")
        self.faults = listing.faults
        self.facts = {"format": "zip", **facts}

    def read(self, place: int) -> bytes:
        """The image's file, unpacked.

        Raises:
            BadImage: Its data are damaged: they do not unpack, or not to the size and checksum that the archive states.
        """
        member = self._places[place]
        header = self._file.read(member.header, 30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise BadImage("its header in the archive is damaged")
        name, extra = struct.unpack_from("<HH", header, 26)
        data = self._file.read(member.header + 30 + name + extra, member.packed)
        if make := _METHODS[member.method]:
            try:
                data = make().decompress(data, member.size + 1)
            except (zlib.error, OSError, EOFError, ValueError) as error:
                raise BadImage(f"its data in the archive do not unpack ({error})") from error
        if len(data) != member.size or zlib.crc32(data) != member.checksum:
            raise BadImage("its data in the archive do not have the size and checksum that are stated there")
        return data

    def close(self) -> None:
        """Let go of the archive."""
        self._file.close()


def _take_member(info: zipfile.ZipInfo, size: int, listing: Listing[_Member]) -> None:
    """Note one member of a zip archive of ``size`` bytes."""
    name = member_name(
        info.filename.replace("\\", "/")
    )  # Windows wrote such names for years, against the specification
    if info.is_dir():
        return
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0  # 3: written on Unix
    if name is None:
        listing.fault(info.filename, _OUTSIDE)
    elif not listing.wants(name):
        return
    elif info.flag_bits & 1:
        listing.fault(name, "it is encrypted")
    elif kind not in (0, stat.S_IFREG):
        listing.fault(name, "it is a link or a device")
    elif info.compress_type not in _METHODS:
        listing.fault(name, f"it is packed by method {info.compress_type}; stored, deflated and bzip2 are read")
    elif not 0 <= info.header_offset <= info.header_offset + info.compress_size <= size:
        listing.fault(name, "its data reach beyond the end of the archive")
    elif reason := _too_large(info.file_size, packed=info.compress_size):
        listing.fault(name, reason)
    else:
        listing.add(name, _Member(info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type))


def _too_large(size: int, *, packed: int) -> str:
    """Why a member is not read by its size; empty if it may be."""
    if max(size, packed) > MOST_BYTES:
        return f"it has {max(size, packed) / 2**20:.0f} MiB; more than {MOST_BYTES >> 20} are not read"
    if size > _SUSPICIOUS_BYTES and size > _SUSPICIOUS_RATIO * packed:
        return f"it would unpack from {packed / 2**20:.1f} to {size / 2**20:.0f} MiB, which no image does"
    return ""


def _no_zip(path: str, file: IO[bytes], error: Exception) -> str:
    """What is wrong with a file whose table of contents cannot be read."""
    file.seek(0)
    start = file.read(4)
    if start[:2] != b"PK":
        return f"{path} is not a zip archive: it starts with {start.hex(' ')}."
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = (content[at.end() : at.end() + at[1][0] + 256 * at[1][1]] for at in _HEADER.finditer(content))
        pictures = sum(not skip_reason(name.decode("utf-8", "replace")) for name in names)
    return (
        f"{path} is truncated or damaged: the table of contents at its end cannot be read ({error}). "
        f"{pictures} images begin in it; get the whole file once more."
    )


_HEADER = re.compile(
    rb"PK\x03\x04.{22}(..)..", re.DOTALL
)  # of a member: signature, 22 bytes, length of the name, of the rest


class TarReader:
    """All images of a tar archive, plain or compressed by gzip, bzip2 or xz (told by content), by name.

    Raises:
        BadData: There is no such file, it is not a tar archive, is truncated, or holds no images.
        StoreError: A compressed archive finds too little room on the disk.
    """

    endings: ClassVar[tuple[str, ...]] = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

    entries: Sequence[Entry]
    faults: Sequence[Fault]
    facts: Mapping[str, Any]

    def __init__(self, path: str) -> None:
        listing = Listing[tuple[int, int]]()
        self._file, compression, damage = decompressed(path)
        try:
            for member in tar_members(self._file):
                _take_header(member, listing)
        except BadData as error:
            damage = damage or str(error).removeprefix(f"{self._file.path} is ").removesuffix("; get it again.")
        if damage:
            raise BadData(
                f"{path} is not a tar archive, or truncated or damaged ({damage.rstrip('.')}). "
                f"{len(listing)} images are stored before that; get the whole file again."
            )
        self.entries, self._places, facts = listing.sorted_out(f"The archive {path}")
        self.faults = listing.faults
        self.facts = {"format": "tar", "compression": compression, **facts}

    def read(self, place: int) -> bytes:
        """The image's file.

        Raises:
            BadImage: The archive became shorter since it was opened, or cannot be read.
        """
        start, size = self._places[place]
        data = self._file.read(start, size)
        if len(data) < size:
            raise BadImage(f"its archive ends after {len(data)} of its {size} bytes")
        return data

    def close(self) -> None:
        """Let go of the archive, or of what was decompressed."""
        self._file.close()


def _take_header(member: TarMember, listing: Listing[tuple[int, int]]) -> None:
    full = member.name.decode("utf-8", "surrogateescape")
    name = member_name(full)
    if name is None:
        listing.fault(full, _OUTSIDE)
    elif not listing.wants(name):
        return
    elif reason := member.fault or _too_large(member.length, packed=member.length):
        listing.fault(name, reason)
    else:
        listing.add(name, (member.offset, member.length))
