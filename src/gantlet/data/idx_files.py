"""Idx files, the format of MNIST and its kin, as arrays.

An idx file is: two zero bytes, one byte for the type, one for the number of dimensions, each dimension as a
big-endian 32-bit integer, then the values in C order, big-endian.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

from .files import read_bytes

__all__ = ["bytes_of_rank", "read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 16  # numpy holds 64, a sane file has at most 4


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read one idx file, plain or gzipped (told apart by content, not by name), in the machine's byte order.

    Raises:
        BadData: The file is missing, empty, no idx file, truncated, too long, or its compression is corrupt.
    """
    content = _decompressed(Path(path))
    kind, shape, start = _header(content, path)
    expected, came = math.prod(shape) * kind.itemsize, len(content) - start
    if came != expected:
        fault = "truncated" if came < expected else "too long"
        dims = "×".join(map(str, shape))
        raise BadData(f"{path} is {fault}: {dims} values are {expected} bytes, {came} came.")
    values = np.frombuffer(content, dtype=kind, offset=start).reshape(shape)
    return values.astype(kind.newbyteorder("="))


def bytes_of_rank(path: Path, rank: int, meaning: str) -> NDArray[np.uint8]:
    """Read one idx file of bytes with ``rank`` dimensions; ``meaning`` says in an error what they are.

    Raises:
        BadData: As :func:`read_idx`, or the file holds another type or number of dimensions.
    """
    values = read_idx(path)
    if values.ndim != rank or values.dtype != np.uint8:
        came = f"{values.ndim} dimensions of {values.dtype}"
        raise BadData(f"{path} holds {came}; expected {rank} of uint8 ({meaning}).")
    return values


def _decompressed(path: Path) -> bytes:
    content = read_bytes(path).tobytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise BadData(f"{path} is truncated: its gzip stream ends early.") from None
    except (OSError, zlib.error) as error:
        raise BadData(f"{path} is corrupt: its gzip stream cannot be decompressed ({error}).") from error


def _header(content: bytes, path: str | Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The type, the shape, and where the values start."""
    if len(content) < 4:
        raise BadData(f"{path} is truncated: an idx file starts with 4 bytes, {len(content)} came.")
    if content[:2] != b"\0\0":
        raise BadData(f"{path} is not an idx file: it starts with {content[:2].hex(' ')}, expected 00 00.")
    code, rank = content[2], content[3]
    if code not in _TYPES:
        known = ", ".join(f"{known:02x}" for known in _TYPES)
        raise BadData(f"{path} has the unknown idx type code {code:02x}; known are {known}.")
    if not 1 <= rank <= _MOST_DIMENSIONS:
        raise BadData(f"{path} states {rank} dimensions; expected 1 to {_MOST_DIMENSIONS}.")
    start = 4 + 4 * rank
    if len(content) < start:
        raise BadData(f"{path} is truncated within its header: {rank} dimensions need {start} bytes.")
    shape = tuple(int(size) for size in np.frombuffer(content, dtype=">u4", count=rank, offset=4))
    if 0 in shape:
        raise BadData(f"{path} holds no values: its dimensions are {'×'.join(map(str, shape))}.")
    return np.dtype(_TYPES[code]), shape, start
