"""Places that a user names: ``~`` is the home folder, and nothing that is there is replaced, but for files of gantlet's own making."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import BadValue, FolderInUse, StoreError
from .leftovers import temporary_folder

__all__ = ["check_free", "command", "has_mark", "in_the_way", "user_path", "what_is_there", "whole_folder"]

_ENDS = 1 << 16  # bytes at each end of a file in which a mark is looked for


def user_path(given: str | Path) -> Path:
    """The path of a file or folder that a user named; a shell leaves ``--out=~/x`` as it is, and files of settings know none.

    Example:
        >>> user_path("~/runs") == Path.home() / "runs", user_path("runs/~")
        (True, PosixPath('runs/~'))

    Raises:
        BadValue: It is empty, or nothing but blanks, as a variable of a shell is that was not set.
    """
    if not str(given).strip():
        raise BadValue("The name of a file or folder is empty; give one, or . for the working folder.")
    return Path(os.path.expanduser(given))


def command(name: str, folder: Path) -> str:
    """A command about a folder as a shell takes it, to be copied from a message.

    Example:
        >>> command("resume", Path("runs/x")), command("show", Path("my runs"))
        ('gantlet resume runs/x', "gantlet show 'my runs'")
    """
    return shlex.join(["gantlet", name, str(folder)])


def what_is_there(folder: Path) -> str:
    """A sentence on what of gantlet's a folder holds and what takes it, for whoever wanted something else; empty if nothing is known.

    Example:
        >>> what_is_there(Path("/nowhere"))
        ''
    """
    if _has(folder, "study.json"):
        model = f"{command('export', folder)} RUN --format hub"
        return f" It is a study: gantlet.load takes it, and {model} makes a model folder of a member."
    if _has(folder, "config.json", "model.safetensors"):
        return f" It is a model folder: gantlet.load takes it, and {command('sample', folder)}."
    if _has(folder, "set.json"):
        return f" It is a prepared set of images: prepared:{folder} is a task."
    above = next((each for each in folder.absolute().parents if _has(each, "study.json")), None)
    if above is not None:
        return f" It is in the study {above}."
    if _has(folder, "state.json", "tensors.safetensors"):
        return " It is a GAN that was saved: gantlet.GAN.load takes it."
    below = next((each.parent for each in sorted(folder.glob("*/study.json"))), None)
    return "" if below is None else f" It holds studies, such as {below}."


def _has(folder: Path, *names: str) -> bool:
    return all(os.path.isfile(folder / name) for name in names)


def has_mark(path: Path, mark: bytes) -> bool:
    """Whether a file has a mark near its beginning or end; an empty file counts as one that has."""
    with path.open("rb") as file:
        start = file.read(_ENDS)
        file.seek(max(0, path.stat().st_size - _ENDS))
        return not start or mark in start or mark in file.read(_ENDS)


def in_the_way(place: Path) -> str:
    """What keeps a folder from being made here: a sentence's beginning on the first on the way that is none; empty if nothing.

    Example:
        >>> in_the_way(Path("/dev/null/runs")), in_the_way(Path("/"))
        ('/dev/null is a file', '')
    """
    for each in (place, *place.parents):
        if os.path.lexists(each) and not each.is_dir():
            return f"{each} is {'a file' if each.exists() else 'a link to nothing'}"
    return ""


def check_free(out: Path, *, file: bool = False, ours: str = "", mark: bytes = b"", option: str = "--out") -> None:
    """See that a file or folder may be written here: nothing is here, an empty folder, or what gantlet made and may replace.

    Arguments:
        out: The place.
        file: Whether it is that of a file, which an empty folder is in the way of.
        ours: What of gantlet's making is replaced, such as ``report``; nothing if empty.
        mark: What stands near the beginning or end of each such file. An empty file is replaced like one.
        option: Which gave the place.

    Raises:
        FolderInUse: There is something else: a file, a link to nothing, a pipe or device, or a folder with something in it; or it
            is said to be in what is no folder.
        OSError: The place cannot be looked at.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     check_free(Path(folder))
        ...     _ = Path(folder, "a.txt").write_text("written by gantlet")
        ...     check_free(Path(folder, "a.txt"), ours="text", mark=b"by gantlet")
        ...     try:
        ...         check_free(Path(folder, "a.txt"))
        ...     except FolderInUse as error:
        ...         print(str(error).removeprefix(folder))
        /a.txt exists already; nothing was written. Choose another --out.
    """
    if other := in_the_way(out.parent):
        raise FolderInUse(f"{other}, so {out} cannot be written. Choose another {option}.")
    if file and out.is_dir():
        raise FolderInUse(
            f"{out} is a folder, and a file is written; nothing was. Choose another {option}, such as {out / 'FILE'}{out.suffix}"
        )
    if not (out.is_symlink() or out.exists()) or (out.is_dir() and not any(out.iterdir())):
        return
    if ours and out.is_file() and not out.is_symlink() and has_mark(out, mark):
        return
    what = f" and is no {ours} of gantlet's" if ours else ""
    raise FolderInUse(f"{out} exists already{what}; nothing was written. Choose another {option}.")


@contextmanager
def whole_folder(target: Path) -> Generator[Path]:
    """A folder to be filled, which at the end of the block is at a place; after an error, or a kill, nothing is there.

    Arguments:
        target: The place: nothing, or an empty folder, which is filled and stays the folder that it is.

    Raises:
        StoreError: The disk is full, or the place cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     with whole_folder(Path(place, "a")) as fresh:
        ...         _ = Path(fresh, "b.txt").write_text("whole")
        ...     sorted(path.name for path in Path(place).rglob("*"))
        ['a', 'b.txt']
    """
    try:
        with _filled(target.resolve()) as fresh:
            yield fresh
    except (OSError, StoreError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise StoreError(f"{target} cannot be written: {cause.strerror or cause}.") from error


@contextmanager
def _filled(target: Path) -> Generator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    stays = target.is_dir() and not os.access(target.parent, os.W_OK)  # as a folder of one's own among those of others
    fresh = temporary_folder(target / target.name if stays else target)
    try:
        yield fresh
        fresh.chmod(0o755)
        if target.is_dir():  # perhaps the working folder, a mount, or one with permissions of its own
            for path in sorted(fresh.iterdir()):
                shutil.move(path, target / path.name)
        else:
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
