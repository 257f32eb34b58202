"""LSUN's databases, written by the LMDB library itself, come back byte for byte."""

from __future__ import annotations

import hashlib
import struct
import threading
from pathlib import Path

import lmdb
import numpy as np
import pytest

from gantlet.data.byte_ranges import ByteRangeFile
from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.lmdb_file import lmdb_pairs
from gantlet.data.readers.lsun import LsunReader
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(3)


def write_lmdb(folder: Path, pairs: dict[bytes, bytes], *, batch: int = 200, **options: object) -> None:
    with lmdb.open(str(folder), map_size=2**28, **options) as base:  # type: ignore[arg-type]
        keys = list(pairs)
        for start in range(0, len(keys), batch):
            with base.begin(write=True) as transaction:
                for key in keys[start : start + batch]:
                    transaction.put(key, pairs[key])


def pictures(count: int, longest: int = 9000) -> dict[bytes, bytes]:
    """As LSUN's: hexadecimal hashes as keys; values within a page and beyond."""
    values = [RANDOM.bytes(int(RANDOM.integers(1, longest))) for _ in range(count)]
    return {hashlib.sha1(value).hexdigest().encode(): value for value in values}


def test_a_category_is_read_as_the_library_wrote_it(tmp_path: Path) -> None:
    pairs = pictures(700)  # three levels of pages
    write_lmdb(tmp_path / "bedroom_train_lmdb", pairs)
    reader = open_reader("lsun", str(tmp_path / "bedroom_train_lmdb"))
    assert [entry.name for entry in reader.entries] == [key.decode() for key in sorted(pairs)]
    assert {(entry.label, entry.part) for entry in reader.entries} == {("bedroom", "train")}
    assert [reader.read(place) for place in range(700)] == [pairs[key] for key in sorted(pairs)]
    assert not reader.faults
    reader.close()


@pytest.mark.parametrize("seed", range(4))
def test_any_history_of_changes_is_read_as_by_the_library(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    with lmdb.open(str(tmp_path), map_size=2**28) as base:
        for _ in range(30):
            with base.begin(write=True) as transaction:
                for _ in range(60):
                    key = b"k%d" % random.integers(0, 900) * int(random.integers(1, 30))
                    if random.random() < 0.3:
                        transaction.delete(key)
                    else:
                        transaction.put(key, random.bytes(int(random.integers(1, 6000))))
        with base.begin() as transaction:
            expected = [(bytes(key), bytes(value)) for key, value in transaction.cursor()]
    file = ByteRangeFile(tmp_path / "data.mdb")
    found = [(pair.key, file.read(pair.offset, pair.length)) for pair in lmdb_pairs(file)]
    assert found == expected
    file.close()


def test_several_categories_and_parts(tmp_path: Path) -> None:
    for name in ("classroom_train_lmdb", "classroom_val_lmdb", "dining_room_val_lmdb", "other"):
        write_lmdb(tmp_path / name, {b"a": name.encode(), b"b": b"2"})
    reader = LsunReader(str(tmp_path))
    assert list(reader.entries[::2]) == [
        Entry("classroom_train_lmdb/a", "classroom", "train"),
        Entry("classroom_val_lmdb/a", "classroom", "test"),
        Entry("dining_room_val_lmdb/a", "dining_room", "test"),
        Entry("other/a", "", ""),
    ]
    assert reader.read(4) == b"dining_room_val_lmdb"
    assert reader.facts["databases"]["other"] == 2
    write_lmdb(tmp_path / "test_lmdb", {b"\xff\x00": b"x"})
    assert LsunReader(str(tmp_path / "test_lmdb" / "data.mdb")).entries[0] == Entry("\\xff\x00", "", "test")


def test_threads_share_a_reader(tmp_path: Path) -> None:
    pairs = pictures(60)
    write_lmdb(tmp_path, pairs)
    reader = LsunReader(str(tmp_path))
    expected = [pairs[key] for key in sorted(pairs)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for place in np.random.default_rng(seed).integers(0, 60, 300).tolist():
            if reader.read(place) != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_wrong_databases_have_sentences(tmp_path: Path) -> None:
    def refused(words: str, name: str = "x") -> None:
        with pytest.raises(BadData, match=words):
            LsunReader(str(tmp_path / name))

    refused("does not exist; expected a folder with an LSUN database")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "readme").write_text("x")
    refused("holds no data.mdb, nor does a folder in it")
    (tmp_path / "x" / "data.mdb").write_bytes(b"x" * 9000)
    refused("is not an LMDB file")
    (tmp_path / "x" / "data.mdb").write_bytes(b"")
    refused(r"is empty \(0 bytes\)")
    with lmdb.open(str(tmp_path / "empty"), map_size=2**20):
        pass
    refused("holds no entries", "empty")
    with lmdb.open(str(tmp_path / "named"), map_size=2**20, max_dbs=1) as base:
        base.open_db(b"inner")
    refused("holds databases within the database", "named")


def test_damage_is_found(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "a", pictures(300))
    file = tmp_path / "a" / "data.mdb"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadData, match="is truncated: it names page"):
        LsunReader(str(tmp_path / "a"))
    for number in (0, 1):  # both versions of the root state one entry too many
        place = number * 4096 + 16 + 24 + 48 + 32
        (entries,) = struct.unpack_from("<Q", content, place)
        content = content[:place] + struct.pack("<Q", entries + 1) + content[place + 8 :]
    file.write_bytes(content)
    with pytest.raises(BadData, match="states 301 entries, 300 or more were found"):
        LsunReader(str(tmp_path / "a"))


def test_a_value_beyond_the_file_is_a_fault_and_a_cut_file_a_bad_picture(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "a", {b"one": b"1" * 9000, b"two": b"2" * 30, b"zero": b""})
    file = tmp_path / "a" / "data.mdb"
    reader = LsunReader(str(tmp_path / "a"))
    assert [(fault.name, fault.reason) for fault in reader.faults] == [("zero", "it is empty")]
    content = file.read_bytes()
    node = content.rindex(b"one")
    file.write_bytes(content[: node + 3] + struct.pack("<Q", 2**50) + content[node + 11 :])
    assert [entry.name for entry in LsunReader(str(tmp_path / "a")).entries] == ["two"]
    file.write_bytes(b"")
    with pytest.raises(BadImage, match=r"cannot be read|ends early"):
        reader.read(0)
