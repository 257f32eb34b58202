"""HDF5 files with one array of images, or one for each part. Needs the extra ``hdf5``.

Reference:
    | The HDF5 library and file format, https://www.hdfgroup.org/solutions/hdf5/
"""

from __future__ import annotations

import importlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantlet.data.files import check_file
from gantlet.errors import BadData, BadImage, MissingExtra

from .arrays import image_keys, label_key
from .base import Entry, Fault, Part
from .layout import Consecutive, LazyEntries, part_of, settled
from .stacks import Labels, as_pixels, named_labels

__all__ = ["HDF5Reader"]

_MOST_GROWTH, _LARGEST_CHUNK = 1032, 2**30  # of deflate; bytes
_FAULTS = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, AttributeError, MemoryError)


@dataclass(frozen=True)
class _Stored:
    """An array of images in the file; ``first`` says that channels come before the pixels."""

    array: Any
    name: str
    count: int
    first: bool
    labels: Labels | None
    part: Part


class HDF5Reader:
    """An HDF5 file of uint8 images, ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]`` with C = 1, 3 or 4.

    Images: the arrays called ``x``, ``images``, ``image`` or ``data`` (in any case, with a part as ``X_train``, or
    in a group called like one), else the only array of three or four dimensions. Part: from the array's name or its
    group's; validation is the test part where there is no other, else it is left out. Label: the number in the array
    ``y``, ``labels``, ``label`` or ``targets`` of the same part; none without.
    One lock guards the file, as the library asks; images are read one at a time, through its cache of chunks.

    Raises:
        BadData: A file that is missing, wrong, without images, or with labels that are not as many.
        MissingExtra: h5py is not installed.
    """

    endings: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")

    def __init__(self, path: str) -> None:
        try:
            library: Any = importlib.import_module("h5py")
        except ImportError:
            raise MissingExtra("h5py", extra="hdf5", purpose=f"Reading {path}") from None
        file = Path(path).expanduser()
        check_file(file)
        self._lock = threading.Lock()
        try:
            self._file: Any = library.File(file, "r")
        except _FAULTS as error:
            raise BadData(f"{file} is truncated, corrupt, or not an HDF5 file ({_short(error)}).") from error
        try:
            self._stored = _all_stored(self._file, file, library)
        except BaseException as error:
            self._file.close()
            if isinstance(error, _FAULTS):
                raise BadData(f"{file} is corrupt: what it holds cannot be listed ({_short(error)}).") from error
            raise
        self._turns = Consecutive(stored.count for stored in self._stored)
        self.entries: Sequence[Entry] = LazyEntries(len(self._turns), self._entry)
        self.faults: Sequence[Fault] = ()
        arrays = {stored.array.name: stored.count for stored in self._stored}
        self.facts: Mapping[str, Any] = {"format": "HDF5", "images": len(self._turns), "arrays": arrays}

    def read(self, place: int) -> NDArray[np.uint8]:
        """The pixels ``[H, W]`` or ``[H, W, C]`` of ``entries[place]``.

        Raises:
            BadImage: The part of the file that holds it is damaged.
        """
        stored, within = self._find(place)
        try:
            with self._lock:
                pixels: NDArray[np.uint8] = stored.array[within]
        except _FAULTS as error:
            raise BadImage(f"its part of the file cannot be read ({_short(error)})") from error
        return np.ascontiguousarray(np.moveaxis(pixels, 0, 2)) if stored.first else pixels

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _entry(self, place: int) -> Entry:
        stored, within = self._find(place)
        name = f"{stored.name}/{within}" if stored.name else str(within)
        return Entry(name, "" if stored.labels is None else stored.labels[within], stored.part)

    def _find(self, place: int) -> tuple[_Stored, int]:
        number, within = self._turns.find(place)
        return self._stored[number], within


def _all_stored(file: Any, path: Path, library: Any) -> list[_Stored]:
    arrays: dict[str, Any] = {}

    def note(name: str, found: Any) -> None:
        if isinstance(found, library.Dataset):
            arrays[name.replace("/", "_")] = found

    file.visititems(note)
    if not arrays:
        raise BadData(f"{path} holds no arrays.")
    keys = _image_keys(arrays, str(path))
    parts = settled([part_of(key) or part_of(path.stem) for key in keys])
    return [
        _stored(arrays, key, part, "" if len(keys) == 1 else arrays[key].name.strip("/"), path)
        for key, part in zip(keys, parts, strict=True)
        if part is not None
    ]


def _image_keys(arrays: Mapping[str, Any], source: str) -> list[str]:
    many = [key for key, array in arrays.items() if array.ndim in (3, 4)]
    if len(many) == 1:
        return many
    return image_keys(list(arrays), source)


def _stored(arrays: Mapping[str, Any], key: str, part: Part, name: str, path: Path) -> _Stored:
    array, source = arrays[key], f"{path}: the array '{arrays[key].name}'"
    shape = tuple(array.shape)
    # An array of this type and shape that takes no memory.
    first = as_pixels(np.broadcast_to(np.zeros((), array.dtype), shape), source).shape != shape
    _check_storage(array, source, path.stat().st_size)
    beside = label_key(list(arrays), key)
    labels = None
    if beside is not None:
        where = f"{path}: the array '{arrays[beside].name}'"
        if math.prod(arrays[beside].shape) != shape[0]:
            raise BadData(f"{where} holds {list(arrays[beside].shape)} labels for {shape[0]} images; they must agree.")
        _check_storage(arrays[beside], where, path.stat().st_size)
        labels = named_labels(arrays[beside][...], (), count=shape[0], source=where)
    return _Stored(array, name, shape[0], first, labels, part)


def _check_storage(array: Any, source: str, size: int) -> None:
    """No array may claim more than its file can hold, nor be stored elsewhere; so a false number takes no memory.

    Raises:
        BadData: It does.
    """
    if array.is_virtual or array.external:
        raise BadData(f"{source} is stored in other files, which are not read; copy it into this one.")
    stored, whole = array.id.get_storage_size(), math.prod(array.shape) * array.dtype.itemsize
    growth = _MOST_GROWTH if array.chunks else 1
    if not 0 < stored <= size or whole > growth * size:
        raise BadData(
            f"{source} states {whole} bytes, {stored} of them stored, in a file of {size}; it is corrupt or empty."
        )
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > _LARGEST_CHUNK:
        raise BadData(
            f"{source} has chunks of {list(array.chunks)}, more than {_LARGEST_CHUNK} bytes each; write smaller ones."
        )


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:150]
