"""The cache of prepared images: made once for what a recipe says of a source as it is now, and found again.

The key is the recipe with the names, sizes and times of all files that its reader looks at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

from gantlet.files import cache_folder, locked

from .image_formats import image_extensions
from .prepare import PrepareRecipe, prepare_images
from .prepared import FORMAT, PreparedSet
from .readers.base import source_files
from .readers.folder import STUDY

__all__ = ["prepare_once"]

_CLASSES = "numbers by value"
"""The order of the classes (:mod:`gantlet.data.classes`): sets in which they were numbered otherwise are not found again."""

_LOG = logging.getLogger("gantlet")


def prepare_once(
    recipe: PrepareRecipe,
    *,
    workers: int = 0,
    max_corrupt: float = 0.01,
    notify: Callable[[int, int], None] | None = None,
) -> PreparedSet:
    """What a recipe makes of its source as it lies there now, from the cache of prepared images or new in it.

    Arguments and errors are those of :func:`gantlet.data.prepare.prepare_images`; without ``notify``, what takes more than some
    seconds is told to the logger ``gantlet``.
    """
    shared = {"format": FORMAT, "classes": _CLASSES, "extensions": sorted(image_extensions())}
    said = json.dumps({**shared, **asdict(recipe)}, sort_keys=True)
    key = hashlib.sha256(f"{said}\n{_signature(recipe.reader, recipe.path)}".encode()).hexdigest()[:24]
    folder = cache_folder("images") / key
    with locked(folder.with_suffix(".lock"), advice="Set XDG_CACHE_HOME to a folder of yours."):
        return prepare_images(
            recipe, folder, workers=workers, max_corrupt=max_corrupt, notify=notify or _Teller(recipe.path)
        )


class _Teller:
    """Says how far preparing has come, after two seconds and then every ten."""

    def __init__(self, path: str) -> None:
        self._path, self._due = path, time.monotonic() + 2

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 10
            _LOG.info("preparing the images of %s, once: %s of %s", self._path, f"{done:,}", f"{total:,}")


def _signature(reader: str, path: str) -> str:
    """Names, sizes and times of everything that is read for a path; it changes whenever the source does."""
    found = hashlib.sha256()
    for name in source_files(reader, path):
        for entry in _walk(name):
            found.update(f"{entry}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


def _walk(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield _stamp(path)
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        if STUDY in files and folder != path:
            folders.clear()  # nor does it change the images
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _fresh(seen, folder, name))
        for name in sorted(files):
            if not name.startswith("."):  # no reader takes hidden files, and file managers write some
                yield _stamp(os.path.join(folder, name))


def _fresh(seen: set[tuple[int, int]], folder: str, name: str) -> bool:
    """Whether a folder was not walked into yet, so that links in a circle end."""
    try:
        status = os.stat(os.path.join(folder, name))
    except OSError:
        return False
    known, before = (status.st_dev, status.st_ino), len(seen)
    seen.add(known)
    return len(seen) > before


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return f"{path} -"
    # The time of the last change of status, too, which nothing sets back: archives and cp -p bring their own times.
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
