"""Shards: prepared pictures in tar files that any WebDataset reader opens, and in which every picture has a known place.

A shard is an ordinary tar of pairs ``000000042.npy`` (8-bit pixels, channels first) and ``000000042.cls`` (the class's
number, where there are classes). All pictures have one shape, so all pairs have one length, and sample i of a shard begins
at i times that length: no index is read, starting costs nothing, and memory does not grow with the number of pictures.

Legend: ``N`` pictures, ``C`` channels, ``H`` x ``W`` pixels.

References:
    | The tar format, POSIX.1-1988 (ustar): https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
    | WebDataset: https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

__all__ = ["Layout", "Pixels", "ShardWriter", "read_pictures"]

Pixels = NDArray[np.uint8]
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_LABEL = 8  # digits of a class's number


@dataclass(frozen=True)
class Layout:
    """Where things stand in a shard of pictures ``shape`` = (C, H, W).

    Example:
        >>> Layout((3, 64, 64), labelled=True).stride
        14336
    """

    shape: tuple[int, int, int]
    labelled: bool

    @property
    def pixels(self) -> int:
        """Bytes of one picture's pixels."""
        return int(np.prod(self.shape))

    @property
    def payload(self) -> bytes:
        """What stands before the pixels inside a ``.npy`` file."""
        stream = io.BytesIO()
        header = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, header)
        return stream.getvalue()

    @property
    def first(self) -> int:
        """Where the pixels of a shard's first picture begin."""
        return _BLOCK + len(self.payload)

    @property
    def stride(self) -> int:
        """From one picture to the next, in bytes."""
        return _BLOCK + _padded(len(self.payload) + self.pixels) + (2 * _BLOCK if self.labelled else 0)

    def count(self, size: int) -> int:
        """How many whole pictures a shard of ``size`` bytes holds, or -1 if it was cut or is none of this layout."""
        whole, rest = divmod(size - len(_END), self.stride)
        return whole if rest == 0 and whole >= 0 else -1


class ShardWriter:
    """Writes one shard, picture by picture, into a file that is complete only when :meth:`close` was called.

    Attributes:
        count: Pictures so far.
        sha256: Of everything written, once closed.
    """

    def __init__(self, path: Path, layout: Layout, *, first_key: int = 0) -> None:
        self.count, self.sha256 = 0, ""
        self._layout, self._first = layout, first_key
        self._payload = layout.payload
        self._filling = bytes(_padded(len(self._payload) + layout.pixels) - len(self._payload) - layout.pixels)
        self._template = {
            "npy": _header(len(self._payload) + layout.pixels),
            "cls": _header(_LABEL),
        }
        self._hash = hashlib.sha256()
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, pixels: Pixels, label: int = -1) -> None:  # [C, H, W]
        """Append a picture and its class.

        Raises:
            ValueError: The pixels have another shape or type.
            OSError: The disk is full.
        """
        if pixels.shape != self._layout.shape or pixels.dtype != np.uint8:
            raise ValueError(f"a shard of {self._layout.shape} was given {pixels.shape} of {pixels.dtype}")
        key = self._first + self.count
        parts = [_named(self._template["npy"], f"{key:09d}.npy"), self._payload, pixels.tobytes(), self._filling]
        if self._layout.labelled:
            number = f"{label:0{_LABEL}d}".encode()
            parts += [_named(self._template["cls"], f"{key:09d}.cls"), number, bytes(_BLOCK - _LABEL)]
        self._write(b"".join(parts))
        self.count += 1

    def close(self) -> None:
        """End the archive and bring it to the disk."""
        self._write(_END)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.sha256 = self._hash.hexdigest()

    def _write(self, content: bytes) -> None:
        self._hash.update(content)
        self._file.write(content)


def read_pictures(path: Path, layout: Layout, places: NDArray[np.int64], out: Pixels, rows: NDArray[np.int64]) -> None:
    """Read the pictures at ``places`` of a shard into ``out[rows]``, ``[N, C, H, W]``.

    The file is opened anew each time, so that nothing is shared between threads and processes.

    Raises:
        BadData: The shard is gone, or shorter than it was when it was prepared.
    """
    try:
        with path.open("rb", buffering=0) as file:
            for place, row in zip(places.tolist(), rows.tolist(), strict=True):
                file.seek(layout.first + place * layout.stride)
                if file.readinto(out[row].reshape(-1).data) != layout.pixels:
                    raise BadData(f"The shard {path} ends within its picture {place}. Prepare the pictures again.")
    except OSError as error:
        raise BadData(f"The shard {path} cannot be read: {error.strerror}. Prepare the pictures again.") from error


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _header(size: int) -> bytes:
    """A member's ustar header without a name and with a blank checksum: owner 0, time 0, always the same bytes."""
    fields = [
        bytes(100),
        b"0000444\0",
        b"0000000\0" * 2,
        f"{size:011o}\0".encode(),
        b"00000000000\0",
        b" " * 8,
        b"0",
        bytes(100),
        b"ustar\x0000",
    ]
    return b"".join(fields).ljust(_BLOCK, b"\0")


def _named(header: bytes, name: str) -> bytes:
    encoded = name.encode()
    total = sum(header) + sum(encoded)  # the checksum counts its own field as blanks
    return encoded + header[len(encoded) : 148] + f"{total:06o}\0 ".encode() + header[156:]
