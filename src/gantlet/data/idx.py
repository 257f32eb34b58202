"""Images in idx files, the format of MNIST and its kin.

An idx file is: two zero bytes, one byte for the type, one for the number of dimensions, each dimension as a
big-endian 32-bit integer, then the values in C order, big-endian.

Legend: ``N`` images, ``H`` x ``W`` pixels.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.errors import BadData
from gantlet.settings import setting

from .base import Dataset
from .files import named_path, read_bytes
from .pool import LEAST, to_unit_range, with_facts

__all__ = ["IdxImages", "read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 16  # numpy holds 64, a sane file has at most 4


@dataclass(frozen=True)
class IdxImages:
    """Grey images from a folder with the four usual files, scaled to [-1, 1]: ``[N, 1, H, W]``.

    The files are ``train-images-idx3-ubyte``, ``t10k-images-idx3-ubyte`` and, if there are labels,
    ``train-labels-idx1-ubyte``, ``t10k-labels-idx1-ubyte``. ``.idx`` for ``-idx`` and ``.gz`` at the end
    are accepted. Train and test are split as in the files.
    """

    data_path: str = setting("", "the folder that holds the idx files")
    train_size: int = setting(0, "how many training images to keep, from the first on; 0 keeps all", low=0)
    test_size: int = setting(0, "how many test images to keep, from the first on; 0 keeps all", low=0)

    def load(self) -> Dataset:
        """Read the files.

        Raises:
            BadData: No folder was given, a file is missing or wrong, or files disagree with each other.
        """
        folder = named_path(self.data_path, data="mnist", wanted="FOLDER")
        if not folder.is_dir():
            reason = "is a file" if folder.exists() else "does not exist"
            raise BadData(f"The folder {folder} {reason}; data_path=FOLDER wants a folder of idx files.")
        train, train_labels = _part(folder, "train", self.train_size)
        test, test_labels = _part(folder, "t10k", self.test_size)
        if train.shape[1:] != test.shape[1:]:
            shapes = " and ".join("×".join(map(str, part.shape[1:])) for part in (train, test))
            raise BadData(f"{folder}: training and test images have different sizes, {shapes} pixels.")
        data = Dataset(
            train=train[:, None].contiguous(),
            test=to_unit_range(test[:, None]),
            train_labels=train_labels,
            test_labels=test_labels,
        )
        return with_facts(data, source=f"idx files in {folder}", scaled_from="8-bit, 0..255")


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
        raise BadData(f"{path} is no idx file: it starts with {content[:2].hex(' ')}, expected 00 00.")
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


def _part(folder: Path, part: str, keep: int) -> tuple[Tensor, Tensor | None]:
    """Images ``[N, H, W]`` uint8 and labels ``[N]`` int64 (or None) of ``train`` or ``t10k``."""
    found = _find(folder, f"{part}-images", "idx3-ubyte")
    if found is None:
        raise BadData(f"The folder {folder} holds no {part}-images-idx3-ubyte (nor .gz of it).")
    images = _bytes_of_rank(found, 3, "images, number × height × width")
    if len(images) < max(LEAST, keep):
        raise BadData(f"{found} holds {len(images)} images; at least {max(LEAST, keep)} were asked for.")
    labels = _labels(folder, part, count=len(images))
    kept = keep or len(images)
    return torch.from_numpy(images[:kept]), None if labels is None else torch.from_numpy(labels[:kept]).long()


def _labels(folder: Path, part: str, *, count: int) -> NDArray[np.uint8] | None:
    found = _find(folder, f"{part}-labels", "idx1-ubyte")
    if found is None:
        return None
    labels = _bytes_of_rank(found, 1, "labels")
    if len(labels) != count:
        raise BadData(f"{found} holds {len(labels)} labels for {count} images.")
    return labels


def _bytes_of_rank(path: Path, rank: int, meaning: str) -> NDArray[np.uint8]:
    values = read_idx(path)
    if values.ndim != rank or values.dtype != np.uint8:
        came = f"{values.ndim} dimensions of {values.dtype}"
        raise BadData(f"{path} holds {came}; expected {rank} of uint8 ({meaning}).")
    return values


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{joint}{kind}{suffix}" for suffix in ("", ".gz") for joint in ("-", ".")]
    return next((folder / name for name in names if (folder / name).exists()), None)
