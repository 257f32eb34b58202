"""TFRecord files without TensorFlow: pixels, labels and parts as they were written, and damage that is noticed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data.readers.base import open_reader
from gantlet.data.readers.tfrecord import masked_crc
from gantlet.errors import BadData, BadImage

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
FUZZ = settings(max_examples=150, deadline=None, database=None, derandomize=True)


def field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def feature(name: str, value: bytes | int) -> bytes:
    held = field(1, field(1, value)) if isinstance(value, bytes) else field(3, field(1, bytes([value])))
    return field(1, field(1, name.encode()) + field(2, held))


def frame(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked_crc(length)) + record + struct.pack("<I", masked_crc(record))


def example(**features: bytes | int) -> bytes:
    return field(1, b"".join(feature(name, value) for name, value in features.items()))


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa."""
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_raw_pixels_of_the_comparisons_converter(tmp_path: Path) -> None:
    (tmp_path / "celebA_0.tfrecord").write_bytes(b"".join(frame(example(image=x.tobytes())) for x in PIXELS[:3]))
    (tmp_path / "celebA_1.tfrecord").write_bytes(frame(example(image=PIXELS[3].tobytes())))
    reader = open_reader("tfrecord", str(tmp_path))
    np.testing.assert_array_equal([reader.read(place) for place in range(4)], PIXELS)
    assert (reader.facts["files"], reader.facts["images"], list(reader.faults)) == (2, 4, [])


def test_sides_labels_and_encoded_files(tmp_path: Path) -> None:
    wide = PIXELS.reshape(4, 4, 27, 1)[0]
    png = b"\x89PNG of some kind"
    records = [
        example(image_raw=wide.tobytes(), height=4, width=27, depth=1, label=7),
        example(image=png, label=b"cat"),
    ]
    (tmp_path / "x.tfrecord").write_bytes(b"".join(map(frame, records)))
    reader = open_reader("tfrecord", str(tmp_path / "x.tfrecord"))
    np.testing.assert_array_equal(reader.read(0), wide)
    assert reader.read(1) == png
    assert [entry.label for entry in reader.entries] == ["7", "cat"]


def test_raw_pixels_that_begin_as_a_bitmap_are_pixels_and_a_bitmap_is_a_file(tmp_path: Path) -> None:
    pixels = PIXELS[0].copy()
    pixels[0, 0, :2] = np.frombuffer(b"BM", np.uint8)
    bitmap = b"BM" + struct.pack("<I", 6 * 6 * 3) + bytes(6 * 6 * 3 - 6)
    careless = b"BM" + bytes(101)
    (tmp_path / "x.tfrecord").write_bytes(
        b"".join(frame(example(image=content)) for content in (pixels.tobytes(), bitmap, careless))
    )
    reader = open_reader("tfrecord", str(tmp_path / "x.tfrecord"))
    np.testing.assert_array_equal(reader.read(0), pixels)
    assert (reader.read(1), reader.read(2)) == (bitmap, careless)


def test_a_negative_label_keeps_its_sign(tmp_path: Path) -> None:
    """A negative int64 is ten bytes: two's complement."""
    minus_one = bytes([1 << 3]) + b"\xff" * 9 + b"\x01"
    label = field(1, field(1, b"label") + field(2, field(3, minus_one)))
    record = field(1, feature("image", PIXELS[0].tobytes()) + label)
    (tmp_path / "x.tfrecord").write_bytes(frame(record))
    assert [entry.label for entry in open_reader("tfrecord", str(tmp_path / "x.tfrecord")).entries] == ["-1"]


def test_a_damaged_record_is_a_fault_and_a_damaged_frame_bad_data(tmp_path: Path) -> None:
    good = [frame(example(image=x.tobytes())) for x in PIXELS]
    path = tmp_path / "x.tfrecord"
    spoilt = bytearray(good[1])
    spoilt[60] ^= 1
    path.write_bytes(good[0] + bytes(spoilt) + good[2])
    reader = open_reader("tfrecord", str(path))
    assert [(fault.name, fault.reason) for fault in reader.faults] == [("x.tfrecord/1", "its checksum is wrong")]
    np.testing.assert_array_equal(reader.read(1), PIXELS[2])
    path.write_bytes(b"".join(good)[:-5])
    with pytest.raises(BadData, match="is truncated"):
        open_reader("tfrecord", str(path))
    path.write_bytes(b"no records at all, but text")
    with pytest.raises(BadData, match="not a TFRecord file"):
        open_reader("tfrecord", str(path))
    with pytest.raises(BadData):
        open_reader("tfrecord", str(tmp_path / "none.tfrecord"))


WHOLE = b"".join(frame(example(image=x.tobytes(), label=3)) for x in PIXELS[:2])


@given(content=st.data())
@FUZZ
def test_any_damage_is_bad_data_a_fault_or_an_image(
    content: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(example(image=PIXELS[0].tobytes(), height=6, width=6, label=3))
    for place in content.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=5)):
        damaged[place] = content.draw(st.integers(0, 255))
    cut = content.draw(st.integers(0, len(damaged)))
    path = tmp_path_factory.getbasetemp() / "any.tfrecord"
    end = content.draw(st.integers(0, len(WHOLE)))
    path.write_bytes(frame(bytes(damaged[:cut])) + (WHOLE[:end] if content.draw(st.booleans()) else b""))
    try:
        reader = open_reader("tfrecord", str(path))
        for place in range(len(reader.entries)):
            found = reader.read(place)
            assert isinstance(found, bytes) or found.dtype == np.uint8
    except (BadData, BadImage):
        return
