"""CIFAR in every layout gives the same pixels and classes; a pickle that asks for more is refused and never run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.cifar import CifarReader
from gantlet.data.readers.pickles import load_pickle
from gantlet.errors import BadData

RANDOM = np.random.default_rng(10)
NAMES = ["plane", "car", "bird"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def batch(count: int) -> tuple[np.ndarray, list[int]]:
    """Pixels [N, 32, 32, 3] and labels."""
    return RANDOM.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), [i % 3 for i in range(count)]


SETS = {name: batch(2) for name in BATCHES} | {"test_batch": batch(3)}


def planar(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), 3072)


def python_2_pickle(data: np.ndarray, labels: list[int], key: bytes = b"labels") -> bytes:
    """A batch as Python 2 and its NumPy pickled it (protocol 2, byte strings), opcode by opcode."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    raw = data.tobytes()
    dtype = (
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R("
    array += (
        b"K\x01("
        + b"".join(map(number, data.shape))
        + b"t"
        + dtype
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
    )
    listed = b"]q\x01(" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}q\x00(" + text(b"data") + array + text(key) + listed + text(b"batch_label") + text(b"one") + b"u."


def modern_pickle(protocol: int) -> Any:
    def make(data: np.ndarray, labels: list[int], key: bytes = b"labels") -> bytes:
        names = [f"{i}.png" for i in range(len(labels))]
        return pickle.dumps({"data": data, key.decode(): labels, "filenames": names}, protocol=protocol)

    return make


PICKLES = {"python 2": python_2_pickle} | {f"protocol {n}": modern_pickle(n) for n in (2, 3, 4, 5)}


def write_binary(folder: Path, coarse: bytes = b"") -> None:
    for name, (pixels, labels) in SETS.items():
        records = (coarse + bytes([label]) + row.tobytes() for label, row in zip(labels, planar(pixels), strict=True))
        (folder / f"{name}.bin").write_bytes(b"".join(records))


def check(reader: CifarReader, names: list[str] = NAMES) -> None:
    pixels = np.concatenate([pixels for pixels, _ in SETS.values()])
    labels = [label for _, labels in SETS.values() for label in labels]
    np.testing.assert_array_equal(np.stack([reader.read(place) for place in range(13)]), pixels)
    assert [entry.label for entry in reader.entries] == [names[label] for label in labels]
    assert [entry.part for entry in reader.entries] == ["train"] * 10 + ["test"] * 3
    assert reader.entries[3] == Entry("data_batch_2/1", names[1], "train")
    assert reader.facts["parts"] == {"train": 10, "test": 3}


def test_cifar_10_binary(tmp_path: Path) -> None:
    write_binary(tmp_path)
    check(CifarReader(str(tmp_path)), ["0", "1", "2"])
    (tmp_path / "batches.meta.txt").write_text("plane\ncar\nbird\n\n")
    reader = open_reader("cifar", str(tmp_path))
    assert isinstance(reader, CifarReader)
    check(reader)


@pytest.mark.parametrize("kind", PICKLES)
def test_cifar_10_pickled(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, (pixels, labels) in SETS.items():
        (folder / name).write_bytes(PICKLES[kind](planar(pixels), labels))
    meta = {b"num_cases_per_batch": 10000, b"label_names": [name.encode() for name in NAMES]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    (folder / "readme.html").write_text("x")
    check(CifarReader(str(folder)))
    check(CifarReader(str(tmp_path)))
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-py")
    check(CifarReader(str(tmp_path / "cifar.tar.gz")))


def test_cifar_100_in_both_layouts(tmp_path: Path) -> None:
    train, test = batch(4), batch(2)
    for part, (pixels, labels) in (("train", train), ("test", test)):
        records = (bytes([19, label]) + row.tobytes() for label, row in zip(labels, planar(pixels), strict=True))
        (tmp_path / f"{part}.bin").write_bytes(b"".join(records))
    (tmp_path / "fine_label_names.txt").write_text("apple\nfish\nbaby\n")
    pickled = tmp_path / "python"
    pickled.mkdir()
    for part, (pixels, labels) in (("train", train), ("test", test)):
        content = {b"fine_labels": labels, b"coarse_labels": [9] * len(labels), b"data": planar(pixels)}
        (pickled / part).write_bytes(pickle.dumps(content, protocol=2))
    (pickled / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"apple", b"fish", b"baby"]}, protocol=2))
    for folder in (tmp_path, pickled):
        reader = CifarReader(str(folder))
        np.testing.assert_array_equal([reader.read(i) for i in range(6)], np.concatenate([train[0], test[0]]))
        assert [entry.label for entry in reader.entries] == ["apple", "fish", "baby", "apple", "apple", "fish"]


@pytest.mark.parametrize("layout", ["flat", "first", "last"])
def test_one_pickle_with_data(layout: str, tmp_path: Path) -> None:
    pixels, labels = batch(3)
    data = {"flat": planar(pixels), "first": pixels.transpose(0, 3, 1, 2), "last": pixels}[layout]
    (tmp_path / "cifar10_train.pkl").write_bytes(pickle.dumps({"data": data, "labels": np.array(labels)}))
    reader = CifarReader(str(tmp_path / "cifar10_train.pkl"))
    np.testing.assert_array_equal([reader.read(i) for i in range(3)], pixels)
    assert reader.entries[1] == Entry("1", "1", "train")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"data": data}))
    assert CifarReader(str(tmp_path / "plain.pkl")).entries[1] == Entry("1", "", "")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("sprung",))


def test_a_pickle_that_asks_for_more_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps({"data": Trap()}))
    with pytest.raises(BadData, match=r"trap.pkl asks for 'posix.mkdir', which is refused"):
        CifarReader(str(tmp_path / "trap.pkl"))
    for protocol in (0, 1, 2):
        with pytest.raises(BadData, match=r"asks for 'posix.mkdir', which is refused|holds the pickle opcode"):
            load_pickle(pickle.dumps({"data": Trap()}, protocol), "x")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02cnumpy\nfromfile\nU\x01x\x85R.", "asks for 'numpy.fromfile'"),
        (b"\x80\x02cnumpy.core.multiarray\nscalar\n.", "asks for 'numpy.core.multiarray.scalar'"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "pickle opcode NEWOBJ"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "corrupt pickle"),  # a memo of 2^31 places
        (b"\x80\x05\x96\0\0\0\0\0\x01\0\0.", "truncated, corrupt, or not a pickle"),  # a byte array of 2^40
        (b"\x80\x02" + b"K\x01" + b"0\x86q\0h\0h\0\x86" * 30 + b".", "opcode POP"),
        (b"\x80\x02K\x01q\0" + b"h\0h\0\x86q\0" * 40 + b".", "corrupt pickle"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "corrupt pickle .UnpicklingError: state for a name"),
        (b"\x80\x02]q\x00.", "holds a list; expected a dictionary"),
        (b"\x80\x02}q\x00.x", "has 1 bytes after its end"),
        (b"\x89PNG", "truncated, corrupt, or not a pickle"),
        (b"", "truncated, corrupt, or not a pickle"),
        (b"PK\\|\n.", "opcode PERSID"),  # an archive may begin so, and Python warns of such an escape
    ],
)
def test_each_wrong_pickle_has_its_sentence(content: bytes, words: str) -> None:
    with pytest.raises(BadData, match=words):
        load_pickle(content, "x")


def test_arrays_that_lie_are_refused() -> None:
    good = python_2_pickle(planar(batch(2)[0]), [0, 1])
    assert load_pickle(good, "x")["data"].shape == (2, 3072)
    for wrong in (good.replace(b"J\x00\x0c\x00\x00", b"J\x00\x0c\x00\x70"), good.replace(b"U\x02u1", b"U\x02O8")):
        with pytest.raises(BadData, match="holds a corrupt array"):
            load_pickle(wrong, "x")


def test_wrong_sets_have_sentences(tmp_path: Path) -> None:
    def refused(words: str, name: str = "") -> None:
        with pytest.raises(BadData, match=words):
            CifarReader(str(tmp_path / name))

    refused("does not exist; expected a folder with CIFAR's", "nowhere")
    (tmp_path / "other").write_bytes(b"x")
    refused("holds none of CIFAR's")
    write_binary(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    refused("lacks data_batch_3.bin; get the whole set again")
    (tmp_path / "data_batch_3.bin").write_bytes(b"\0" * 3072)
    refused("has 3072 bytes, which is not a multiple of 3073")
    write_binary(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("plane\ncar\n")
    refused("data_batch_.*1 of 3 labels are outside the 2 classes|test_batch.*1 of 3 labels")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"data": planar(batch(2)[0]), "labels": [1]}))
    refused("holds 1 labels for 2 images", "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"data": planar(batch(2)[0]), "labels": ["a", "b"]}))
    refused("labels that are not a list of whole numbers", "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"pixels": [1]}))
    refused("holds no array 'data'; its keys are: pixels", "x.pkl")
    (tmp_path / "x.tar.gz").write_bytes(b"x" * 600)
    refused("is corrupt, or not a tar file", "x.tar.gz")
    with tarfile.open(tmp_path / "y.tar", "w") as archive:
        member = tarfile.TarInfo("train.bin")
        member.size = 2
        for _ in range(2):
            archive.addfile(member, io.BytesIO(b"xx"))
    refused("is there twice", "y.tar")
