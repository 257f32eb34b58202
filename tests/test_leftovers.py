"""What killed processes left beside a place goes when something is written there; what is another's stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gantlet.errors import StoreError
from gantlet.files import write_whole
from gantlet.leftovers import sweep, temporary_folder
from gantlet.places import whole_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from gantlet.files import replace_whole
from gantlet.leftovers import temporary_folder

def fill(aside):
    (aside / "file" if aside.is_dir() else aside).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

target = Path(sys.argv[1])
fill(temporary_folder(target)) if sys.argv[2] == "folder" else replace_whole(target, fill)
"""


def _killed(target: Path, what: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(target), what], check=False)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_a_killed_process_left_for_a_place_goes_with_the_next_try(tmp_path: Path, what: str) -> None:
    target = tmp_path / "model [1]"
    for name in ("model [1]", "model 1"):
        _killed(tmp_path / name, what)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    fresh = temporary_folder(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([left[0], fresh.name])  # that of "model 1" stays


def _another_machine(name: str) -> str:
    return name.replace("~", "~elsewhere", 1)


def _of_one_that_runs(name: str) -> str:
    return f"{name.rpartition('-')[0]}-{os.getpid()}~x"


@pytest.mark.parametrize("renamed", [_another_machine, _of_one_that_runs])
def test_what_is_anothers_stays(tmp_path: Path, renamed: Callable[[str], str]) -> None:
    _killed(tmp_path / "model", "folder")
    (left,) = tmp_path.iterdir()
    left = left.rename(tmp_path / renamed(left.name))
    assert sweep(tmp_path, "model") == []
    assert (left / "file").read_text() == "half"


def test_what_a_killed_process_left_goes_with_the_first_file_that_the_next_writes(tmp_path: Path) -> None:
    """Samples, reports, animations, figures and tables: all files are written so."""
    _killed(tmp_path / "x.npy", "file")
    (left,) = tmp_path.iterdir()
    others = left.with_name(_of_one_that_runs(left.name))
    others.write_text("in work")
    (tmp_path / "~mine~").write_text("mine")
    write_whole(tmp_path / "x.npy", b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([others, tmp_path / "x.npy", tmp_path / "~mine~"])


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "out"
    with pytest.raises(StoreError, match="nothing went wrong but this"), whole_folder(target) as fresh:
        _refuse(fresh / "0.png")
    with (
        pytest.raises(StoreError, match=r"a/out cannot be written: No space left on device\.$"),
        whole_folder(target) as fresh,
    ):
        write_whole(fresh / "0.png", _full)
    assert list(target.parent.iterdir()) == []
    with whole_folder(target) as fresh:
        (fresh / "0.png").write_text("whole")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    assert [path.name for path in target.iterdir()] == ["0.png"]


def _refuse(path: Path) -> None:
    path.write_text("half")
    raise StoreError("nothing went wrong but this")


def _full(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("way", ["link", "working folder"])
def test_an_empty_folder_that_is_there_stays_the_folder_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """It was deleted and replaced: the working folder was gone then, and a link to one was refused."""
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    node = place.stat().st_ino
    target = tmp_path / "link" if way == "link" else Path()
    if way == "link":
        target.symlink_to(place)
    else:
        monkeypatch.chdir(place)
    with whole_folder(target) as fresh:
        (fresh / "0.png").write_text("whole")
    assert (place.stat().st_ino, place.stat().st_mode & 0o777) == (node, 0o700)
    assert [path.name for path in place.iterdir()] == ["0.png"]
    assert not list(tmp_path.glob(".*"))


def test_a_folder_is_filled_beside_which_nothing_may_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    monkeypatch.setattr("gantlet.places.os.access", lambda path, mode: Path(path) != tmp_path)
    with whole_folder(place) as fresh:
        assert fresh.parent == place
        (fresh / "0.png").write_text("whole")
    assert [path.name for path in place.iterdir()] == ["0.png"]
