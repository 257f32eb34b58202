"""Idx files and arrays: pixels, labels and parts are those that were written, and each wrong file has its sentence."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gantlet.data.readers.arrays import ArrayReader, IdxReader, image_keys
from gantlet.data.readers.base import Entry, Reader, open_reader
from gantlet.errors import BadData

RANDOM = np.random.default_rng(5)
TRAIN, TEST = (RANDOM.integers(0, 256, (count, 4, 3), dtype=np.uint8) for count in (6, 4))


def idx_bytes(values: np.ndarray) -> bytes:
    """The idx file of an array of bytes, from the format's definition."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(folder: Path, prefix: str = "", test: str = "t10k", *, transposed: bool = False) -> None:
    for part, pixels in (("train", TRAIN), (test, TEST)):
        lying = pixels.transpose(0, 2, 1) if transposed else pixels
        labels = (np.arange(len(pixels)) % 3).astype(np.uint8)
        (folder / f"{prefix}{part}-images-idx3-ubyte").write_bytes(idx_bytes(np.ascontiguousarray(lying)))
        (folder / f"{prefix}{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))


def check_pixels(reader: Reader, *parts: np.ndarray) -> None:
    pixels = [picture for part in parts for picture in part]
    assert len(reader.entries) == len(pixels)
    for place in reversed(range(len(pixels))):
        found = reader.read(place)
        assert isinstance(found, np.ndarray)
        assert found.flags.c_contiguous
        assert found.flags.owndata
        np.testing.assert_array_equal(found, pixels[place])
    assert len({entry.name for entry in reader.entries}) == len(pixels)


def test_mnist_is_read(tmp_path: Path) -> None:
    write_idx(tmp_path)
    reader = open_reader("idx", str(tmp_path))
    assert isinstance(reader, Reader)
    check_pixels(reader, TRAIN, TEST)
    assert list(reader.entries[4:8]) == [
        Entry("train/4", "1", "train"),
        Entry("train/5", "2", "train"),
        Entry("test/0", "0", "test"),
        Entry("test/1", "1", "test"),
    ]
    assert reader.entries[-1].name == "test/3"
    assert (reader.facts["parts"], reader.facts["sizes"]) == ({"train": 6, "test": 4}, [[4, 3]])
    with pytest.raises(IndexError):
        _ = reader.entries[10]


def test_emnist_is_turned_upright_and_its_classes_are_characters(tmp_path: Path) -> None:
    write_idx(tmp_path, "emnist-balanced-", "test", transposed=True)
    (tmp_path / "emnist-balanced-mapping.txt").write_text("0 48\n1 65\n2 66 98\n")
    reader = IdxReader(str(tmp_path))
    check_pixels(reader, TRAIN, TEST)
    assert [entry.label for entry in reader.entries] == ["0", "A", "Bb"] * 2 + ["0", "A", "Bb", "0"]
    assert [entry.part for entry in reader.entries] == ["train"] * 6 + ["test"] * 4


def test_one_of_several_sets_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, "emnist-letters-", "test", transposed=True)
    write_idx(tmp_path, "emnist-digits-", "test")
    with pytest.raises(
        BadData, match=r"several sets .*\(emnist-digits, emnist-letters\); name one, as .*/emnist-letters"
    ):
        IdxReader(str(tmp_path))
    check_pixels(IdxReader(str(tmp_path / "emnist-letters")), TRAIN, TEST)


def test_labels_and_one_part_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "t10k-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(TEST)))
    reader = IdxReader(str(tmp_path))
    check_pixels(reader, TEST)
    assert next(iter(reader.entries)) == Entry("test/0", "", "test")


def test_wrong_idx_folders_have_sentences(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nowhere does not exist; expected a folder with train-images-idx3-ubyte"):
        IdxReader(str(tmp_path / "nowhere"))
    with pytest.raises(BadData, match="is empty; expected train-images"):
        IdxReader(str(tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    with pytest.raises(BadData, match="holds no train-images-idx3-ubyte"):
        IdxReader(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(TRAIN))
    with pytest.raises(BadData, match="holds 7 labels for 6 images; they must agree"):
        IdxReader(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(TRAIN)[:-1])
    with pytest.raises(BadData, match="is truncated: 6×4×3 values are 72 bytes, 71 came"):
        IdxReader(str(tmp_path))


def test_labels_beyond_the_mapping_are_counted(tmp_path: Path) -> None:
    write_idx(tmp_path, "emnist-mnist-", "test")
    (tmp_path / "emnist-mnist-mapping.txt").write_text("0 48\n1 49\n")
    with pytest.raises(BadData, match="2 of 6 labels are outside the 2 classes that have a name"):
        IdxReader(str(tmp_path))
    (tmp_path / "emnist-mnist-mapping.txt").write_text("0 48\none 49\n")
    with pytest.raises(BadData, match="is not a mapping of EMNIST"):
        IdxReader(str(tmp_path))


def colours(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 3, 6, 7), (5, 6, 7, 3), (5, 1, 6, 7), (5, 6, 7, 4), (5, 6, 7, 1)])
def test_npy_files_of_each_shape_are_mapped(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = colours(*shape)
    np.save(tmp_path / "faces-test.npy", values)
    reader = open_reader("array", str(tmp_path / "faces-test.npy"))
    check_pixels(reader, values.transpose(0, 2, 3, 1) if shape[1] in (1, 3) else values)
    assert reader.entries[2] == Entry("2", "", "test")
    reader.close()


def test_npz_files_have_labels_and_parts(tmp_path: Path) -> None:
    x, y = colours(4, 5, 5, 3), colours(2, 5, 5, 3)
    np.savez(tmp_path / "one.npz", images=x, labels=np.array([[0], [7], [2], [-1]], dtype=np.int16))
    reader = ArrayReader(str(tmp_path / "one.npz"))
    check_pixels(reader, x)
    assert [entry.label for entry in reader.entries] == ["0", "7", "2", ""]
    assert {entry.part for entry in reader.entries} == {""}
    for first, second in (("{}_train", "{}_test"), ("train_{}", "val_{}")):
        keys = {first.format("x"): x, second.format("x"): y, second.format("y"): np.array([3, 1])}
        np.savez_compressed(tmp_path / "two.npz", **keys)
        reader = ArrayReader(str(tmp_path / "two.npz"))
        check_pixels(reader, x, y)
        assert [entry.part for entry in reader.entries] == ["train"] * 4 + ["test"] * 2
        assert [entry.label for entry in reader.entries] == [""] * 4 + ["3", "1"]


def test_wrong_arrays_have_sentences(tmp_path: Path) -> None:
    def refused(words: str, name: str = "x.npy") -> None:
        with pytest.raises(BadData, match=words):
            ArrayReader(str(tmp_path / name))

    refused("There is no file")
    for values, words in [
        (colours(2, 8, 8).astype("f4"), r"expected \[0, 1\] or \[-1, 1\]\. Divide by 255, or save as uint8"),
        (colours(2, 8, 8).astype("i4"), "holds int32; images are uint8, 0 to 255"),
        (colours(64, 64, 3), "One image alone is not a data set"),
        (colours(2, 4), r"has the shape \[2, 4\]; images are .* For points use the task"),
        (colours(2, 5, 5, 2), r"has the shape \[2, 5, 5, 2\]; expected"),
        (colours(2, 3, 5, 3), "with channels first or last; pad the images"),
    ]:
        np.save(tmp_path / "x.npy", values)
        refused(words)
    np.savez(tmp_path / "x.npz", x=colours(3, 4, 4), y=np.arange(4))
    refused(r"the array 'y' holds 4 labels for 3 images", "x.npz")
    np.savez(tmp_path / "x.npz", x=colours(3, 4, 4), y=np.zeros(3))
    refused(r"holds labels \[3\] of float64; expected whole numbers, \[3\]", "x.npz")
    np.savez(tmp_path / "x.npz", a=colours(3, 4, 4), b=np.zeros(3))
    refused("it holds: a, b", "x.npz")
    (tmp_path / "x.png").write_bytes(b"x")
    refused("has the ending '.png'; expected .npy or .npz", "x.png")
    (tmp_path / "empty.npy").write_bytes(b"")
    refused("is empty", "empty.npy")


def test_keys_that_mean_the_same_are_ambiguous() -> None:
    with pytest.raises(BadData, match="it holds: x, data"):
        image_keys(["x", "data"], "f")
    with pytest.raises(BadData, match="it holds: x, x_test"):
        image_keys(["x", "x_test"], "f")


def test_no_reader_imports_torch() -> None:
    code = (
        "import sys\nfrom gantlet.catalogue import find, names\n"
        "for name in names('reader'): find('reader', name)\n"
        "print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
