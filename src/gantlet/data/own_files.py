"""Which task reads a file or folder of the user's own: what a message suggests to somebody who wrote the path alone."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from numpy.lib import format as npy

from gantlet.errors import BadData

from .array_files import map_array
from .parquet_files import only_numbers
from .readers.base import reader_for

__all__ = ["TABLES", "task_of"]

TABLES = (".csv", ".tsv", ".txt", ".dat")
"""Endings of texts that are read as tables of numbers."""


def task_of(name: str) -> str:
    """The task to write before a path, by its ending, and by the shape of its arrays or columns; empty where there is none.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/a.npy", np.zeros((5, 2))), np.save(f"{folder}/b.npy", np.zeros((5, 8, 8)))
        ...     [task_of(path) for path in (f"{folder}/a.npy", f"{folder}/b.npy", folder, f"{folder}/nothing.npy")]
        (None, None)
        ['points', 'images', 'folder', '']
    """
    path = Path(os.path.expanduser(name))  # unlike pathlib, os.path minds no unknown user and no name that is too long
    if os.path.isdir(path):
        return "folder"
    if not os.path.isfile(path):
        return ""
    ending = path.suffix.lower()
    if ending in TABLES:
        return "points"
    if ending in (".npy", ".npz"):
        return "images" if any(len(shape) > 2 for shape in _shapes(path)) else "points"
    if ending == ".parquet":
        return "points" if only_numbers(path) else "hf"
    return reader_for(path)


def _shapes(path: Path) -> Iterator[tuple[int, ...]]:
    """The shapes of the arrays of a file, as far as they can be read."""
    try:
        if path.suffix.lower() == ".npy":
            yield map_array(path).shape
            return
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    version = npy.read_magic(stream)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    yield read(stream)[0]
    except (BadData, OSError, ValueError, zipfile.BadZipFile, RuntimeError):
        return  # whoever reads it says what is wrong
