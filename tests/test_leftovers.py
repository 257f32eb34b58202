"""What killed processes left beside a place goes when something is written there; what is another's stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gantlet.leftovers import sweep, temporary_folder

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
