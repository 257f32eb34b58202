"""Pictures that are spans of bytes in a few large files: read at their place, from any thread, without a shared position."""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import final

from gantlet.errors import BadData, BadPicture

__all__ = ["Span", "SpanFile", "SpanList", "Texts"]

Span = tuple[int, int, int]
"""Number of the file, offset and length in bytes."""

_MOST_OPEN = 256  # files that stay open; below the usual limit of a process, 1,024


class SpanFile:
    """One file, opened for reading at any offset.

    Raises:
        BadData: It is missing, a folder, empty, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ValueError) as error:
            raise BadData(f"{path} cannot be read: {error}.") from error
        self.size = os.fstat(self._descriptor).st_size
        if not self.size or path.is_dir():
            self.close()
            raise BadData(f"{path} is {'a folder' if path.is_dir() else 'empty (0 bytes)'}.")

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from ``offset`` on; fewer where the file ends."""
        return os.pread(self._descriptor, min(length, max(self.size - offset, 0)), offset)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@final
class SpanList:
    """Spans of several files, twenty bytes each.

    Arguments:
        files: The paths; a file is opened when it is first read from.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        self._open: dict[int, SpanFile] = {}
        self._lock = threading.Lock()
        self._file, self._offset, self._length = array("i"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._file)

    def add(self, file: int, *, offset: int, length: int) -> None:
        """Append a span."""
        self._file.append(file)
        self._offset.append(offset)
        self._length.append(length)

    def __getitem__(self, place: int) -> Span:
        return self._file[place], self._offset[place], self._length[place]

    def read(self, place: int) -> bytes:
        """The bytes of the span at ``place``.

        Raises:
            BadPicture: The file is gone or ends early.
        """
        number, offset, length = self[place]
        try:
            content = self._content(number, offset, length)
        except (OSError, BadData) as error:
            raise BadPicture(f"cannot be read: {error}") from error
        if len(content) != length:
            raise BadPicture(f"the file ends early: {length} bytes were expected, {len(content)} came")
        return content

    def _content(self, number: int, offset: int, length: int) -> bytes:
        with self._lock:
            file = self._open.get(number)
            if file is None and len(self._open) < _MOST_OPEN:
                file = self._open[number] = SpanFile(self.files[number])
        if file is not None:
            return file.read(offset, length)
        passing = SpanFile(self.files[number])
        try:
            return passing.read(offset, length)
        finally:
            passing.close()

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open.clear()


@final
class Texts:
    """Many short texts, kept as one run of bytes.

    Example:
        >>> texts = Texts()
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

    def __getitem__(self, place: int) -> str:
        return self.raw(place).decode("utf-8", "backslashreplace")

    def raw(self, place: int) -> bytes:
        """The bytes of the text at ``place``."""
        return bytes(self._bytes[self._ends[place] : self._ends[place + 1]])
