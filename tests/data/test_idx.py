"""Idx files are read as their format says; each way in which they can be wrong has a sentence of its own."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gantlet.catalogue import find
from gantlet.data.digits import mnist
from gantlet.data.idx_files import read_idx
from gantlet.errors import BadData
from gantlet.settings import settings_of

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(values: np.ndarray, code: int = 0x08) -> bytes:
    """The idx file of an array, written from the format's definition."""
    header = bytes([0, 0, code, values.ndim]) + b"".join(struct.pack(">I", size) for size in values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def images(count: int, height: int = 4, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)


def write_folder(folder: Path, *, train: int = 6, test: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A folder with images and labels in the four usual files."""
    x, y = images(train, seed=1), images(test, seed=2)
    for name, part in (("train", x), ("t10k", y)):
        labels = (np.arange(len(part)) % 3).astype(np.uint8)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(part))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return x, y


@pytest.mark.parametrize("kind", CODES)
def test_every_type_and_byte_order_is_read(kind: str, tmp_path: Path) -> None:
    values = np.array([[1, -2, 3], [100, 0, 7]]).astype(kind)
    path = tmp_path / "values"
    path.write_bytes(idx_bytes(values, CODES[kind]))
    found = read_idx(path)
    assert found.dtype == np.dtype(kind)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)
    found[0] = 0  # the array is the caller's own


def test_a_file_written_by_hand_reads_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "hand"
    path.write_bytes(bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE]))
    assert read_idx(str(path)).tolist() == [[258, -2]]


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    values = images(5)
    (tmp_path / "plain.gz").write_bytes(idx_bytes(values))
    (tmp_path / "zipped").write_bytes(gzip.compress(idx_bytes(values)))
    for name in ("plain.gz", "zipped"):
        np.testing.assert_array_equal(read_idx(tmp_path / name), values)


GOOD = idx_bytes(images(5))  # 16 bytes of header, 60 of pixels
ZIPPED = gzip.compress(GOOD)
WRONG = {
    "empty": (b"", r"is empty \(0 bytes\)"),
    "short": (b"\0\0\x08", "is truncated: an idx file starts with 4 bytes, 3 came"),
    "magic": (b"\x89PNG" + GOOD[4:], "is not an idx file: it starts with 89 50, expected 00 00"),
    "type": (b"\0\0\x0a" + GOOD[3:], "unknown idx type code 0a; known are 08, 09, 0b, 0c, 0d, 0e"),
    "no dimensions": (b"\0\0\x08\0" + GOOD[4:], "states 0 dimensions; expected 1 to 16"),
    "many dimensions": (b"\0\0\x08\xff" + GOOD[4:], "states 255 dimensions; expected 1 to 16"),
    "header": (GOOD[:11], "is truncated within its header: 3 dimensions need 16 bytes"),
    "truncated": (GOOD[:-1], "is truncated: 5×4×3 values are 60 bytes, 59 came"),
    "too long": (GOOD + b"\0", "is too long: 5×4×3 values are 60 bytes, 61 came"),
    "huge": (GOOD[:4] + b"\xff" * 12 + GOOD[16:], "is truncated: 4294967295×4294967295×4294967295 values"),
    "zero": (GOOD[:4] + b"\0\0\0\0" + GOOD[8:16], "holds no values: its dimensions are 0×4×3"),
    "gzip truncated": (ZIPPED[:-9], "is truncated: its gzip stream ends early"),
    "gzip corrupt": (ZIPPED[:10] + b"\xff" * 8 + ZIPPED[18:], "is corrupt: its gzip stream cannot be"),
    "gzip checksum": (ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], "is corrupt: .*CRC"),
    "gzip of a truncated file": (gzip.compress(GOOD[:-2]), "5×4×3 values are 60 bytes, 58 came"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_wrong_file_has_its_own_sentence(case: str, tmp_path: Path) -> None:
    content, words = WRONG[case]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(BadData, match=words) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"There is no file .*nothing"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(BadData, match="is a folder; give the path of a file in it"):
        read_idx(tmp_path)


def test_the_four_usual_files_become_a_data_set(tmp_path: Path) -> None:
    x, y = write_folder(tmp_path)
    data = mnist(data_path=str(tmp_path)).load()
    assert data.train.shape == (6, 1, 4, 3)
    assert data.train.dtype == torch.uint8
    np.testing.assert_array_equal(data.train[:, 0].numpy(), x)
    np.testing.assert_allclose(data.floats(data.train)[:, 0].numpy(), x / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(data.test[:, 0].numpy(), y / 127.5 - 1, atol=1e-6)
    assert data.train_labels is not None
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.train_labels.dtype == torch.int64
    assert (data.facts["train"], data.facts["test"], data.facts["classes"]) == (6, 4, 3)
    assert data.facts["scaled_from"] == "8-bit, 0..255"
    assert data.endless is None


@pytest.mark.parametrize(("joint", "suffix"), [("-", ".gz"), (".", ""), (".", ".gz")])
def test_other_spellings_of_the_names_are_found(joint: str, suffix: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    expected = mnist(data_path=str(tmp_path)).load()
    for path in list(tmp_path.iterdir()):
        content = path.read_bytes()
        path.unlink()
        renamed = path.with_name(path.name.replace("-idx", f"{joint}idx") + suffix)
        renamed.write_bytes(gzip.compress(content) if suffix else content)
    found = mnist(data_path=str(tmp_path)).load()
    assert torch.equal(found.train, expected.train)
    assert torch.equal(found.test, expected.test)
    assert found.test_labels is not None
    assert expected.test_labels is not None
    assert torch.equal(found.test_labels, expected.test_labels)


def test_labels_are_optional(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    data = mnist(data_path=str(tmp_path)).load()
    assert data.train_labels is None
    assert data.test_labels is not None


def test_the_first_images_are_kept_with_their_labels(tmp_path: Path) -> None:
    write_folder(tmp_path)
    whole = mnist(data_path=str(tmp_path)).load()
    part = mnist(data_path=str(tmp_path), train_size=4, test_size=2).load()
    assert torch.equal(part.train, whole.train[:4])
    assert torch.equal(part.test, whole.test[:2])
    assert part.train_labels is not None
    assert part.train_labels.tolist() == [0, 1, 2, 0]
    with pytest.raises(BadData, match="train_size=7 images were asked for, and there are 6"):
        mnist(data_path=str(tmp_path), train_size=7).load()


def test_a_task_without_a_path_takes_its_own_set_from_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    source = find("task", "fashion-mnist").source
    with pytest.raises(
        BadData, match=r"'fashion-mnist' is not in .*: `gantlet data download fashion-mnist` fetches it"
    ):
        source.load()
    (tmp_path / "home" / "mnist").mkdir(parents=True)
    (tmp_path / "home" / "fashion-mnist").mkdir()
    write_folder(tmp_path / "home" / "mnist", train=4)
    write_folder(tmp_path / "home" / "fashion-mnist")
    data = source.load()
    assert (data.size, data.facts["source"]) == (6, f"idx files in {tmp_path}/home/fashion-mnist")
    (tmp_path / "mine").mkdir()
    write_folder(tmp_path / "mine", train=3)
    assert replace(source, data_path=str(tmp_path / "mine")).load().size == 3
    assert "card" not in settings_of(source), "no key of the user's"


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nowhere does not exist"):
        mnist(data_path=str(tmp_path / "nowhere")).load()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BadData, match="file is a file; expected a folder"):
        mnist(data_path=str(tmp_path / "file")).load()
    with pytest.raises(BadData, match="holds no train-images-idx3-ubyte"):
        mnist(data_path=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("t10k-images-idx3-ubyte", images(4, 5, 5), "size=native needs arrays of one shape, and .* has 4×3×1, 5×5×1"),
        ("t10k-images-idx3-ubyte", images(1), "holds 4 labels for 1 images; they must agree"),
        ("train-images-idx3-ubyte", images(1)[0], r"2 dimensions of uint8; expected 3 of uint8 \(images"),
        ("train-labels-idx1-ubyte", np.zeros(5, np.uint8), "holds 5 labels for 6"),
        ("t10k-labels-idx1-ubyte", np.zeros((2, 2), np.uint8), r"expected 1 of uint8 \(labels\)"),
    ],
)
def test_files_that_disagree_are_refused(name: str, values: np.ndarray, words: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(values))
    with pytest.raises(BadData, match=words):
        mnist(data_path=str(tmp_path)).load()


def test_images_of_another_type_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((6, 4, 3), ">i2"), 0x0B))
    with pytest.raises(BadData, match="3 dimensions of int16; expected 3 of uint8"):
        mnist(data_path=str(tmp_path)).load()
