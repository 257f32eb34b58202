"""What a reader is: a container of images that lists them without decoding any, and hands out one at a time.

Readers say where images are stored; :mod:`gantlet.data.decode` turns what they hand out into pixels, and
:mod:`gantlet.data.resize` gives those one size. A reader is made from a path alone, so that every worker process
can open its own.

Legend: ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gantlet import catalogue

__all__ = ["Entry", "Fault", "Part", "Raw", "Reader", "is_marked", "open_reader", "reader_for", "source_files"]

Part: TypeAlias = Literal["", "train", "test"]
"""Which part of the data a source itself gives an image to; empty where it does not say."""

Raw: TypeAlias = bytes | NDArray[np.uint8]
"""An image as a source stores it: an encoded file, or pixels ``[H, W]`` or ``[H, W, C]`` with C = 1, 3 or 4."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a source, not read yet.

    ``name`` is unique in its source (a path with forward slashes, or a number); ``label`` names its class, empty for none.
    """

    name: str
    label: str = ""
    part: Part = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a source that is not a usable image, and why: counted, listed and skipped."""

    name: str
    reason: str


@runtime_checkable
class Reader(Protocol):
    """A source of images, as a class that is made from a path.

    What a class says of its layout, it says by itself, in class attributes that it may leave out: ``endings``, the
    lower-case endings of the single files that it opens (``(".zip",)``); ``marks``, patterns of files that only this
    layout has, relative to the path (``("data.mdb", "*/data.mdb")``); ``companions``, names of files that it reads too,
    beside the path or up to three folders above; and a static method ``files_of(path)``, the files that a path stands
    for where that is neither a file, a folder nor a pattern. They are read without opening anything, so a module of a
    reader imports large libraries only when one is opened.

    Attributes:
        entries: Every image, always in the same order; made when the reader is opened.
        faults: What was found beside them and cannot be used (unreadable files, loops, names that lead outside).
        facts: What a reader of the report should know of the source (format, counts), as JSON values.
    """

    @property
    def entries(self) -> Sequence[Entry]: ...

    @property
    def faults(self) -> Sequence[Fault]: ...

    @property
    def facts(self) -> Mapping[str, Any]: ...

    def read(self, place: int) -> Raw:
        """The image of ``entries[place]``, in any order and as often as wanted; safe to call from several threads.

        Raises:
            BadImage: This one cannot be read; the others can.
        """
        ...

    def close(self) -> None:
        """Let go of files; the reader is not used afterwards."""
        ...


def open_reader(kind: str, path: str) -> Reader:
    """Open the source at ``path`` with the reader called ``kind``.

    Raises:
        UnknownName: There is no such reader.
        BadData: The source is missing, empty, or of another layout.
        MissingExtra: The reader needs a package that is not installed.
    """
    make: Callable[[str], Reader] = catalogue.find("reader", kind)
    return make(path)


def reader_for(path: Path) -> str:
    """The reader of a folder of images, or the one that opens files with this ending; empty if there is none.

    Example:
        >>> reader_for(Path("faces.TAR.gz")), reader_for(Path("notes.txt"))
        ('tar', '')
    """
    if path.is_dir():
        return "folder"
    name = path.name.lower()
    return next(
        (kind for kind in catalogue.names("reader") if name.endswith(_declared(kind, "endings") or ("\0",))), ""
    )


def is_marked(kind: str, path: Path) -> bool:
    """Whether files are stored at a path that only the layout of the reader ``kind`` has."""
    return any(glob.glob(os.path.join(glob.escape(str(path)), mark)) for mark in _declared(kind, "marks"))


def source_files(kind: str, path: str) -> list[str]:
    """The files and folders that a path stands for, and the companions that the reader ``kind`` looks for."""
    files_of: Callable[[str], list[str]] | None = getattr(catalogue.find("reader", kind), "files_of", None)
    if files_of is not None:
        return files_of(path)
    names = [path] if os.path.lexists(path) else sorted(glob.glob(path)) or [path]
    folders = (Path(path).parent, *Path(path).resolve().parents[:3])
    return names + [str(folder / name) for name in _declared(kind, "companions") for folder in folders]


def _declared(kind: str, what: Literal["endings", "marks", "companions"]) -> tuple[str, ...]:
    return getattr(catalogue.find("reader", kind), what, ())
