"""Files appear whole, are held by one process at a time, and are told apart by their hash: each tool once.

What is written appears whole: beside its place, synced, and renamed into it. A reader meets the old file or the new
one, never half of one; what was there before survives a full disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from .errors import Damaged, StoreError
from .leftovers import mark, runs, sweep_beside

__all__ = [
    "LockHolder",
    "cache_folder",
    "check_regular",
    "check_seal",
    "clear_away",
    "file_digest",
    "free_name",
    "inside",
    "lock_holder",
    "locked",
    "read_regular",
    "replace_whole",
    "sealed",
    "write_whole",
]

_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)  # no link is followed, no child inherits it


def replace_whole(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a temporary file, then put it in the place of ``path``; missing folders are made.

    What killed processes left half written beside it goes.

    Raises:
        OSError: Whatever went wrong; nothing is left behind.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     replace_whole(Path(folder, "a.txt"), lambda fresh: fresh.write_text("whole"))
        ...     os.listdir(folder)
        ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_beside(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}{mark(os.getpid())}")
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


def clear_away(path: Path) -> None:
    """Delete a file, a link or a whole folder, if it is there; what a link leads to stays.

    Raises:
        OSError: It cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """This path, or the first of it with a number behind that is not there yet.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "a.aside").touch()
        ...     free_name(Path(folder, "a.aside")).name
        'a.aside.2'
    """
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def inside(root: Path, *parts: str) -> Path:
    """A path below a folder, none of whose parts leads elsewhere.

    Raises:
        StoreError: A part is a link, or not a plain name.
    """
    path = root
    for part in parts:
        if part in ("", ".", "..") or "/" in part or os.sep in part or "\0" in part:
            raise StoreError(f"'{part[:40]}' is not a name within {root}.")
        path = path / part
        if path.is_symlink():
            raise StoreError(f"{path} is a link, and links within a study are not followed. Remove it.")
    return path


def check_regular(path: Path) -> None:
    """Make sure that a path is a plain file: no link, no folder, no pipe, no device.

    Raises:
        Damaged: It is missing.
        StoreError: It is something else.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise Damaged(f"{path} cannot be read: it is missing.") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not stat.S_ISREG(mode):
        what = "a link, and links are not followed" if stat.S_ISLNK(mode) else "not a plain file, and is not read"
        raise StoreError(f"{path} cannot be read: it is {what}.")


def read_regular(path: Path, *, most: int) -> bytes:
    """The content of a plain file; nothing else is opened: no link, no pipe, no device.

    Arguments:
        path: The file.
        most: The largest size in bytes that is read.

    Raises:
        Damaged: It is missing.
        StoreError: It is not a plain file, larger than ``most``, or cannot be read.
    """
    flags = os.O_RDONLY | _AS_IT_IS | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"{path} is not a plain file, and is not read.")
            if status.st_size > most:
                raise StoreError(f"{path} has {status.st_size:,} bytes; more than {most:,} are not read.")
            return file.read(status.st_size)
    except FileNotFoundError:
        raise Damaged(f"{path} cannot be read: it is missing.") from None
    except OSError as error:
        reason = "it is a link, and links are not followed" if path.is_symlink() else error.strerror or error
        raise StoreError(f"{path} cannot be read: {reason}.") from error


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock, as it wrote itself into the lock file.

    Attributes:
        pid: Its number; 0 if that is not known, or is that of one that has ended: of those who shared the lock, another holds it.
        host: The machine it runs on.
        since: When it took the lock, in UTC (ISO 8601).
    """

    pid: int = 0
    host: str = "an unknown machine"
    since: str = "an unknown time"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}" if self.pid else "a process that is not known"


@contextmanager
def locked(path: Path, *, wait: bool = True, shared: bool = False, advice: str = "") -> Generator[LockHolder | None]:
    """Hold a lock file, which is made and deleted again; other processes and threads that ask for it wait.

    The system releases the lock when the process ends, however it ends. Where the system or the disk has no locks,
    nobody is kept out.

    Arguments:
        path: The lock file; missing folders are made.
        wait: Whether to wait for another holder.
        shared: Whether others that share it may hold it, too; the last of them deletes the file.
        advice: What to do if the file cannot be written.

    Yields:
        None once the lock is held; without ``wait`` its holder, if that is another, and then nothing is held.

    Raises:
        StoreError: The file cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with locked(Path(folder, "lock")) as mine, locked(Path(folder, "lock"), wait=False) as other:
        ...         mine, other is not None and other.pid == os.getpid()
        (None, True)
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock_file(path, wait=wait, shared=shared)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}. {advice}".rstrip()) from error
    if handle is None:
        yield _holder(path)
        return
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):  # a full disk: the lock holds without its note
            if not shared or os.lseek(handle, 0, os.SEEK_END) > 1 << 14:  # those who share it have a line each
                os.truncate(handle, os.lseek(handle, 0, os.SEEK_SET))
            os.write(handle, json.dumps(asdict(LockHolder(os.getpid(), platform.node(), now))).encode() + b"\n")
        yield None
    finally:
        with suppress(OSError):
            if not shared or _is_last(handle):
                path.unlink()
        os.close(handle)


def _is_last(handle: int) -> bool:
    """Whether nobody else holds a shared lock, which is then this process's alone."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # no locks on this system, or on this disk
        pass
    return True


def _lock_file(path: Path, *, wait: bool, shared: bool) -> int | None:
    """The open, locked file; None if another holds it and is not waited for."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | _AS_IT_IS, 0o666)
        try:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return None
        except (ImportError, OSError):  # no locks on this system, or on this disk
            return handle
        except BaseException:
            os.close(handle)
            raise
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)  # the holder before deleted this file meanwhile


def _holder(path: Path) -> LockHolder:
    holder = LockHolder()  # the last who wrote itself into the file and has not ended since
    with suppress(StoreError, ValueError, TypeError, KeyError, RecursionError):
        for found in map(json.loads, read_regular(path, most=1 << 16).splitlines()):
            known = LockHolder(int(found["pid"]), str(found["host"])[:80], str(found["since"])[:40])
            holder = known if known.host != platform.node() or runs(known.pid) else holder
    return holder


def lock_holder(path: Path, *, shared: bool = False) -> LockHolder | None:
    """Who holds a lock alone, or with ``shared`` in any way, as its file says; None if nobody. Nothing is written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder, "lock")):
        ...     (lock_holder(Path(folder, "lock")) or LockHolder()).pid == os.getpid()
        True
    """
    if not os.path.lexists(path):
        return None
    holder = _holder(path)
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY | _AS_IT_IS)
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder
        finally:
            os.close(handle)
        return None  # what the file says is of a process that has ended, whoever has its number now
    except (ImportError, OSError):  # no locks on this system, or on this disk
        return holder if holder.pid else None


def file_digest(file: Path | io.BufferedIOBase, kind: Literal["md5", "sha256"] = "sha256") -> str:
    """The hash of a file, or of what is left of an open one; hexadecimal, read piece by piece.

    Example:
        >>> file_digest(io.BytesIO(b"abc"), "md5")
        '900150983cd24fb0d6963f7d28e17f72'
    """
    if isinstance(file, Path):
        with file.open("rb") as content:
            return file_digest(content, kind)
    return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON file holds, with the SHA-256 of it all under ``seal``: it tells damage and edits, not malice."""
    plain = {name: value for name, value in content.items() if name != "seal"}
    return {**plain, "seal": hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()}


def check_seal(content: Mapping[str, Any], what: str) -> None:
    """Make sure that what was read is what was written; files from before there were seals pass.

    Example:
        >>> check_seal(sealed({"step": 3}), "a.json")
        >>> check_seal({**sealed({"step": 3}), "step": 4}, "a.json")
        Traceback (most recent call last):
        gantlet.errors.Damaged: a.json was damaged or changed since it was written.

    Raises:
        Damaged: It is not.
    """
    if "seal" in content and sealed(content)["seal"] != content["seal"]:
        raise Damaged(f"{what} was damaged or changed since it was written.")


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
