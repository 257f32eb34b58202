"""Archives are read where they are stored, by the folder's rules for names; what is dangerous or damaged in them is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantlet.data import byte_ranges
from gantlet.data.readers.archive import TarReader, ZipReader
from gantlet.data.readers.base import Entry, Reader, open_reader
from gantlet.data.readers.folder import FolderReader
from gantlet.errors import BadData, BadImage, StoreError

RANDOM = np.random.default_rng(0)
FILES = {
    name: RANDOM.bytes(size)
    for name, size in (
        ("set/train/cat/1.png", 700),
        ("set/train/dog/2.jpg", 1),
        ("set/test/cat/3.gif", 9000),
        ("set/notes.txt", 5),
    )
}
NAMES = ["set/test/cat/3.gif", "set/train/cat/1.png", "set/train/dog/2.jpg"]
PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zip_bytes(files: Mapping[str, bytes] = FILES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tar_bytes(files: Mapping[str, bytes] = FILES, more: Any = (), kind: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, changes in more:
            info = tarfile.TarInfo(name)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info)
    return stream.getvalue()


def written(folder: Path, content: bytes, name: str = "archive") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def contents(reader: Any) -> dict[str, bytes]:
    return {entry.name: reader.read(place) for place, entry in enumerate(reader.entries)}


def reasons(reader: Any) -> dict[str, str]:
    return {fault.name: fault.reason for fault in reader.faults}


# Content


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_archive_is_read(method: int, tmp_path: Path) -> None:
    reader = open_reader("zip", written(tmp_path, zip_bytes(method=method)))
    assert isinstance(reader, ZipReader)
    assert isinstance(reader, Reader)
    assert contents(reader) == {name: FILES[name] for name in NAMES}
    assert reader.facts == {
        "format": "zip", "images": 3, "classes": 2, "parts": {"test": 1, "train": 2},
        "skipped": {".txt": 1}, "left_out": {}, "faults": 0,
    }  # fmt: skip
    reader.close()


def test_streamed_and_very_large_zip_archives_are_read(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe has no place")

        def seek(self, *_: Any) -> int:
            raise OSError("a pipe has no place")

    stream = Pipe()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # sizes follow the data
        for name in NAMES:
            with archive.open(name, "w", force_zip64=True) as member:  # 64-bit sizes in extra fields
                member.write(FILES[name])
    assert contents(ZipReader(written(tmp_path, stream.getvalue()))) == {name: FILES[name] for name in NAMES}
    behind = b"#!/bin/sh\n" * 50 + zip_bytes()  # as self-extracting archives are
    assert contents(ZipReader(written(tmp_path, behind, "behind"))) == {name: FILES[name] for name in NAMES}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packer", [None, *PACKERS])
def test_a_tar_archive_is_read(packer: str | None, kind: int, tmp_path: Path) -> None:
    long = {"set/train/" + "n" * 95 + "/é.png": b"long name"}
    content = tar_bytes(FILES | long, kind=kind)
    reader = open_reader("tar", written(tmp_path, PACKERS[packer](content) if packer else content))
    assert isinstance(reader, TarReader)
    assert isinstance(reader, Reader)
    assert contents(reader) == {name: FILES[name] for name in NAMES} | long
    names = {None: "none", "gz": "gzip", "bz2": "bzip2", "xz": "xz"}
    assert (reader.facts["format"], reader.facts["compression"]) == ("tar", names[packer])
    reader.close()


def test_archives_and_folders_agree(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "folder")
    shutil.make_archive(str(tmp_path / "a"), "gztar", tmp_path / "folder")  # names that begin with ./
    folder = FolderReader(str(tmp_path / "folder"))
    for reader in (ZipReader(str(tmp_path / "a.zip")), TarReader(str(tmp_path / "a.tar.gz"))):
        assert list(reader.entries) == list(folder.entries)
        assert contents(reader) == contents(folder)
    assert folder.entries[1] == Entry("set/train/cat/1.png", label="cat", part="train")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_threads_read_the_same_bytes(kind: str, tmp_path: Path) -> None:
    files = {f"{number}.png": RANDOM.bytes(2000 + number) for number in range(40)}
    make, reader_of = {"zip": (zip_bytes, ZipReader), "tar": (tar_bytes, TarReader)}[kind]
    reader = reader_of(written(tmp_path, make(files)))
    places = RANDOM.integers(0, 40, 2000).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(reader.read, places))
    assert all(content == files[reader.entries[place].name] for place, content in zip(places, found, strict=True))


def test_without_reads_at_a_place_a_lock_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread")
    test_threads_read_the_same_bytes("zip", tmp_path)


def test_nothing_is_written_beside_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (tmp_path / "archives").mkdir()
    for name, content in (("a.zip", zip_bytes()), ("a.tar", tar_bytes()), ("a.tgz", gzip.compress(tar_bytes()))):
        reader: Any = (ZipReader if name == "a.zip" else TarReader)(written(tmp_path / "archives", content, name))
        contents(reader)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["archives", "scratch"]
        assert list(scratch.iterdir()) == []  # the temporary file has no name
        reader.close()


# What is dangerous

LEADING_OUT = ["/etc/1.png", "../1.png", "a/../../1.png", "C:/1.png", "//host/1.png"]


def test_names_that_lead_outside_are_faults(tmp_path: Path) -> None:
    files = dict.fromkeys([*LEADING_OUT, "ok.png"], b"x")
    for reader in (ZipReader(written(tmp_path, zip_bytes(files))), TarReader(written(tmp_path, tar_bytes(files)))):
        assert [entry.name for entry in reader.entries] == ["ok.png"]
        assert reasons(reader) == dict.fromkeys(LEADING_OUT, "its name leads outside the archive")
    windows = ZipReader(
        written(tmp_path, zip_bytes({"train\\cat\\1.png": b"x", "..\\2.png": b"y", "train\\dog\\3.png": b"z"}))
    )
    assert [(entry.name, entry.label) for entry in windows.entries] == [
        ("train/cat/1.png", "cat"),
        ("train/dog/3.png", "dog"),
    ]
    assert reasons(windows) == {"..\\2.png": "its name leads outside the archive"}


def test_links_and_devices_in_a_tar_are_faults(tmp_path: Path) -> None:
    more = [
        ("link.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("hard.png", {"type": tarfile.LNKTYPE, "linkname": "ok.png"}),
        ("pipe.png", {"type": tarfile.FIFOTYPE}),
        ("null.png", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("folder.png", {"type": tarfile.DIRTYPE}),
    ]
    reader = TarReader(written(tmp_path, tar_bytes({"ok.png": b"x"}, more)))
    assert [entry.name for entry in reader.entries] == ["ok.png"]
    device = "it is a device, a pipe or a sparse file"
    assert reasons(reader) == {
        "hard.png": "it is a link",
        "link.png": "it is a link",
        "null.png": device,
        "pipe.png": device,
    }


def test_links_in_a_zip_are_faults(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ok.png", b"x")
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert reasons(ZipReader(written(tmp_path, stream.getvalue()))) == {"link.png": "it is a link or a device"}


def patched(content: bytes, *, central: int, form: str, value: int, local: int | None = None) -> bytes:
    """A zip archive of which the first member's headers state something else, at these offsets."""
    changed = bytearray(content)
    struct.pack_into(form, changed, content.index(b"PK\x01\x02") + central, value)
    if local is not None:
        struct.pack_into(form, changed, content.index(b"PK\x03\x04") + local, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"central": 8, "form": "<H", "value": 1}, "it is encrypted"),
        ({"central": 10, "form": "<H", "value": 14}, "it is packed by method 14; stored, deflated and bzip2 are read"),
        ({"central": 20, "form": "<I", "value": 10**6}, "its data reach beyond the end of the archive"),
        ({"central": 42, "form": "<I", "value": 10**6}, "its data reach beyond the end of the archive"),
        ({"central": 24, "form": "<I", "value": 2**31}, "it has 2048 MiB; more than 1024 are not read"),
        ({"central": 24, "form": "<I", "value": 10**8}, "it would unpack from 0.0 to 95 MiB, which no image does"),
    ],
)
def test_a_member_that_must_not_be_read_is_a_fault(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    content = patched(zip_bytes({"1.png": b"first" * 9, "2.png": b"second"}), **change)
    reader = ZipReader(written(tmp_path, content))
    assert reasons(reader) == {"1.png": reason}
    assert contents(reader) == {"2.png": b"second"}


def test_a_member_that_unpacks_to_more_than_it_states_is_cut_off(tmp_path: Path) -> None:
    bomb = patched(zip_bytes({"1.png": bytes(20_000_000)}), central=24, form="<I", value=1000)
    reader = ZipReader(written(tmp_path, bomb))
    tracemalloc.start()
    try:
        with pytest.raises(BadImage, match="do not have the size and checksum that are stated there"):
            reader.read(0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_of_two_with_one_name_the_later_counts(tmp_path: Path) -> None:
    twice = {"1.png": b"first", "./1.png": b"second"}
    for reader in (
        ZipReader(written(tmp_path, zip_bytes(twice), "zip")),
        TarReader(written(tmp_path, tar_bytes(twice))),
    ):
        assert contents(reader) == {"1.png": b"second"}
        assert reasons(reader) == {"1.png": "another of this name comes later"}


def test_huge_and_sparse_members_of_a_tar_are_faults(tmp_path: Path) -> None:
    header = tarfile.TarInfo("huge.png")
    header.size = 2**30 + 1
    path = tmp_path / "archive"
    with open(path, "wb") as file:
        file.write(header.tobuf())
        file.seek(2**30 + 512, os.SEEK_CUR)  # a hole: it takes no room
        file.write(tar_bytes({"2.png": b"x"}))
    reader = TarReader(str(path))
    assert reasons(reader) == {"huge.png": "it has 1024 MiB; more than 1024 are not read"}
    assert contents(reader) == {"2.png": b"x"}


# What is damaged


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        content = bytearray(zip_bytes({"1.png": FILES[NAMES[1]], "2.png": b"whole"}, method))
        content[200] ^= 1
        reader = ZipReader(written(tmp_path, bytes(content)))
        with pytest.raises(BadImage, match="its data in the archive do not"):
            reader.read(0)
        assert reader.read(1) == b"whole"


def test_a_damaged_header_of_one_member_spoils_that_member(tmp_path: Path) -> None:
    reader = ZipReader(written(tmp_path, b"PK\x03\x05" + zip_bytes()[4:]))
    with pytest.raises(BadImage, match="its header in the archive is damaged"):
        reader.read(1)
    assert reader.read(0) == FILES[NAMES[0]]


def test_a_zip_without_its_table_of_contents_says_how_much_is_there(tmp_path: Path) -> None:
    files = {f"{number:02}.png": RANDOM.bytes(500) for number in range(20)} | {"notes.txt": b"x"}
    whole = zip_bytes(files)
    cut = whole[: whole.index(b"12.png") + 100]
    with pytest.raises(BadData, match=r"is truncated or damaged: the table of contents .* 13 images begin in it"):
        ZipReader(written(tmp_path, cut))
    with pytest.raises(BadData, match=r"is not a zip archive: it starts with 89 50 4e 47\."):
        ZipReader(written(tmp_path, b"\x89PNG and so on"))


@pytest.mark.parametrize("packer", [None, *PACKERS])
def test_a_cut_tar_says_how_much_is_there(packer: str | None, tmp_path: Path) -> None:
    files = {f"{number:02}.png": RANDOM.bytes(50_000) for number in range(20)}
    whole = tar_bytes(files)
    if packer is None:
        member = 512 + 50_176
        for cut, seen in ((8 * member + 700, 8), (8 * member + 100, 8), (8 * member, 8), (20 * member, 20)):
            with pytest.raises(BadData, match=rf"truncated or damaged \(.*\)\. {seen} images are stored before that"):
                TarReader(written(tmp_path, whole[:cut]))
        return
    packed = PACKERS[packer](whole)
    with pytest.raises(
        BadData, match=r"truncated or damaged \(Compressed file ended .*\)\. \d+ images are stored before"
    ) as caught:
        TarReader(written(tmp_path, packed[: len(packed) // 2]))
    seen = int(str(caught.value).split(" images are stored")[0].split()[-1])
    assert seen <= 10
    assert packer == "bz2" or seen >= 6  # which works by blocks of 900,000 bytes


def test_a_path_that_says_is_leaves_the_fault_whole_and_the_advice_stands_once(tmp_path: Path) -> None:
    folder = tmp_path / "this is mine"
    folder.mkdir()
    with pytest.raises(BadData, match=r"damaged \(truncated within a member of 5000 bytes\)\. 1 images") as refused:
        TarReader(written(folder, tar_bytes({"1.png": b"x", "2.png": b"x" * 5000})[:4000]))
    assert len(re.findall("get it again|get the whole file again", str(refused.value))) == 1


def test_a_damaged_tar_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    content = bytearray(tar_bytes({f"{number}.png": b"x" for number in range(5)}))
    content[3 * 1024 + 150] ^= 1  # within the checksum of the fourth header
    with pytest.raises(BadData, match=r"the header at byte 3072 is wrong.*\. 3 images are stored before that"):
        TarReader(written(tmp_path, bytes(content)))


def test_a_damaged_compressed_stream_is_bad_data(tmp_path: Path) -> None:
    for packer in PACKERS.values():
        content = bytearray(packer(tar_bytes({"1.png": RANDOM.bytes(5000)})))
        content[len(content) // 2] ^= 255
        with pytest.raises(BadData, match="is not a tar archive, or truncated or damaged"):
            TarReader(written(tmp_path, bytes(content)))
    with pytest.raises(BadData, match="is not a tar archive, or truncated or damaged"):
        TarReader(written(tmp_path, gzip.compress(b"no tar at all" * 99)))


def test_a_tar_that_became_shorter_is_a_bad_picture(tmp_path: Path) -> None:
    path = written(tmp_path, tar_bytes({"1.png": b"x" * 5000}))
    reader = TarReader(path)
    os.truncate(path, 1000)
    with pytest.raises(BadImage, match="its archive ends after 488 of its 5000 bytes"):
        reader.read(0)


@pytest.mark.parametrize("reader", [ZipReader, TarReader])
def test_what_is_not_there_or_empty_is_bad_data(reader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadData, match="There is no file"):
        reader(str(tmp_path / "none"))
    with pytest.raises(BadData, match="is a folder"):
        reader(str(tmp_path))
    with pytest.raises(BadData, match=r"is empty \(0 bytes\)"):
        reader(written(tmp_path, b""))
    make = zip_bytes if reader is ZipReader else tar_bytes
    with pytest.raises(BadData, match=r"holds no images .*; it holds 1 × \.txt\."):
        reader(written(tmp_path, make({"a.txt": b"x"})))
    with pytest.raises(BadData, match="holds no images"):
        reader(written(tmp_path, make({})))

    def refuse(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(BadData, match=r"archive cannot be read: Permission denied\."):
        reader(str(tmp_path / "archive"))


# Room on the disk


def test_too_little_room_is_said_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, gzip.compress(tar_bytes()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30 - 1))
    with pytest.raises(StoreError, match=r"less than 1024 MiB would stay free in .*set TMPDIR"):
        TarReader(path)


def test_the_room_is_watched_while_decompressing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frees = iter([2**40, 2**40, 2**29])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(frees)))
    monkeypatch.setattr(byte_ranges, "_BETWEEN_CHECKS", 2**20)
    path = written(tmp_path, gzip.compress(tar_bytes({"1.png": bytes(5_000_000)})))
    with pytest.raises(StoreError, match="would stay free"):
        TarReader(path)
    assert next(frees, None) is None


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    path = written(tmp_path, gzip.compress(tar_bytes()))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full(tmp_path / "full", "w+"))
    with pytest.raises(StoreError, match=r"cannot be decompressed into .*: No space left on device"):
        TarReader(path)


def test_the_file_is_let_go(tmp_path: Path) -> None:
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.fail("this test wants a Linux machine")
    before = held()
    readers: list[Any] = [
        ZipReader(written(tmp_path, zip_bytes())),
        TarReader(written(tmp_path, gzip.compress(tar_bytes()))),
    ]
    assert held() == before + 2
    readers.pop().close()
    assert held() == before + 1
    readers.clear()  # without being closed
    assert held() == before
