"""Shards that are what was written: each is held to its hash when this machine first reads it, and again once its file has changed.

What was found whole is noted by folder in ``$XDG_CACHE_HOME/gantlet/checked``, with each file's size, times and number, so that
every later process asks the system for these and reads nothing twice. Only a disk that alters bits behind the system's
back escapes that; ``gantlet data verify`` reads everything anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gantlet.cpu import cores
from gantlet.errors import BadData
from gantlet.files import cache_folder, replace_whole

from .shards import shard_digest

__all__ = ["changed_shards"]

_LOG = logging.getLogger("gantlet")
_LONG = 1 << 30  # bytes to be hashed from which on that is said
_TICK = 2.0  # seconds: the coarsest times that file systems keep
_whole: dict[Path, dict[str, Any]] = {}  # by folder and file, the mark of what was found whole


def changed_shards(
    folder: Path, hashes: Mapping[str, str], shape: tuple[int, int, int], *, anew: bool = False
) -> list[str]:
    """The shards whose pixels are not those that were written.

    Arguments:
        folder: Where they are.
        hashes: By file, the SHA-256 of its pixels.
        shape: Of an image.
        anew: Whether those that were found whole before are read again.

    Raises:
        BadData: A shard is missing, or cannot be read.
    """
    known = _whole.setdefault(folder, {})
    marks = {file: _mark(f"{folder}{os.sep}{file}", digest) for file, digest in hashes.items()}
    unread = [file for file, mark in marks.items() if anew or known.get(file) != mark]
    if unread and not anew:
        known.update(_noted(folder))
        unread = [file for file in unread if known.get(file) != marks[file]]
    if not unread:
        return []
    size = sum((folder / file).stat().st_size for file in unread)
    if size >= _LONG:
        _LOG.info("holding %.1f GB of shards in %s to their hashes, once", size / 1e9, folder)
    with ThreadPoolExecutor(min(cores(), len(unread))) as pool:
        found = list(pool.map(partial(_digest, shape=shape), [folder / file for file in unread]))
    changed = [file for file, digest in zip(unread, found, strict=True) if digest != hashes[file]]
    for file in unread:
        known.pop(file, None)
        if file not in changed and _settled(folder / file) and _mark(str(folder / file), hashes[file]) == marks[file]:
            known[file] = marks[file]
    with suppress(OSError):  # a cache that cannot be written costs the next process another look
        replace_whole(_note(folder), partial(_write, text=json.dumps(known)))
    return changed


def _mark(path: str, digest: str) -> list[Any]:
    """What changes whenever a file does; nothing sets the time of the last change of status back."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise BadData(
            f"The shard {path} cannot be read: {error.strerror or error}. Put it back, or prepare the images again."
        ) from error
    return [digest, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _settled(path: Path) -> bool:
    """Whether a file's last change is so long ago, or so far ahead of the clock, that another would have another time."""
    return abs(time.time() - path.stat().st_ctime) > _TICK


def _digest(path: Path, shape: tuple[int, int, int]) -> str:
    try:
        return shard_digest(path, shape)
    except OSError as error:
        raise BadData(f"The shard {path} cannot be read: {error.strerror or error}.") from error


def _noted(folder: Path) -> dict[str, Any]:
    """What another process noted; nothing where the note is missing or is none."""
    with suppress(OSError, ValueError, RecursionError, TypeError):
        return dict(json.loads(_note(folder).read_bytes()))
    return {}


def _note(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:24]
    return cache_folder("checked") / f"{name}.json"


def _write(path: Path, *, text: str) -> None:
    path.write_text(text, encoding="utf-8")
