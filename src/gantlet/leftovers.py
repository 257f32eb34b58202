"""What is written aside before it is renamed to its place has the name of who writes it, so that what a killed process leaves is known and goes."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from glob import escape
from pathlib import Path

__all__ = ["mark", "runs", "sweep", "sweep_beside", "temporary_folder"]


def mark(process: int | str) -> str:
    """What stands in the name of a temporary file: who writes it, on which machine."""
    host = "".join(letter for letter in platform.node() if letter.isalnum()) or "host"
    return f"~{host}-{process}~"


def runs(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    if os.name == "nt":  # there kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def sweep(folder: Path, name: str = "") -> list[Path]:
    """Delete the temporary files that killed processes of this machine left in a folder, and return which.

    Those of processes that still run, here or on another machine, stay.

    Arguments:
        folder: Where they are.
        name: Of a file or folder that is to be written, whose leftovers alone go, folders among them; all files if empty.
    """
    gone: list[Path] = []
    for path in folder.glob(f".{escape(name) if name else '*'}{mark('*')}*"):
        number = path.name.rpartition("~")[0].rpartition("-")[2]
        if path.is_symlink() or not (path.is_file() or name) or not number.isdecimal() or runs(int(number)):
            continue
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            gone.append(path)
    return gone


def temporary_folder(target: Path) -> Path:
    """Make a folder beside a place, to be filled and renamed to it; what killed processes left of theirs for that place goes.

    Raises:
        OSError: It cannot be made.
    """
    sweep(target.parent, target.name)
    return Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}{mark(os.getpid())}"))


def sweep_beside(target: Path) -> None:
    """Delete what killed processes left for a place; a folder is looked through once in a process, not before each of its files."""
    if target.name in _left(os.path.abspath(target.parent)):
        sweep(target.parent, target.name)


@cache
def _left(folder: str) -> frozenset[str]:
    """The names of what is half written in a folder, by whomever."""
    marked = mark("")[:-1]
    return frozenset(path.name[1:].rpartition(marked)[0] for path in Path(folder).glob(f".*{mark('*')}*"))
