"""A folder is listed by name whatever lies in it: links end, and what cannot be used is listed beside the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gantlet.data.readers.base import Entry, Fault, Reader, open_reader
from gantlet.data.readers.folder import FolderReader
from gantlet.data.readers.listing import MOST_BYTES
from gantlet.errors import BadData, BadImage


def fill(root: Path, names: Iterable[str]) -> Path:
    """Files that hold their own names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_a_nested_folder_is_listed_by_name_and_read(tmp_path: Path) -> None:
    names = ["train/cat/10.png", "train/cat/9.jpg", "train/dog/sub/1.webp", "test/cat/1.gif", "train/cat.png/1.bmp"]
    reader = FolderReader(str(fill(tmp_path, names)))
    assert isinstance(reader, Reader)
    assert [entry.name for entry in reader.entries] == sorted(names)
    assert [reader.read(place).decode() for place in range(5)] == sorted(names)
    assert reader.entries[4] == Entry("train/dog/sub/1.webp", label="dog", part="train")
    assert (reader.faults, reader.facts["parts"]) == ([], {"test": 1, "train": 4})
    assert reader.facts["classes"] == 3
    reader.close()


def test_the_reader_is_in_the_catalogue(tmp_path: Path) -> None:
    assert isinstance(open_reader("folder", str(fill(tmp_path, ["1.png"]))), FolderReader)


def test_other_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    others = ["a.txt", "b.TXT", "README", "Thumbs.db", ".DS_Store", ".git/x.png", "__MACOSX/1.png", "x/.hidden.png"]
    reader = FolderReader(str(fill(tmp_path, ["x/1.png", *others])))
    assert [entry.name for entry in reader.entries] == ["x/1.png"]
    assert reader.faults == []
    assert reader.facts["skipped"] == {".db": 1, ".txt": 2, "hidden": 4, "no extension": 1}


def test_links_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path / "data", ["real/1.png", "real/deep/2.png"])
    fill(tmp_path / "other", ["3.png"])
    data = tmp_path / "data"
    (data / "a-link").symlink_to(data / "real")  # comes first by name, yet the real folder has precedence
    (data / "far").symlink_to(tmp_path / "other")
    (data / "far2").symlink_to(tmp_path / "other")
    (data / "real" / "deep" / "up").symlink_to(data)
    (data / "4.png").symlink_to(tmp_path / "other" / "3.png")
    reader = FolderReader(str(data))
    assert [entry.name for entry in reader.entries] == ["4.png", "far/3.png", "real/1.png", "real/deep/2.png"]
    assert reader.read(0) == reader.read(1) == b"3.png"
    assert list(reader.faults) == [
        Fault("a-link", "it is the folder real again, by a link"),
        Fault("far2", "it is the folder far again, by a link"),
        Fault("real/deep/up", "it is the folder that is read again, by a link"),
    ]


def test_circles_and_broken_links_are_faults(tmp_path: Path) -> None:
    fill(tmp_path, ["1.png"])
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")  # to open it would wait for ever
    faults = {fault.name: fault.reason for fault in FolderReader(str(tmp_path)).faults}
    assert set(faults) == {"a", "b", "gone.png", "pipe.png", "self.png"}
    assert faults["gone.png"] == "it is a link that leads nowhere"
    assert faults["pipe.png"] == "it is neither a file nor a folder"
    for name in ("a", "b", "self.png"):
        assert faults[name].startswith("it cannot be followed: Too many levels of symbolic links")


def test_an_unreadable_folder_is_a_fault_and_an_unreadable_root_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, ["open/1.png", "shut/2.png"])
    scan = os.scandir
    shut = {str(tmp_path / "shut")}

    def guarded(path: str) -> Any:
        if path.rstrip("/") in shut:
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    reader = FolderReader(str(tmp_path))
    assert [entry.name for entry in reader.entries] == ["open/1.png"]
    assert reader.faults == [Fault("shut", "the folder cannot be read: Permission denied")]
    shut.add(str(tmp_path))
    with pytest.raises(BadData, match=r"The folder .* cannot be read: Permission denied\."):
        FolderReader(str(tmp_path))


def test_a_file_that_cannot_be_read_is_a_bad_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FolderReader(str(fill(tmp_path, ["1.png", "2.png", "3.png"])))
    (tmp_path / "1.png").unlink()
    with pytest.raises(BadImage, match=r"^it cannot be read: No such file or directory$"):
        reader.read(0)
    with open(tmp_path / "2.png", "wb") as file:
        file.truncate(MOST_BYTES + 1)  # a hole: it takes no room
    with pytest.raises(BadImage, match="its file has 1024 MiB; more than 1024 are not read"):
        reader.read(1)

    def refuse(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(BadImage, match="it cannot be read: Permission denied"):
        reader.read(2)


@pytest.mark.parametrize("name", [b"\xff\xfe.png", b"new\nline.png"])
def test_a_name_of_any_bytes_is_read_and_shown(name: bytes, tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(b"content")
    reader = FolderReader(str(tmp_path))
    assert reader.entries[0].name.isprintable()
    assert reader.read(0) == b"content"


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    fill(tmp_path, ["a/notes.txt", "b.txt", ".x"])
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadData) as caught:
        FolderReader(str(tmp_path))
    text = str(caught.value)
    assert "holds no images (.avif, .bmp, .gif," in text
    assert (
        "it holds 2 × .txt, 1 × hidden. 1 cannot be used; the first is gone: it is a link that leads nowhere." in text
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="it holds no other files either"):
        FolderReader(str(tmp_path / "empty"))


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["x.zip"])
    with pytest.raises(BadData, match=r"x\.zip is a file; the reader 'folder' wants a folder"):
        FolderReader(str(tmp_path / "x.zip"))
    with pytest.raises(BadData, match=r"There is no folder .*y\."):
        FolderReader(str(tmp_path / "y"))


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(300):
            os.mkdir("d")
            os.chdir("d")
        Path("1.png").write_text("deep")
    finally:
        os.chdir(here)
    assert FolderReader(str(tmp_path)).read(0) == b"deep"


def test_no_file_is_asked_for_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, [f"{label}/{number}.png" for label in "abc" for number in range(100)])
    state, asked = os.stat, []

    def counted(path: Any, **options: Any) -> os.stat_result:
        asked.append(os.path.relpath(path, tmp_path))
        return state(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", counted)
        reader = FolderReader(str(tmp_path))
    assert len(reader.entries) == 300
    assert set(asked) == {".", "a", "b", "c"}
