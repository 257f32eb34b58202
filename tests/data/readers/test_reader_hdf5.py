"""HDF5 files written by h5py come back pixel for pixel, from any thread; each wrong file has its sentence."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.hdf5 import HDF5Reader
from gantlet.errors import BadData, BadImage, MissingExtra

RANDOM = np.random.default_rng(4)


def colours(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, arrays: dict[str, Any], **options: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, **options)


@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}, {"chunks": True, "shuffle": True}])
@pytest.mark.parametrize("shape", [(7, 5, 6), (7, 3, 5, 6), (7, 5, 6, 3), (7, 5, 6, 1)])
def test_each_shape_and_storage(shape: tuple[int, ...], options: dict[str, Any], tmp_path: Path) -> None:
    values = colours(*shape)
    write(tmp_path / "faces.h5", {"anything": values, "y": np.arange(7)[:, None] % 3}, **options)
    reader = open_reader("hdf5", str(tmp_path / "faces.h5"))
    expected = values.transpose(0, 2, 3, 1) if shape[1] == 3 else values
    with ThreadPoolExecutor(4) as pool:
        for place, found in zip([*range(7)] * 9, pool.map(reader.read, [*range(7)] * 9), strict=True):
            assert isinstance(found, np.ndarray)
            assert found.flags.c_contiguous
            np.testing.assert_array_equal(found, expected[place])
    assert reader.entries[4] == Entry("4", "1", "")
    reader.close()


@pytest.mark.parametrize(
    "names", ["X_train X_test y_train y_test", "train/images test/images train/labels test/labels"]
)
def test_parts_by_name_or_group(names: str, tmp_path: Path) -> None:
    values = [colours(3, 5, 5, 3), colours(2, 5, 5, 3), np.array([5, 6, 7]), np.array([8, -1])]
    keys = names.split()
    write(tmp_path / "x.h5", dict(zip(keys, values, strict=True)))
    reader = HDF5Reader(str(tmp_path / "x.h5"))
    found = {entry.name: (entry.label, entry.part, reader.read(place)) for place, entry in enumerate(reader.entries)}
    assert {name: (label, part) for name, (label, part, _) in found.items()} == {
        f"{keys[0]}/0": ("5", "train"),
        f"{keys[0]}/1": ("6", "train"),
        f"{keys[0]}/2": ("7", "train"),
        f"{keys[1]}/0": ("8", "test"),
        f"{keys[1]}/1": ("", "test"),
    }
    np.testing.assert_array_equal(found[f"{keys[1]}/1"][2], values[1][1])
    reader.close()


def test_validation_is_the_test_part_where_there_is_no_other(tmp_path: Path) -> None:
    arrays = {"x_train": colours(2, 4, 4), "x_val": colours(3, 4, 4)}
    for more, expected in ({}, {"x_val": "test"}), ({"x_test": colours(1, 4, 4)}, {"x_test": "test"}):
        write(tmp_path / "x.h5", arrays | more)
        reader = HDF5Reader(str(tmp_path / "x.h5"))
        parts = {entry.name.split("/")[0]: entry.part for entry in reader.entries}
        assert parts == {"x_train": "train"} | expected
        reader.close()


def test_wrong_files_have_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"

    def refused(words: str) -> None:
        with pytest.raises(BadData, match=words):
            HDF5Reader(str(path))

    refused("There is no file")
    path.write_bytes(b"x" * 4000)
    refused("is truncated, corrupt, or not an HDF5 file")
    write(path, {})
    refused("holds no arrays")
    write(path, {"a": np.zeros(3), "b": np.zeros((3, 3))})
    refused("it holds: a, b")
    write(path, {"x": np.zeros((3, 4, 4))})
    refused("the array '/x' holds float64; images are uint8")
    write(path, {"x": colours(3, 4, 4), "y": np.arange(4)})
    refused(r"the array '/y' holds \[4\] labels for 3 images")
    write(path, {"x": colours(3, 4, 4), "y": np.zeros(3)})
    refused("expected whole numbers")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1000, 64, 64), "u1")
    refused("states 4096000 bytes, 0 of them stored, .* it is corrupt or empty")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (3, 4, 4), "u1", external=[(str(tmp_path / "other"), 0, 48)])
    refused("is stored in other files, which are not read")
    write(path, {"x": colours(300, 16, 16)})
    path.write_bytes(path.read_bytes()[:-2000])
    refused("is truncated, corrupt, or not an HDF5 file")


def test_a_damaged_chunk_is_a_bad_picture(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        array = file.create_dataset("x", data=colours(4, 30, 30), chunks=(1, 30, 30), compression="gzip")
        place = array.id.get_chunk_info(2).byte_offset
    content = bytearray((tmp_path / "x.h5").read_bytes())
    content[place + 2 : place + 60] = b"\xff" * 58
    (tmp_path / "x.h5").write_bytes(content)
    reader = HDF5Reader(str(tmp_path / "x.h5"))
    with pytest.raises(BadImage, match="its part of the file cannot be read"):
        reader.read(2)
    assert reader.read(3).shape == (30, 30)
    reader.close()


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"needs the package 'h5py'.*gantlet\[hdf5\]"):
        HDF5Reader(str(tmp_path / "x.h5"))
