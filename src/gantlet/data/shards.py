"""Shards: prepared images of one shape in ``.npy`` files, read one at a time without an index.

A shard is what ``numpy.save`` writes for an array ``[N, C, H, W]`` of uint8, and ``numpy.load(…, mmap_mode="r")`` opens
it. Image i begins at i times the bytes of an image after the header: starting costs nothing, and memory does not grow
with the number of images.

Legend: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.

Reference:
    | The NumPy array format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData
from gantlet.files import file_digest

__all__ = ["Pixels", "images_in", "read_images", "shard_digest", "write_shard"]

Pixels = NDArray[np.uint8]


def write_shard(path: Path, shape: tuple[int, int, int], images: Iterable[Pixels]) -> tuple[int, str]:
    """Write images ``[C, H, W]`` as they come; how many there were, and the SHA-256 of their pixels.

    Raises:
        ValueError: The pixels have another shape or type.
        OSError: The disk is full.
    """
    count, digest = 0, hashlib.sha256()
    with path.open("wb") as file:
        file.write(_header(0, shape))
        for image in images:
            if image.shape != shape or image.dtype != np.uint8:
                raise ValueError(f"a shard of {shape} was given {image.shape} of {image.dtype}")
            content = image.tobytes()
            digest.update(content)
            file.write(content)
            count += 1
        file.seek(0)
        file.write(_header(count, shape))
        file.flush()
        os.fsync(file.fileno())
    return count, digest.hexdigest()


def images_in(path: Path, shape: tuple[int, int, int]) -> int:
    """How many images a shard holds by its size, or -1 if it is missing, was cut, or is of another shape.

    Raises:
        OSError: It cannot be read.
    """
    if not path.is_file():
        return -1
    count, rest = divmod(path.stat().st_size - _start(shape), math.prod(shape))
    with path.open("rb") as file:
        whole = rest == 0 and count >= 0 and file.read(_start(shape)) == _header(count, shape)
    return count if whole else -1


def shard_digest(path: Path, shape: tuple[int, int, int]) -> str:
    """The SHA-256 of a shard's pixels."""
    with path.open("rb") as file:
        file.seek(_start(shape))
        return file_digest(file)


def read_images(
    path: Path, shape: tuple[int, int, int], places: NDArray[np.int64], out: Pixels, rows: NDArray[np.int64]
) -> None:
    """Read the images at ``places`` of a shard into ``out[rows]``, ``[N, C, H, W]``.

    The file is opened anew each time, so that nothing is shared between threads and processes.

    Raises:
        BadData: The shard is gone, or shorter than it was when it was prepared.
    """
    start, size = _start(shape), math.prod(shape)
    try:
        with path.open("rb", buffering=0) as file:
            for place, row in zip(places.tolist(), rows.tolist(), strict=True):
                file.seek(start + place * size)
                if file.readinto(out[row].reshape(-1).data) != size:
                    raise BadData(f"The shard {path} ends within its image {place}. Prepare the images again.")
    except OSError as error:
        raise BadData(f"The shard {path} cannot be read: {error.strerror}. Prepare the images again.") from error


def _header(count: int, shape: tuple[int, int, int]) -> bytes:
    """What stands before the pixels; NumPy leaves room in it for any count, so it is as long for all."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def _start(shape: tuple[int, int, int]) -> int:
    return len(_header(0, shape))
