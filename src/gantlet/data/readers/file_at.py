"""Files that are read at random by several threads: an archive as it lies, or what a compressed one decompresses to."""

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
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from gantlet.data.files import check_file
from gantlet.errors import BadData, BadPicture, StoreError

__all__ = ["FileAt", "compression_of", "opened", "unpack"]

_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_DECOMPRESSORS: Mapping[str, Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_SPARE = 2**30  # bytes of disk that stay free
_STEP, _BETWEEN_CHECKS = 2**16, 2**26  # bytes decompressed at a time, and before the disk is looked at again


class FileAt:
    """A file that several threads read at once, each at its own place; closed at the latest with the last reference."""

    def __init__(self, file: IO[bytes]) -> None:
        self._number = os.dup(file.fileno())
        self._lock = threading.Lock()
        self.size = os.fstat(self._number).st_size
        self.close = weakref.finalize(self, os.close, self._number)

    def read(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start`` on, fewer at the end of the file."""
        assert self.close.alive, "the archive is closed"
        pieces: list[bytes] = []
        try:
            while count and (piece := self._piece(start, count)):
                pieces.append(piece)
                start, count = start + len(piece), count - len(piece)
        except OSError as error:
            raise BadPicture(f"its archive cannot be read: {error.strerror}") from error
        return b"".join(pieces)

    def _piece(self, start: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._number, count, start)
        with self._lock:  # Windows
            os.lseek(self._number, start, os.SEEK_SET)
            return os.read(self._number, count)


@contextmanager
def opened(path: str) -> Generator[IO[bytes]]:
    """A file that is there, can be opened, and is not empty; ``~`` is the home folder.

    Raises:
        BadData: It is not.
    """
    path = os.path.expanduser(path)
    check_file(Path(path))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise BadData(f"{path} cannot be read: {error.strerror}.") from error
        if not os.fstat(file.fileno()).st_size:
            raise BadData(f"{path} is empty (0 bytes).")
        yield file


def compression_of(start: bytes) -> str:
    """``gzip``, ``bzip2``, ``xz`` or ``none``, by the first six bytes of a file.

    Example:
        >>> compression_of(gzip.compress(b"content")[:6]), compression_of(b"content")
        ('gzip', 'none')
    """
    return next((name for magic, name in _COMPRESSIONS if start.startswith(magic)), "none")


def unpack(packed: IO[bytes], compression: str, into: IO[bytes]) -> str:
    """Decompress a file into another; what is wrong with it, empty if nothing is.

    Raises:
        StoreError: There is too little room for it on the disk.
    """
    checked = 0
    damage = ""
    with _DECOMPRESSORS[compression](packed) as stream:
        while True:
            try:
                chunk = stream.read(_STEP)
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                damage = " ".join(str(error).split()).rstrip(".")
                break
            if not chunk:
                break
            if into.tell() >= checked:
                _check_room()
                checked = into.tell() + _BETWEEN_CHECKS
            _write(into, chunk)
    _write(into, b"")
    return damage


def _check_room() -> None:
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < _SPARE:
        raise StoreError(
            f"A compressed archive must be decompressed to be read, and less than {_SPARE >> 20} MiB would stay free in "
            f"{folder}. Free some, set TMPDIR to a folder on a larger disk, or decompress the archive yourself."
        )


def _write(into: IO[bytes], chunk: bytes) -> None:
    try:
        if chunk:
            into.write(chunk)
        else:
            into.flush()
    except OSError as error:
        folder = tempfile.gettempdir()
        raise StoreError(f"A compressed archive cannot be decompressed into {folder}: {error.strerror}.") from error
