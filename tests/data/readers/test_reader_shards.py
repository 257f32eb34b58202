"""Tar shards are read as the package of their format reads them, and tar headers as Python's own library does."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from gantlet.data.byte_ranges import ByteRangeFile
from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.shards import ShardReader, shard_paths
from gantlet.data.readers.tar_files import tar_members
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(8)


def write_shard(path: Path, samples: list[dict[str, Any]]) -> None:
    """With the format's own writer, which encodes by the ending."""
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)


def sample(key: str, **more: Any) -> dict[str, Any]:
    return {"__key__": key, "jpg": RANDOM.bytes(int(RANDOM.integers(1, 2000)))} | more


def write_tar(path: Path, members: dict[str, bytes], kind: int = tarfile.GNU_FORMAT) -> None:
    with tarfile.open(path, "w", format=kind) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_shards_are_read_as_webdataset_reads_them(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / f"a-{number:03}.tar", [sample(f"s{number}{i:04}", cls=i % 4) for i in range(20)])
    reader = open_reader("shards", str(tmp_path / "a-{000..002}.tar"))
    theirs: list[dict[str, Any]] = []
    for shard in sorted(tmp_path.glob("*.tar")):
        with shard.open("rb") as stream:
            theirs += group_by_keys(tar_file_expander([{"url": shard.name, "stream": stream}]))
    assert len(reader.entries) == len(theirs) == 60
    assert [reader.read(place) for place in range(60)] == [found["jpg"] for found in theirs]
    assert [entry.label for entry in reader.entries] == [found["cls"].decode() for found in theirs]
    assert [entry.name for entry in reader.entries] == [
        f"{found['__url__']}/{found['__key__']}.jpg" for found in theirs
    ]
    assert (reader.facts["shards"], reader.facts["classes"], reader.facts["unlabelled"]) == (3, 4, 0)
    reader.close()


LONG = "deep/" * 40 + "name"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_headers_are_read_as_by_the_standard_library(kind: int, tmp_path: Path) -> None:
    names = ["a.jpg", "b/c.png", "é.jpg", "x" * 100, "p" * 90 + "/" + "q" * 90]
    names += [] if kind == tarfile.USTAR_FORMAT else [LONG + ".jpg", "x" * 3000 + ".jpg"]
    with tarfile.open(tmp_path / "x.tar", "w", format=kind, pax_headers={"comment": "of all"}) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 400 * number, 1.5 if kind == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
        folder, link = tarfile.TarInfo("folder"), tarfile.TarInfo("link.jpg")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "y" * 150 if kind else "a.jpg"
        archive.addfile(folder)
        archive.addfile(link)
    with tarfile.open(tmp_path / "x.tar") as archive:
        expected = [
            (info.name.encode(), info.offset_data, info.size, info.isreg()) for info in archive if not info.isdir()
        ]
    file = ByteRangeFile(tmp_path / "x.tar")
    assert [(found.name, found.offset, found.length, not found.fault) for found in tar_members(file)] == expected
    file.close()


def test_sizes_in_binary_and_in_a_list_are_read(tmp_path: Path) -> None:
    content = b"z" * 700
    info = tarfile.TarInfo("big.jpg")
    info.size = 700
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\x80" + (700).to_bytes(11, "big")
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
    (tmp_path / "x.tar").write_bytes(bytes(block) + content + bytes(324) + bytes(1024))
    assert ShardReader(str(tmp_path / "x.tar")).read(0) == content
    lying = tarfile.TarInfo("big.jpg")
    lying.size, lying.pax_headers = 0, {"size": "700"}
    data = lying.create_pax_header({**lying.get_info(), "size": 0}, "utf-8")
    (tmp_path / "y.tar").write_bytes(data + content + bytes(324) + bytes(1024))
    assert ShardReader(str(tmp_path / "y.tar")).read(0) == content


def test_pictures_labels_and_parts_of_samples(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_tar(
        tmp_path / "train" / "0.tar",
        {
            "./d/1.txt": b"a caption",
            "./d/1.left.png": b"left",
            "./d/1.right.png": b"right",
            "./d/1.json": json.dumps({"label": "cat", "x": [1]}).encode(),
            "d/2.JPG": b"two",
            "d/2.cls": b" 007\n",
            "3.jpg": b"three",
            "4.txt": b"no picture",
            "5.webp": b"five",
            "5.json": b'{"cls": 3}',
            "noending": b"x",
            "__meta__/6.jpg": b"x",
        },
    )
    write_tar(tmp_path / "s-val.tar", {"a.jpg": b"v"})
    write_tar(tmp_path / "plain.tar", {"a.jpg": b"p"})
    (tmp_path / "list.txt").write_text("# my shards\ntrain/0.tar\n\ns-val.tar\nplain.tar\n")
    reader = ShardReader(str(tmp_path / "list.txt"))
    assert list(reader.entries) == [
        Entry("train/0.tar/./d/1.left.png", "cat", "train"),
        Entry("train/0.tar/d/2.JPG", "7", "train"),
        Entry("train/0.tar/3.jpg", "", "train"),
        Entry("train/0.tar/5.webp", "3", "train"),
        Entry("s-val.tar/a.jpg", "", "test"),
        Entry("plain.tar/a.jpg", "", ""),
    ]
    assert [reader.read(place) for place in (0, 1, 4)] == [b"left", b"two", b"v"]
    write_tar(tmp_path / "s-test.tar", {"a.jpg": b"t"})
    both = ShardReader(str(tmp_path / "s-{val,test}.tar"))
    assert (len(both.entries), both.entries[0].part, both.facts["shards_left_out"]) == (1, "test", 1)


def test_single_bad_samples_are_faults(tmp_path: Path) -> None:
    members = {
        "1.jpg": b"x",
        "1.cls": b"",
        "2.jpg": b"",
        "3.jpg": b"y",
        "3.json": b"{",
        "4.jpg": b"good",
        "5.jpg": b"z",
    }
    write_tar(tmp_path / "x.tar", members | {"5.cls": b"\xff\xfe"})
    with tarfile.open(tmp_path / "x.tar", "a") as archive:
        for name in ("6.jpg", "4.jpg"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE if name == "6.jpg" else tarfile.REGTYPE
            info.size = 0 if name == "6.jpg" else 4
            archive.addfile(info, io.BytesIO(b"late"))
    reader = ShardReader(str(tmp_path / "x.tar"))
    assert [entry.name for entry in reader.entries] == ["4.jpg"]
    assert [(fault.name, fault.reason) for fault in reader.faults] == [
        ("1.jpg", "the file with its label holds none"),
        ("2.jpg", "it is empty"),
        ("3.jpg", "the file with its label holds none"),
        ("5.jpg", "the file with its label holds none"),
        ("6.jpg", "it is a link"),
        ("4.jpg", "an image of the same name stood before in this shard"),
    ]
    content = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(content[:600])
    with pytest.raises(BadImage, match="the file ends early: 4 bytes were expected, 0 were found"):
        reader.read(0)


def test_wrong_shards_have_sentences(tmp_path: Path) -> None:
    def refused(words: str, path: str) -> None:
        with pytest.raises(BadData, match=words):
            ShardReader(path)

    shard = tmp_path / "x.tar"
    write_tar(shard, {"1.jpg": b"x" * 3000, "2.jpg": b"y" * 3000})
    content = shard.read_bytes()
    refused("There is no shard .*; expected .tar files", str(tmp_path / "*.none"))
    refused("2 of 3 shards are missing, the first is .*y.tar", str(tmp_path / "{x,y,z}.tar"))
    for address in ("https://a.b/c-{000..009}.tar", "s3://b/c.tar", "pipe:cat x"):
        refused("is an address; shards are read from this disk: fetch them with 'gantlet data download'", address)
    (tmp_path / "list").write_text("https://a.b/c.tar\n")
    refused("is an address", str(tmp_path / "list"))
    refused("stands for 1,000,000,000 names; expected at most", str(tmp_path / "{000..999}{000..999}{000..999}.tar"))
    refused("is a range of 100,000,000,000 names", str(tmp_path / "{0..99999999999}.tar"))
    shard.write_bytes(content[:5000])
    refused("is truncated within a member of 3000 bytes; get it again", str(shard))
    shard.write_bytes(content[:4000])
    refused("is truncated: it ends within a header|truncated within a member", str(shard))
    shard.write_bytes(content[:3584] + b"!" + content[3585:])
    refused("the header at byte 3584 is wrong; get it again", str(shard))
    shard.write_bytes(b"\x1f\x8b\x08" + bytes(900))
    refused(r"is compressed; decompress it \(gunzip", str(shard))
    shard.write_bytes(b"")
    refused(r"is empty \(0 bytes\)", str(shard))
    write_tar(shard, {"1.txt": b"x"})
    refused("1 shards hold no image", str(shard))


def test_a_folder_and_a_pattern_name_their_shards_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_tar(tmp_path / f"{name}.tar", {"1.jpg": b"x"})
    assert [shard.name for shard in shard_paths(str(tmp_path))] == ["a.tar", "b.tar", "c.tar"]
    assert [shard.name for shard in shard_paths(str(tmp_path / "[ac].tar"))] == ["a.tar", "c.tar"]
    assert [shard.name for shard in shard_paths(str(tmp_path / "{c,b}.tar"))] == ["c.tar", "b.tar"]


def test_a_negative_number_is_no_class(tmp_path: Path) -> None:
    members = {
        "1.jpg": b"a",
        "1.cls": b"-0000001",
        "2.jpg": b"b",
        "2.json": b'{"label": -1}',
        "3.jpg": b"c",
        "3.cls": b"0",
    }
    write_tar(tmp_path / "a.tar", members)
    reader = ShardReader(str(tmp_path / "a.tar"))
    assert [entry.label for entry in reader.entries] == ["", "", "0"]
    assert (list(reader.faults), reader.facts["unlabelled"]) == ([], 2)
    reader.close()


def test_what_has_no_plain_content_does_not_shift_the_members_after_it(tmp_path: Path) -> None:
    """As the standard library reads them: a link's size is not its own, a sparse file's map may go on in more blocks."""
    sparse = bytearray(tarfile.TarInfo("holes.png").tobuf(tarfile.GNU_FORMAT))
    sparse[156:157], sparse[482:483], sparse[124:136] = b"S", b"\1", b"%011o\0" % 600
    sparse[386:410] = b"%011o\0%011o\0" % (512, 600)
    sparse[148:156] = b"%06o\0 " % (sum(sparse) - sum(sparse[148:156]) + 256)
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname, link.size = tarfile.LNKTYPE, "holes.png", 4000
    with (tmp_path / "x.tar").open("wb") as out:
        out.write(bytes(sparse) + bytes(512) + b"s" * 600 + bytes(424) + link.tobuf())
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, more in (("modern.png", {"GNU.sparse.major": "1"}), ("plain.png", {})):
                info = tarfile.TarInfo(name)
                info.size, info.pax_headers = 5, more
                archive.addfile(info, io.BytesIO(b"plain"))
    found = [(member.name, member.fault) for member in tar_members(ByteRangeFile(tmp_path / "x.tar"))]
    hole = "it is a device, a pipe or a sparse file"
    assert found == [(b"holes.png", hole), (b"link.png", "it is a link"), (b"modern.png", hole), (b"plain.png", "")]
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert [info.name for info in archive if info.isfile()] == ["holes.png", "modern.png", "plain.png"]
    assert ShardReader(str(tmp_path / "x.tar")).read(0) == b"plain"
