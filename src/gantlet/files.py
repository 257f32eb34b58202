"""Files appear whole: written beside their place, synced, and renamed into it.

A reader meets the old file or the new one, never half of one; what was there before survives a full disk.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from .errors import StoreError

__all__ = ["cache_folder", "read_regular", "replace_whole", "write_whole"]


def replace_whole(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a temporary file, then put it in the place of ``path``; missing folders are made.

    Raises:
        OSError: Whatever went wrong; nothing is left behind.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     replace_whole(Path(folder, "a.txt"), lambda fresh: fresh.write_text("whole"))
        ...     os.listdir(folder)
        ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    fresh = Path(name)
    try:
        fill(fresh)
        with fresh.open("rb+") as file:
            os.fsync(file.fileno())
        fresh.chmod(0o666 & ~_umask())
        fresh.replace(path)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def write_whole(path: Path, fill: Callable[[Path], object] | bytes, *, advice: str = "") -> None:
    """The same, with one sentence when it cannot be done.

    Arguments:
        path: The file.
        fill: Its content, or what writes it, given a path.
        advice: What to do about a failure.

    Raises:
        StoreError: The disk is full, or the place cannot be written.
    """
    try:
        replace_whole(path, partial(_put, content=fill) if isinstance(fill, bytes) else fill)
    except OSError as error:
        words = f"{path} cannot be written: {error.strerror or error}. What was there before is untouched."
        raise StoreError(f"{words} {advice}".rstrip()) from error


def read_regular(path: Path, *, most: int) -> bytes:
    """The content of a plain file; nothing else is opened: no link, no pipe, no device.

    Arguments:
        path: The file.
        most: The largest size in bytes that is read.

    Raises:
        StoreError: It is missing, not a plain file, larger than ``most``, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"{path} is not a plain file, and is not read.")
            if status.st_size > most:
                raise StoreError(f"{path} has {status.st_size:,} bytes; more than {most:,} are not read.")
            return file.read(most)
    except OSError as error:
        reason = "it is a link, and links are not followed" if path.is_symlink() else error.strerror or error
        raise StoreError(f"{path} cannot be read: {reason}.") from error


def cache_folder(name: str) -> Path:
    """Where things of one kind that can be made again are kept: ``$XDG_CACHE_HOME/gantlet/NAME``, else in ``~/.cache``."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # By the XDG rules a relative path counts as unset.
    return (named if named.is_absolute() else Path.home() / ".cache") / "gantlet" / name


def _put(path: Path, *, content: bytes) -> None:
    path.write_bytes(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
