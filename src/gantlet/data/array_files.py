"""Arrays of numbers from .npy and .npz files, and every way in which such a file can be wrong.

A .npy file is a magic string, a header (a Python literal with type, order and shape) and the values. NumPy
parses the header; the values are taken from the bytes here, so that too few and too many are told apart and
nothing that is pickled is ever loaded.

Reference:
    | The NumPy array format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import pickle
import warnings
import zipfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gantlet.errors import BadData

from .files import Bytes, check_file, read_bytes

__all__ = ["EXACT", "NpzFile", "as_float32", "check_finite", "check_rounding", "check_whole", "map_array", "read_array"]

EXACT = 2.0**53
"""Below it floating point of 64 bits keeps every whole number."""
_KEYS = ("x", "images", "data")
_ROUNDED = 0.01  # of a column's standard deviation: what float32 may move a number by
_MOST_DIMENSIONS, _LARGEST_SIZE = 16, 2**48  # beyond them a header is damaged
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_array(path: str | Path) -> NDArray[Any]:
    """Read one array of finite numbers, in the machine's byte order.

    ``.npy`` holds one array; ``.npz`` one, or one called ``x``, ``images`` or ``data``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "points.npy")
        ...     np.save(path, np.arange(3.0))
        ...     read_array(path)
        array([0., 1., 2.])

    Raises:
        BadData: The file is missing, empty, of another format, truncated, corrupt or too long; or it holds
            pickled objects, no numbers, several arrays, or values that are not finite.
    """
    path = Path(path)
    check_file(path)
    readers = {".npy": _whole_npy, ".npz": _whole_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadData(f"{path} has the ending '{path.suffix}'; expected one of {', '.join(readers)}.")
    values = reader(path)
    if values.dtype.kind == "f":
        check_finite(values, str(path))
    return values


def _whole_npy(path: Path) -> NDArray[Any]:
    return _read_npy(read_bytes(path), str(path))


def _whole_npz(path: Path) -> NDArray[Any]:
    file = NpzFile(path)
    return file[_only_key(file.keys, str(path))]


def map_array(path: str | Path) -> NDArray[Any]:
    """The array of a ``.npy`` file, mapped into memory and read-only: its values are read when they are asked for.

    Raises:
        BadData: As :func:`read_array`; values are not looked at.
    """
    path = Path(path)
    check_file(path)
    try:
        content: Bytes = np.memmap(path, dtype=np.uint8, mode="r")
    except ValueError:
        raise BadData(f"{path} is empty (0 bytes).") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error}.") from error
    return _read_npy(content, str(path))


class NpzFile:
    """The arrays of a ``.npz`` file by name, each read when it is asked for.

    Raises:
        BadData: The file is missing, empty, truncated, corrupt, or no ``.npz`` file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._content = io.BytesIO(read_bytes(self.path).tobytes())
        with _opened(self._content, str(path)) as archive:
            self.keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    def __getitem__(self, key: str) -> NDArray[Any]:
        """The array called ``key``.

        Raises:
            BadData: As :func:`read_array`; values are not looked at.
        """
        with _opened(self._content, str(self.path)) as archive:
            member = np.frombuffer(bytearray(archive.read(f"{key}.npy")), dtype=np.uint8)
        source = f"{self.path}: the array '{key}'"
        if not member.size:
            raise BadData(f"{source} is empty (0 bytes).")
        return _read_npy(member, source)


@contextmanager
def _opened(content: io.BytesIO, source: str) -> Generator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(content) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise BadData(f"{source} is truncated, corrupt, or no .npz file ({error}).") from error
    except Exception as error:  # damaged archives raise what zlib, struct, codecs and the file system raise
        raise BadData(f"{source} is corrupt: its archive cannot be read ({error}).") from error


def _read_npy(content: Bytes, source: str) -> NDArray[Any]:
    kind, shape, fortran, start = _npy_header(content, source)
    if kind.hasobject:
        raise BadData(f"{source} holds pickled Python objects, which are never loaded; save numbers.")
    if kind.kind not in "iuf":
        raise BadData(f"{source} holds values of the type {kind}; expected integers or floating point.")
    if not 1 <= len(shape) <= _MOST_DIMENSIONS or min(shape) < 0 or max(shape) > _LARGEST_SIZE:
        raise BadData(f"{source} has the shape {list(shape)}; expected 1 to {_MOST_DIMENSIONS} sizes.")
    expected, came = math.prod(shape) * kind.itemsize, content.size - start
    if came != expected:
        fault = "truncated" if came < expected else "too long"
        raise BadData(f"{source} is {fault}: {list(shape)} of {kind} is {expected} bytes, {came} came.")
    if not expected:
        raise BadData(f"{source} holds no values: its shape is {list(shape)}.")
    values = content[start:].view(kind).reshape(shape, order="F" if fortran else "C")
    return values.astype(kind.newbyteorder("="), copy=False)


def _npy_header(content: Bytes, source: str) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """The type, the shape, whether columns come first, and where the values start."""
    stream = io.BytesIO(content[: 2**16].tobytes())
    if not stream.getvalue().startswith(npy.MAGIC_PREFIX[: content.size]):
        pickled = content[0] == pickle.PROTO[0]
        what = " (it looks like a pickle, which is never loaded)" if pickled else ""
        raise BadData(f"{source} is not a .npy array{what}; write it with numpy.save.")
    try:
        version = npy.read_magic(stream)
        if version not in _HEADER_READERS:
            raise BadData(f"{source} has the .npy version {version[0]}.{version[1]}; expected 1.0 or 2.0.")
        with warnings.catch_warnings():  # a damaged literal warns of what it is about to fail on
            warnings.simplefilter("ignore")
            shape, fortran, kind = _HEADER_READERS[version](stream)
    except BadData:
        raise
    except Exception as error:  # a damaged literal raises whatever Python's parser and numpy.dtype raise
        fault = "truncated within" if content.size < _header_end(content) else "corrupt in"
        raise BadData(f"{source} is {fault} its header; write it again with numpy.save.") from error
    return kind, shape, fortran, stream.tell()


def _header_end(content: Bytes) -> int:
    """Where the header claims to end: 6 bytes of magic, 2 of version, 2 or 4 of length, then that length."""
    width = 2 if content.size > 6 and content[6] == 1 else 4
    length = int.from_bytes(content[8 : 8 + width].tobytes(), "little")
    return 8 + width + length


def _only_key(arrays: list[str], source: str) -> str:
    if len(arrays) == 1:
        return arrays[0]
    usual = [key for key in _KEYS if key in arrays]
    if len(usual) == 1:
        return usual[0]
    found = ", ".join(arrays) or "none"
    raise BadData(f"{source} must hold one array, or one called {', '.join(_KEYS)}; it holds: {found}.")


def as_float32(values: NDArray[Any], source: str) -> NDArray[np.float32]:
    """Numbers as float32, in C order.

    Raises:
        BadData: A number is beyond the range of float32.
    """
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, dtype=np.float32, order="C")
    if not np.isfinite(narrow).all():
        raise BadData(f"{source} holds values beyond ±3.4e38, the range of float32; rescale them.")
    return narrow


def check_whole(numbers: Iterable[float | Decimal], source: str) -> None:
    """See that 64-bit floating point keeps whole numbers, as it does up to 2^53; what has more digits mostly names rows.

    Raises:
        BadData: One of them would become another.
    """
    for number in numbers:
        if number == int(number) != float(number):
            raise BadData(
                f"{source}: {number} has more digits than 64-bit floating point keeps. Leave the column out if it names rows, "
                "or subtract an offset first."
            )


def check_rounding(values: NDArray[Any], narrow: NDArray[np.float32], source: str, names: Sequence[str] = ()) -> None:
    """See that float32 keeps what differs between the samples of each column: timestamps of one minute, say, become equal.

    Arguments:
        values: As they came, ``[N, ...]``; finite.
        narrow: The same as float32.
        source: Where they are from, for the message.
        names: Of the columns, where they have some.

    Raises:
        BadData: Rounding moves a number of some column by more than a hundredth of the column's standard deviation, or a whole
            number is none of 64-bit floating point.
    """
    if values.dtype.itemsize <= (4 if values.dtype.kind == "f" else 2):
        return
    if values.dtype.kind in "iu":
        check_whole(values[abs(values.astype(float)) >= EXACT].tolist(), source)
    wide, near = (array.reshape(len(array), -1) for array in (values, narrow))
    noise = 1e-13 if values.dtype.kind == "f" else 0.0  # of a column that was meant to be constant
    largest = abs(near).max(0).astype(float)
    for column in (largest * 2.0**-24 > _ROUNDED * wide.std(0, dtype=float)).nonzero()[0].tolist():
        exact = wide[:, column].astype(np.longdouble)
        spread, moved = float(exact.std()), float(abs(exact - near[:, column]).max())
        if exact.min() < exact.max() and spread > noise * largest[column] and moved > _ROUNDED * spread:
            name = f" ({names[column]})" if names else ""
            raise BadData(
                f"{source}: column {column}{name}, counted from 0, has numbers near {float(exact[0]):g} with a standard deviation of "
                f"{spread:.3g}, and float32 moves them by up to {moved:.3g}. Subtract an offset first, such as the column's mean."
            )


def check_finite(values: NDArray[Any], source: str) -> None:
    """See that every value is finite.

    Raises:
        BadData: One is not; the message says which.
    """
    finite = np.isfinite(values)
    if finite.all():
        return
    wrong = np.argwhere(~finite)
    where = tuple(int(index) for index in wrong[0])
    raise BadData(
        f"{source} holds {len(wrong)} values that are not finite; the first is {values[where]} at "
        f"{list(where)}, counted from 0. Remove or replace them."
    )
