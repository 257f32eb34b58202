"""TFRecord files of images, read without TensorFlow.

A file is a row of frames: the length in 8 bytes, a checksum of it, the record, a checksum of that (CRC-32C, rotated and shifted).
A record is a protocol buffer ``Example``, a map from names to lists of bytes, floats or whole numbers.

References:
    | https://www.tensorflow.org/tutorials/load_data/tfrecord
    | https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantlet.data.byte_ranges import ByteRangeFile, ByteRangeList
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault, Part
from .layout import LazyEntries, part_of, settled

__all__ = ["TFRecordReader", "masked_crc"]

_IMAGES = ("image", "image_raw", "image/encoded", "img", "data", "x")
_LABELS = ("label", "image/class/label", "labels", "y")
_HEIGHTS, _WIDTHS = ("height", "image/height"), ("width", "image/width")
_DEPTHS = ("depth", "channels", "image/channels")
_ENCODED = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
_BITMAP = (
    b"BM"  # two bytes, with which one raw image in 65,536 begins, too: then the length has to be that of the header
)
_LARGEST = 1 << 28  # bytes of a record
_Value = bytes | int
_Features = dict[str, _Value]


class TFRecordReader:
    """TFRecord files of images: a file, a folder of ``*.tfrecord*``, or a pattern.

    The image is the bytes under ``image``, ``image_raw``, ``image/encoded``, …: an encoded file, or raw pixels ``[H, W, C]`` whose
    sides stand under ``height`` and ``width``, else a square of three channels or one. Part: from the file's name, as of shards.
    Label: the number or word under ``label`` or ``image/class/label``. A record whose checksum is wrong is a fault.

    Raises:
        BadData: No such file, one that is truncated, or none with an image.
    """

    endings: ClassVar[tuple[str, ...]] = (".tfrecord", ".tfrecords")

    def __init__(self, path: str) -> None:
        named = _files(path)
        said = zip(
            named, settled([part_of(file.name.partition(".")[0], file.parent.name) for file in named]), strict=True
        )
        kept: list[tuple[Path, Part]] = [(file, part) for file, part in said if part is not None]
        self._ranges = ByteRangeList([file for file, _ in kept])
        self._parts: list[Part] = [part for _, part in kept]
        self._codes, self._labels = array("i"), {"": 0}
        self._faults: list[Fault] = []
        for number, (file, _) in enumerate(kept):
            self._list(number, file)
        if not len(self._ranges):
            raise BadData(f"{path}: {len(kept)} TFRecord files hold no image under {', '.join(_IMAGES)}.")
        self._label_names = list(self._labels)
        self.entries: Sequence[Entry] = LazyEntries(len(self._ranges), self._entry)
        self.faults: Sequence[Fault] = self._faults
        self.facts: Mapping[str, Any] = {
            "format": "TFRecord",
            "files": len(kept),
            "images": len(self._ranges),
            "classes": len(self._labels) - 1,
        }

    @staticmethod
    def files_of(path: str) -> list[str]:
        """A path and the files that it names."""
        try:
            return [path, *map(str, _files(path))]
        except BadData:
            return [path]

    def read(self, place: int) -> bytes | NDArray[np.uint8]:
        """The encoded file or the pixels ``[H, W, C]`` of ``entries[place]``.

        Raises:
            BadImage: The record is damaged, or its bytes are not an image.
        """
        return _image(_features(self._ranges.read(place)))

    def close(self) -> None:
        """Close the files."""
        self._ranges.close()

    def _list(self, number: int, path: Path) -> None:
        file = ByteRangeFile(path)
        try:
            for index, (offset, length, check) in enumerate(_frames(file)):
                record = file.read(offset, length)
                try:
                    if masked_crc(record) != check:
                        raise BadImage("its checksum is wrong")
                    features = _features(record)
                    _image(features)
                except BadImage as error:
                    self._faults.append(Fault(f"{path.name}/{index}", str(error)))
                    continue
                self._ranges.add(number, offset=offset, length=length)
                self._codes.append(self._labels.setdefault(_label(features), len(self._labels)))
        except BadImage as error:
            raise BadData(str(error)) from error
        finally:
            file.close()

    def _entry(self, place: int) -> Entry:
        number = self._ranges.file_of(place)
        return Entry(str(place), self._label_names[self._codes[place]], self._parts[number])


def _files(path: str) -> list[Path]:
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(each for each in place.glob("*.tfrecord*") if each.is_file())
    else:
        found = [Path(each) for each in sorted(glob(str(place)))] if has_magic(str(place)) else [place]
    if not found:
        raise BadData(f"There is no TFRecord file {path}; expected a file, a folder of *.tfrecord*, or a pattern.")
    return found


def _frames(file: ByteRangeFile) -> Iterator[tuple[int, int, int]]:
    """Offset, length and checksum of each record.

    Raises:
        BadData: A frame is cut, or its length's checksum is wrong.
    """
    at = 0
    while at < file.size:
        head = file.read(at, 12)
        if len(head) < 12 or masked_crc(head[:8]) != struct.unpack_from("<I", head, 8)[0]:
            raise BadData(f"{file.path} is truncated, corrupt, or not a TFRecord file (at byte {at:,}).")
        length = struct.unpack_from("<Q", head)[0]
        if length > _LARGEST or at + 16 + length > file.size:
            raise BadData(f"{file.path} is truncated: a record of {length:,} bytes begins at byte {at:,}.")
        yield at + 12, length, struct.unpack("<I", file.read(at + 12 + length, 4))[0]
        at += 16 + length


def _table() -> list[int]:
    found: list[int] = []
    for byte in range(256):
        rest = byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
        found.append(rest)
    return found


_CRC = _table()


def masked_crc(content: bytes) -> int:
    """The checksum of TFRecord: CRC-32C, rotated right by 15 bits, plus a constant.

    Example:
        >>> hex(masked_crc(b"123456789"))  # CRC-32C 0xe3069283
        '0xc78ab0e5'
    """
    rest, table = 0xFFFFFFFF, _CRC
    for byte in content:
        rest = rest >> 8 ^ table[(rest ^ byte) & 0xFF]
    rest ^= 0xFFFFFFFF
    return ((rest >> 15 | rest << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _fields(content: bytes) -> Iterator[tuple[int, _Value]]:
    """Number and value of each field of a protocol buffer.

    Raises:
        BadImage: It is cut, or not one.
    """
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        length, at = _varint(content, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if length < 0 or at + length > len(content):
            raise BadImage("the record is not an Example")
        yield key >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
    raise BadImage("the record is not an Example")


def _inside(content: bytes, number: int) -> Iterator[bytes]:
    yield from (value for field, value in _fields(content) if field == number and isinstance(value, bytes))


def _features(record: bytes) -> _Features:
    """The first value of each feature of an Example that has bytes or whole numbers."""
    found: _Features = {}
    for entry in (entry for features in _inside(record, 1) for entry in _inside(features, 1)):
        name = next(_inside(entry, 1), b"").decode("utf-8", "replace")
        for kind, held in (pair for feature in _inside(entry, 2) for pair in _fields(feature)):
            if kind not in (1, 3) or not isinstance(held, bytes):
                continue
            value = next((value for field, value in _fields(held) if field == 1), None)
            if kind == 3 and isinstance(value, bytes):  # packed
                value = _varint(value, 0)[0] if value else None
            if value is not None:
                found[name] = value
    return found


def _image(features: _Features) -> bytes | NDArray[np.uint8]:
    content = next((held for name in _IMAGES if isinstance(held := features.get(name), bytes)), None)
    if not content:
        raise BadImage(f"the record has no image under {', '.join(_IMAGES)}")
    if content.startswith(_ENCODED) or (
        content.startswith(_BITMAP) and content[2:6] == struct.pack("<I", len(content) & 0xFFFFFFFF)
    ):
        return content
    height, width, depth = (_number(features, names) for names in (_HEIGHTS, _WIDTHS, _DEPTHS))
    for channels in (depth,) if depth else (3, 1):
        high = height or math.isqrt(len(content) // channels)
        wide = width or high
        if high * wide * channels == len(content) and channels in (1, 3, 4):
            return np.frombuffer(content, np.uint8).reshape(high, wide, channels)
    if content.startswith(_BITMAP):
        return content
    raise BadImage(f"{len(content):,} bytes are neither an encoded image nor pixels of a known shape")


def _number(features: _Features, names: Sequence[str]) -> int:
    return next((held for name in names if isinstance(held := features.get(name), int)), 0)


def _label(features: _Features) -> str:
    held = next((features[name] for name in _LABELS if name in features), "")
    if isinstance(held, int):
        return str(held - (1 << 64) if held >> 63 == 1 else held)  # two's complement: -1 is often "no label"
    return held.decode("utf-8", "replace")[:200] if isinstance(held, bytes) else str(held)
