"""Places that a user names, and where a command may write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gantlet
import terminal
from gantlet.errors import BadValue, FolderInUse
from gantlet.places import check_free, user_path

MARKED = b"<made by gantlet>"


def _link(place: Path) -> None:
    place.symlink_to("nowhere")


def _full(place: Path) -> None:
    place.mkdir()
    (place / "file").touch()


TAKEN: dict[str, Callable[[Path], object]] = {
    "file": lambda place: place.write_bytes(b"mine"),
    "link to nothing": _link,
    "pipe": os.mkfifo,
    "folder with a file": _full,
}


@pytest.mark.parametrize("what", TAKEN)
@pytest.mark.parametrize("ours", ["", "figure"])
def test_what_is_there_is_neither_replaced_nor_waited_for(tmp_path: Path, what: str, ours: str) -> None:
    TAKEN[what](tmp_path / "out")
    with pytest.raises(FolderInUse, match=r"out exists already.*; nothing was written\. Choose another --out\."):
        check_free(tmp_path / "out", ours=ours, mark=MARKED)


@pytest.mark.parametrize("content", [b"", MARKED + bytes(1 << 20), bytes(1 << 20) + MARKED])
def test_a_file_of_gantlets_own_is_free_where_that_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out").write_bytes(content)
    check_free(tmp_path / "out", ours="figure", mark=MARKED)
    with pytest.raises(FolderInUse):
        check_free(tmp_path / "out")


def test_a_mark_in_the_midst_of_a_file_is_somebody_elses_words(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(bytes(1 << 20) + MARKED + bytes(1 << 20))
    with pytest.raises(FolderInUse, match="is no figure of gantlet's"):
        check_free(tmp_path / "out", ours="figure", mark=MARKED)


def test_a_folder_is_not_the_place_of_a_file(tmp_path: Path) -> None:
    """An empty one was taken for free, and the file could not be written once it was made."""
    with pytest.raises(FolderInUse, match=r"is a folder, and a file is written; nothing was"):
        check_free(tmp_path, file=True)
    with pytest.raises(FolderInUse, match="is a folder, and a file is written"):
        check_free(tmp_path, file=True, ours="figure", mark=MARKED)


@pytest.mark.parametrize("file", [True, False])
def test_what_is_no_folder_on_the_way_is_named(tmp_path: Path, file: bool) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FolderInUse, match=r"mine is a file, so .*mine/a/b\.npy cannot be written"):
        check_free(tmp_path / "mine" / "a" / "b.npy", file=file)
    with pytest.raises(FolderInUse, match=r"link is a link to nothing, so .* cannot be written"):
        check_free(tmp_path / "link" / "b.npy", file=file)
    assert (tmp_path / "mine").read_text() == "mine"


def test_nothing_and_an_empty_folder_are_free(tmp_path: Path) -> None:
    check_free(tmp_path)
    check_free(tmp_path / "not" / "there")


def test_a_tilde_is_the_home_folder_wherever_nobody_has_replaced_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_report: None
) -> None:
    """A shell does so in a word of its own alone: not in --out=~/x, a file of settings, or Python."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    done = terminal.gantlet("run", "ring8", "vanilla", *terminal.TINY, "--out=~/a", "--workers", 1, "-q")
    assert (done.status, done.err, done.out.strip()) == (0, "", f"{tmp_path}/a")
    settings = "\n".join(word.replace("=", " = ") for word in terminal.TINY)
    Path("s.toml").write_text(f'task = "ring8"\nmethods = ["vanilla"]\nout = "~/b"\n[settings]\n{settings}\n')
    assert terminal.gantlet("run", "s.toml", "--workers", 1, "-q").out.strip() == f"{tmp_path}/b"
    small: dict[str, Any] = dict(word.split("=") for word in terminal.TINY)
    assert gantlet.run("ring8", "vanilla", out="~/c", options={"workers": 1}, **small).folder == tmp_path / "c"
    assert gantlet.sample("~/c", out="~/c.npy", n=2) == tmp_path / "c.npy"
    assert gantlet.load("~/c", run=0).sample(2).shape == (2, 2)
    assert gantlet.figure("~/c", "bars", "~/c.svg") == tmp_path / "c.svg"
    assert len(gantlet.Study(Path("~/c")).runs) == 1
    assert [path.name for path in Path.cwd().iterdir()] == ["s.toml"]


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_no_name_is_no_place(name: str) -> None:
    with pytest.raises(BadValue, match="The name of a file or folder is empty"):
        user_path(name)
