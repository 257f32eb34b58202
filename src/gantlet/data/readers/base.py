"""What a reader is: a container of pictures that lists them without decoding any, and hands out one at a time.

Readers say where pictures lie; :mod:`gantlet.data.decode` turns what they hand out into pixels, and
:mod:`gantlet.data.resize` gives those one size. A reader is made from a path alone, so that every worker process
can open its own.

Legend: ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gantlet import catalogue

__all__ = ["Entry", "Fault", "Part", "Raw", "Reader", "open_reader"]

Part: TypeAlias = Literal["", "train", "test"]
"""Which part of the data a source itself gives a picture to; empty where it does not say."""

Raw: TypeAlias = bytes | NDArray[np.uint8]
"""A picture as it lies in a source: an encoded file, or pixels ``[H, W]`` or ``[H, W, C]`` with C = 1, 3 or 4."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a source, not read yet.

    ``name`` is unique in its source (a path with forward slashes, or a number); ``label`` names its class, empty for none.
    """

    name: str
    label: str = ""
    part: Part = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a source that is no usable picture, and why: counted, listed and passed over."""

    name: str
    reason: str


@runtime_checkable
class Reader(Protocol):
    """A source of pictures.

    Attributes:
        entries: Every picture, always in the same order; made when the reader is opened.
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
        """The picture of ``entries[place]``, in any order and as often as wanted; safe to call from several threads.

        Raises:
            BadPicture: This one cannot be read; the others can.
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
