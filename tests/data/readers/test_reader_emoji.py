"""Emoji are read from the archive and from folders alike: the 64-pixel files only, with the categories of the table."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet.data.decode import Decoding
from gantlet.data.readers.base import Entry, Fault, Reader, open_reader
from gantlet.data.readers.emoji import EmojiReader
from gantlet.errors import BadData, BadImage


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4, 4), shade, np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


PICTURES = {"1f600.png": png(10), "1f44d.png": png(20), "1f44d-1f3fb.png": png(30)}
TABLE: list[dict[str, Any]] = [
    {"image": "1f600.png", "category": "Smileys & Emotion"},
    {
        "image": "1f44d.png",
        "category": "People & Body",
        "skin_variations": {"1F3FB": {"image": "1f44d-1f3fb.png"}, "1F3FC": {"image": "not-drawn.png"}},
    },
]
ENTRIES = [
    Entry("1f44d-1f3fb.png", "People & Body"),
    Entry("1f44d.png", "People & Body"),
    Entry("1f600.png", "Smileys & Emotion"),
]


def write_folder(root: Path, table: Any = TABLE) -> Path:
    """The package as it unpacks; every image stands in a sheet and in a larger size too."""
    for folder in ("64", "sheets", "sheets-128"):
        (root / "img/google" / folder).mkdir(parents=True)
    for name, content in PICTURES.items():
        (root / "img/google/64" / name).write_bytes(content)
    (root / "img/google/sheets/64.png").write_bytes(png(99))
    (root / "img/google/sheets-128/1f600.png").write_bytes(png(99))
    (root / "README.md").write_text("words")
    if table is not None:
        (root / "emoji.json").write_text(json.dumps(table))
    return root


def packed(root: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root, arcname="package")
    return archive


@pytest.mark.parametrize("form", ["archive", "package", "parent", "pictures"])
def test_every_form_of_the_package_reads_the_same(form: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package")
    paths = {
        "archive": packed(root, tmp_path / "emoji.tgz"),
        "package": root,
        "parent": tmp_path,
        "pictures": root / "img/google/64",
    }
    reader = open_reader("emoji", str(paths[form]))
    assert isinstance(reader, Reader)
    assert list(reader.entries) == ENTRIES
    assert list(reader.faults) == []
    assert [reader.read(place) for place in (2, 0, 1)] == [PICTURES[ENTRIES[place].name] for place in (2, 0, 1)]
    assert Decoding()(reader.read(0)).shape == (4, 4, 3)
    assert reader.facts["images"] == 3
    reader.close()


def test_without_the_table_there_are_no_labels(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package", table=None)
    for path in (root, packed(root, tmp_path / "emoji.tgz")):
        assert [(entry.name, entry.label) for entry in EmojiReader(str(path)).entries] == [
            (entry.name, "") for entry in ENTRIES
        ]


def test_a_picture_that_the_table_does_not_know_is_a_fault(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package", table=TABLE[:1])
    reader = EmojiReader(str(root))
    assert list(reader.entries) == ENTRIES[2:]
    assert [fault.name for fault in reader.faults] == ["1f44d-1f3fb.png", "1f44d.png"]
    assert reader.faults[0] == Fault("1f44d-1f3fb.png", "emoji.json gives it no category")
    assert reader.read(0) == PICTURES["1f600.png"]


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package", table=[{"image": "x.png", "category": "y"}])
    with pytest.raises(BadData, match=r"emoji.json knows none of the 3 images; they do not belong together"):
        EmojiReader(str(root))


@pytest.mark.parametrize("text", ["", "{", "3", '["a"]', '[{"image": "a"}]', "[" * 100_000, '[{"skin_variations": 3}]'])
def test_a_damaged_table_is_refused(text: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package")
    (root / "emoji.json").write_text(text)
    for path in (root, packed(root, tmp_path / "emoji.tgz")):
        with pytest.raises(BadData, match=r"emoji.json (is not a table of emoji|is empty)"):
            EmojiReader(str(path))


def test_what_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"There is no file .*nowhere.tgz. Expected emoji-datasource-google"):
        EmojiReader(str(tmp_path / "nowhere.tgz"))
    with pytest.raises(BadData, match="holds no emoji; expected emoji-datasource-google"):
        EmojiReader(str(tmp_path))
    (tmp_path / "other").mkdir()
    with pytest.raises(BadData, match="holds no emoji"):
        EmojiReader(str(packed(tmp_path / "other", tmp_path / "other.tgz")))


def outcome_of(archive: Path) -> set[str]:
    """What a damaged archive comes to: a clear error, or fewer images."""
    try:
        reader = EmojiReader(str(archive))
    except BadData as error:
        return {"refused"} if archive.name in str(error) else {f"a vague error: {error}"}
    return {"read"} if {entry.name for entry in reader.entries} <= set(PICTURES) else {"invented pictures"}


def test_damaged_archives_are_refused_or_read_never_more(tmp_path: Path) -> None:
    whole = packed(write_folder(tmp_path / "package"), tmp_path / "emoji.tgz").read_bytes()
    rng, outcomes = np.random.default_rng(1), set[str]()
    for case in range(120):
        content = bytearray(whole[: int(rng.integers(1, len(whole)))] if case % 2 else whole)
        for place in rng.integers(0, len(content), 3):
            content[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "bad.tgz").write_bytes(content)
        outcomes |= outcome_of(tmp_path / "bad.tgz")
    assert "refused" in outcomes <= {"refused", "read"}


def test_a_bomb_and_links_are_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("package/img/google/64/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        bomb = tarfile.TarInfo("package/img/google/64/bomb.png")
        bomb.size = 17 << 20
        tar.addfile(bomb, io.BytesIO(bytes(bomb.size)))
    with pytest.raises(BadData, match=r"bomb.png has 17,825,792 bytes, too many for an emoji"):
        EmojiReader(str(archive))


def test_a_picture_that_vanished_is_a_bad_one(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "package")
    reader = EmojiReader(str(root))
    (root / "img/google/64/1f44d.png").unlink()
    with pytest.raises(BadImage, match="it cannot be read"):
        reader.read(1)
    assert reader.read(0) == PICTURES["1f44d-1f3fb.png"]
