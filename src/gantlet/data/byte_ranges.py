"""Files read by byte ranges, from any thread and without a shared position: archives as they are stored, or decompressed.

Many images are ranges of a few large files; :class:`ByteRangeList` keeps where each is in twenty bytes.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tempfile
import threading
import weakref
import zlib
from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, final

from gantlet.errors import BadData, BadImage, StoreError

from .files import check_file

__all__ = ["ByteRangeFile", "ByteRangeList", "TextList", "decompressed", "opened"]

_MOST_OPEN = 256  # files that stay open; below the usual limit of a process, 1,024
_COMPRESSIONS: Mapping[bytes, tuple[str, Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
}
_SPARE = 2**30  # bytes of disk that stay free
_STEP, _BETWEEN_CHECKS = 2**16, 2**26  # bytes decompressed at a time, and before the disk is looked at again


@final
class ByteRangeFile:
    """A file that several threads read at once, each at its own offset; closed at the latest with the last reference.

    Arguments:
        path: The file; ``~`` is the home folder.
        content: An open file that is read instead of the one at ``path``, such as its decompressed content.

    Raises:
        BadData: It is missing, a folder, empty, or cannot be opened.
    """

    def __init__(self, path: str | Path, content: IO[bytes] | None = None) -> None:
        self.path = Path(path).expanduser()
        with ExitStack() as stack:
            file = content or stack.enter_context(opened(self.path))
            self._descriptor = os.dup(file.fileno())
        self._lock = threading.Lock()
        self.size = os.fstat(self._descriptor).st_size
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` on; fewer where the file ends.

        Raises:
            BadImage: The disk cannot read them.
        """
        assert self.close.alive, "the file is closed"
        pieces: list[bytes] = []
        left = min(length, max(self.size - offset, 0))
        try:
            while left and (piece := self._piece(offset, left)):
                pieces.append(piece)
                offset, left = offset + len(piece), left - len(piece)
        except OSError as error:
            raise BadImage(f"{self.path} cannot be read: {error.strerror}") from error
        return b"".join(pieces)

    def _piece(self, offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, offset)
        with self._lock:  # Windows
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)


@contextmanager
def opened(path: str | Path) -> Generator[IO[bytes]]:
    """A file that is there, can be opened, and is not empty; ``~`` is the home folder.

    Raises:
        BadData: It is not.
    """
    path = Path(path).expanduser()
    check_file(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise BadData(f"{path} cannot be read: {error.strerror}.") from error
        if not os.fstat(file.fileno()).st_size:
            raise BadData(f"{path} is empty (0 bytes).")
        yield file


def decompressed(path: str | Path, *, most: int = 2**63) -> tuple[ByteRangeFile, str, str]:
    """A file that may be compressed by gzip, bzip2 or xz (told by content), ready to be read by ranges.

    Compressed content goes into a temporary file without a name, as long as 1 GiB of the disk stays free.

    Returns:
        The content, the compression (``gzip``, ``bzip2``, ``xz`` or ``none``), and what is wrong with the compressed
        data (empty if nothing is); what was decompressed before the damage can be read.

    Raises:
        BadData: There is no such file, it is empty, or decompresses to more than ``most`` bytes.
        StoreError: There is not enough room on the disk.
    """
    with opened(path) as file:
        start = file.read(6)
        file.seek(0)
        known = next((found for magic, found in _COMPRESSIONS.items() if start.startswith(magic)), None)
        if known is None:
            return ByteRangeFile(path, file), "none", ""
        with tempfile.TemporaryFile(prefix="gantlet-") as plain, known[1](file) as stream:
            damage = _decompress(stream, plain, most, path)
            return ByteRangeFile(path, plain), known[0], damage


def _decompress(
    stream: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile, into: IO[bytes], most: int, path: str | Path
) -> str:
    """Decompress a file into another; what is wrong with it, empty if nothing is."""
    folder, checked, length, damage = tempfile.gettempdir(), 0, 0, ""
    try:
        while not damage:
            try:
                chunk = stream.read(_STEP)
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                chunk, damage = b"", " ".join(str(error).split()).rstrip(".")
            if not chunk:
                break
            if length >= checked:
                _check_room(folder)
                checked = length + _BETWEEN_CHECKS
            length += into.write(chunk)
            if length > most:
                raise BadData(f"{path} decompresses to more than {most:,} bytes, which is not what it should hold.")
        into.flush()
    except OSError as error:
        raise StoreError(f"A compressed archive cannot be decompressed into {folder}: {error.strerror}.") from error
    return damage


def _check_room(folder: str) -> None:
    if shutil.disk_usage(folder).free < _SPARE:
        raise StoreError(
            f"A compressed archive must be decompressed to be read, and less than {_SPARE >> 20} MiB would stay free in "
            f"{folder}. Free some, set TMPDIR to a folder on a larger disk, or decompress the archive yourself."
        )


@final
class ByteRangeList:
    """Ranges of several files, twenty bytes each.

    Arguments:
        files: The paths; a file is opened when it is first read from.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        self._open: dict[int, ByteRangeFile] = {}
        self._lock = threading.Lock()
        self._file, self._offset, self._length = array("i"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._file)

    def add(self, file: int, *, offset: int, length: int) -> None:
        """Append a range of the file with this number."""
        self._file.append(file)
        self._offset.append(offset)
        self._length.append(length)

    def file_of(self, index: int) -> int:
        """The number of the file that holds the range at ``index``."""
        return self._file[index]

    def read(self, index: int) -> bytes:
        """The bytes of the range at ``index``.

        Raises:
            BadImage: The file is gone or ends early.
        """
        length = self._length[index]
        try:
            content = self._opened(self._file[index]).read(self._offset[index], length)
        except BadData as error:
            raise BadImage(f"cannot be read: {error}") from error
        if len(content) != length:
            raise BadImage(f"the file ends early: {length} bytes were expected, {len(content)} were found")
        return content

    def _opened(self, number: int) -> ByteRangeFile:
        with self._lock:
            file = self._open.get(number) or ByteRangeFile(self.files[number])
            if len(self._open) < _MOST_OPEN:
                self._open[number] = file
        return file  # one that is not kept is closed with its last reference

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open.clear()


@final
class TextList:
    """Many short texts, kept as one run of bytes.

    Example:
        >>> texts = TextList()
        >>> for text in ("a/1.jpg", "b/2.jpg"):
        ...     texts.add(text.encode())
        >>> len(texts), texts[1]
        (2, 'b/2.jpg')
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, text: bytes) -> None:
        """Append a text, as its bytes."""
        self._bytes += text
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        return bytes(self._bytes[self._ends[index] : self._ends[index + 1]]).decode("utf-8", "backslashreplace")
