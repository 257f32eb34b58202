"""Every card leads to pictures: a miniature of each publisher's files, downloaded or imported, is found and read."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

import loopback
from gantlet import catalogue
from gantlet.data import data_dir
from gantlet.data.dataset_card import DatasetCard, RemoteFile, card
from gantlet.data.decode import Decoding
from gantlet.data.download import download
from gantlet.data.local_import import import_files, misfit, verify
from gantlet.data.readers.base import Entry, Reader, open_reader
from gantlet.data.resize import Resize
from gantlet.errors import BadData
from loopback import Loopback

RANDOM = np.random.default_rng(7)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback.loopback() as state:
        yield state


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


# The publishers' files in miniature


def zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def jpeg(height: int, width: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(stream, format="JPEG")
    return stream.getvalue()


def idx(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


def four(prefix: str = "", test: str = "t10k") -> dict[str, bytes]:
    return {
        f"{prefix}{part}-{what}.gz": idx(RANDOM.integers(0, 10, (count, *([28, 28] if "images" in what else []))))
        for part, count in (("train", 4), (test, 2))
        for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
    }


def pickled(count: int, key: str) -> bytes:
    pixels = RANDOM.integers(0, 256, (count, 3072), dtype=np.uint8)
    return pickle.dumps({b"data": pixels, key.encode(): [0] * count}, protocol=2)


def lsun(category: str, part: str, count: int, tmp: Path) -> bytes:
    """A zip of a database, as the publisher serves it."""
    folder = f"{category}_{part}_lmdb"
    with lmdb.open(str(tmp / folder), map_size=1 << 20) as database, database.begin(write=True) as change:
        for number in range(count):
            change.put(f"{number:040x}".encode(), jpeg(140, 150))
    return zipped({f"{folder}/{path.name}": path.read_bytes() for path in (tmp / folder).iterdir()})


def miniature(name: str, tmp: Path) -> dict[str, bytes]:
    """What a publisher serves, by the name of the file: four training images and two of the test set."""
    if name in ("mnist", "fashion-mnist"):
        return four()
    if name == "emnist":
        inside = four("emnist-balanced-", "test") | four("emnist-letters-", "test")
        return {"gzip.zip": zipped({f"gzip/{each}": content for each, content in inside.items()})}
    if name == "cifar10":
        members = {f"data_batch_{number}": pickled(1, "labels") for number in range(1, 6)}
        members["test_batch"] = pickled(2, "labels")
        return {"cifar-10-python.tar.gz": tarred({f"cifar-10-batches-py/{each}": members[each] for each in members})}
    if name == "cifar100":
        members = {"train": pickled(5, "fine_labels"), "test": pickled(2, "fine_labels")}
        return {"cifar-100-python.tar.gz": tarred({f"cifar-100-python/{each}": members[each] for each in members})}
    category = name.removeprefix("lsun-")
    return {
        f"{category}_{part}_lmdb.zip": lsun(category, part, count, tmp) for part, count in (("train", 4), ("val", 2))
    }


DOWNLOADED = {
    "mnist": (4, 2),
    "fashion-mnist": (4, 2),
    "emnist": (4, 2),
    "cifar10": (5, 2),
    "cifar100": (5, 2),
    "lsun-bedroom": (4, 2),
    "lsun-classroom": (4, 2),
}


def small(name: str, files: Mapping[str, bytes], server: Loopback, counts: tuple[int, int]) -> DatasetCard:
    """The card with the miniature's hashes and numbers, served by this machine."""
    known = card(name)
    assert {file.name for file in known.files} == set(files), "the miniature has the publisher's files"
    served = tuple(
        RemoteFile(file.name, (server.serve(file.name, files[file.name]),), loopback.tag(files[file.name]).strip('"'))
        for file in known.files
    )
    return replace(known, files=served, pictures=dict(zip(("train", "test"), counts, strict=True)))


@pytest.mark.parametrize("name", DOWNLOADED)
def test_what_is_downloaded_is_found_and_read(name: str, server: Loopback, tmp_path: Path) -> None:
    known = small(name, miniature(name, tmp_path), server, DOWNLOADED[name])
    download(known)
    reader = open_reader(known.reader, str(data_dir.find_raw(name)))
    assert misfit(known, reader) == ""
    resize = Resize(known.height, known.width, center_crop=known.center_crop)
    decoding = Decoding(colour=known.colour)
    channels = 1 if known.colour == "grey" else 3
    for number in range(len(reader.entries)):
        assert resize(decoding(reader.read(number))).shape == (channels, known.height, known.width)
    reader.close()
    assert verify(name, known, full=True).right


def test_of_emnist_the_balanced_split_is_read(server: Loopback, tmp_path: Path) -> None:
    files = miniature("emnist", tmp_path)
    download(small("emnist", files, server, (4, 2)))
    reader = open_reader("idx", str(data_dir.find_raw("emnist")))
    with zipfile.ZipFile(io.BytesIO(files["gzip.zip"])) as archive:
        raw = gzip.decompress(archive.read("gzip/emnist-balanced-train-images-idx3-ubyte.gz"))
    lying = np.frombuffer(raw, np.uint8, offset=16).reshape(4, 28, 28)
    np.testing.assert_array_equal(np.asarray(reader.read(3)), lying[3].T)


def test_one_database_of_lsun_may_come_alone(tmp_path: Path, server: Loopback) -> None:
    files = miniature("lsun-bedroom", tmp_path)
    known = small("lsun-bedroom", files, server, (4, 2))
    import_files(known, tmp_path / "bedroom_train_lmdb")
    reader: Reader = open_reader("lsun", str(data_dir.find_raw("lsun-bedroom")))
    assert isinstance(reader.entries[0], Entry)
    assert [entry.part for entry in reader.entries] == ["train"] * 4
    reader.close()
    with pytest.raises(BadData, match=r"2 images in the part 'test', where 'lsun-classroom' has 1"):
        import_files(replace(known, name="lsun-classroom", pictures={"test": 1}), tmp_path / "bedroom_val_lmdb")


def test_celeba_is_imported_with_its_partition(tmp_path: Path) -> None:
    names = [f"{number:06d}.jpg" for number in range(1, 8)]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "img_align_celeba.zip").write_bytes(zipped({f"img_align_celeba/{name}": jpeg(218, 178) for name in names}))
    parts = [0, 0, 0, 0, 1, 2, 2]
    lines = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
    (mine / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    known = card("celeba")
    small = replace(known, files=tuple(RemoteFile(file.name) for file in known.files), pictures={"train": 4, "test": 2})
    with pytest.raises(BadData, match=r"does not stand alone; import the folder .*mine instead"):
        import_files(small, mine / "img_align_celeba.zip")
    with pytest.raises(BadData, match=r"img_align_celeba.zip it has .* bytes, expected 1,443,490,838"):
        import_files(replace(known, pictures=small.pictures), mine)
    import_files(small, mine)
    reader = open_reader("celeba", str(data_dir.find_raw("celeba")))
    framed = Resize(small.height, small.width, center_crop=small.center_crop)(Decoding()(reader.read(0)))
    assert framed.shape == (3, 64, 64)
    reader.close()


def test_tiny_imagenet_is_imported_from_its_zip(tmp_path: Path) -> None:
    members = {
        f"tiny-imagenet-200/train/n0{label}/images/n0{label}_{number}.JPEG": jpeg(64, 64)
        for label in range(2)
        for number in range(3)
    }
    members |= {f"tiny-imagenet-200/val/images/val_{number}.JPEG": jpeg(64, 64) for number in range(2)}
    members["tiny-imagenet-200/val/val_annotations.txt"] = b"val_0.JPEG\tn01\t0\t0\t9\t9\nval_1.JPEG\tn00\t0\t0\t9\t9\n"
    members["tiny-imagenet-200/test/images/test_0.JPEG"] = jpeg(64, 64)
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(zipped(members))
    small = replace(card("tiny-imagenet"), files=(), pictures={"train": 6, "test": 2})
    import_files(small, tmp_path / "tiny-imagenet-200.zip")
    reader = open_reader("tiny-imagenet", str(data_dir.find_raw("tiny-imagenet")))
    assert [entry.label for entry in reader.entries if entry.part == "test"] == ["n01", "n00"]
    reader.close()


def test_every_card_names_a_reader_that_there_is() -> None:
    readers = catalogue.names("reader")
    assert {name: card(name).reader for name in catalogue.names("card") if card(name).reader not in readers} == {}
