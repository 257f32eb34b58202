"""Images of one size in arrays, in memory or mapped into it, with their labels.

Legend: ``N`` images, ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

from .base import Entry, Fault, Part
from .float_pixels import FloatPixels
from .layout import Consecutive, LazyEntries

__all__ = [
    "ArrayStack",
    "ArrayStacks",
    "Labels",
    "StackReader",
    "as_pixels",
    "channels_last",
    "layout_of",
    "named_labels",
]


@dataclass(frozen=True)
class Labels:
    """The class of each image as a number, and what the classes are called.

    Attributes:
        codes: ``[N]`` int64; below 0 for none.
        names: By code; empty where the classes have only numbers.
    """

    codes: NDArray[np.int64]
    names: Sequence[str] = ()

    def __getitem__(self, place: int) -> str:
        code = int(self.codes[place])
        return "" if code < 0 else self.names[code] if self.names else str(code)


def named_labels(codes: NDArray[Any], names: Sequence[str], *, count: int, source: str) -> Labels:
    """Labels that were checked: one for each of ``count`` images, each with a name where there are names.

    Raises:
        BadData: Too few, too many, no whole numbers, or numbers that have no name; with the counts.
    """
    if codes.ndim == 2 and 1 in codes.shape:
        codes = codes.reshape(-1)
    if codes.dtype.kind not in "iu" or codes.ndim != 1:
        raise BadData(f"{source} holds labels {list(codes.shape)} of {codes.dtype}; expected whole numbers, [{count}].")
    if len(codes) != count:
        raise BadData(f"{source} holds {len(codes)} labels for {count} images; they must agree.")
    nameless = int(np.count_nonzero((codes >= len(names)) | (codes < -1))) if names else 0
    if nameless:
        raise BadData(f"{source}: {nameless} of {count} labels are outside the {len(names)} classes that have a name.")
    return Labels(codes.astype(np.int64), list(names))


@dataclass(frozen=True)
class ArrayStack:
    """Images of one size, in memory or mapped into it.

    Attributes:
        name: Precedes the number in each image's name, as ``name/17``; empty for the number alone.
        pixels: ``[N, H, W]`` or ``[N, H, W, C]``, uint8 with any strides, or floating point.
        labels: One for each, or None.
        part: To which all of them belong.
        layout: The order of the axes in the file, as ``[N, C, H, W]``; empty where it is the format's own.
    """

    name: str
    pixels: NDArray[np.uint8] | FloatPixels
    labels: Labels | None = None
    part: Part = ""
    layout: str = ""

    def entry(self, place: int) -> Entry:
        """What the image at ``place`` is called."""
        name = f"{self.name}/{place}" if self.name else str(place)
        return Entry(name, "" if self.labels is None else self.labels[place], self.part)


@final
class ArrayStacks:
    """Several stacks, one behind the other, as a reader's entries and pixels."""

    def __init__(self, stacks: Sequence[ArrayStack]) -> None:
        self.stacks = tuple(stacks)
        self._turns = Consecutive(len(stack.pixels) for stack in stacks)
        self.entries = LazyEntries(len(self._turns), self._entry)

    def read(self, place: int) -> NDArray[np.uint8]:
        """A copy of the pixels at ``place``, ``[H, W]`` or ``[H, W, C]``, contiguous."""
        stack, within = self._find(place)
        return np.array(stack.pixels[within], order="C")

    def facts(self, name: str) -> Mapping[str, Any]:
        """The format's name, counts, sizes and layouts, for the report."""
        parts: Counter[str] = Counter()
        for stack in self.stacks:
            parts[stack.part] += len(stack.pixels)
        del parts[""]
        sizes = sorted({tuple(stack.pixels.shape[1:]) for stack in self.stacks})
        layouts = sorted({stack.layout for stack in self.stacks} - {""})
        return {
            "format": name,
            "images": len(self.entries),
            "parts": dict(parts),
            "sizes": [list(size) for size in sizes],
            **({"layout": " and ".join(layouts)} if layouts else {}),
        }

    def _entry(self, place: int) -> Entry:
        stack, within = self._find(place)
        return stack.entry(within)

    def _find(self, place: int) -> tuple[ArrayStack, int]:
        number, within = self._turns.find(place)
        return self.stacks[number], within


class StackReader:
    """A reader whose images are arrays; one that derives from it says in its ``__init__`` which, by :meth:`hold`."""

    stacks: ArrayStacks
    entries: Sequence[Entry]
    faults: Sequence[Fault] = ()
    facts: Mapping[str, Any]

    def hold(self, stacks: Sequence[ArrayStack], name: str, **facts: Any) -> None:
        """Read from these stacks; ``name`` is that of the format, and ``facts`` are told beside it."""
        self.stacks = ArrayStacks(stacks)
        self.entries = self.stacks.entries
        self.facts = {**self.stacks.facts(name), **facts}

    def read(self, place: int) -> NDArray[np.uint8]:
        """The pixels ``[H, W]`` or ``[H, W, C]`` of ``entries[place]``."""
        return self.stacks.read(place)

    def close(self) -> None:
        """Let go of mapped files."""
        self.stacks = ArrayStacks([])


def as_pixels(values: NDArray[Any], source: str) -> NDArray[np.uint8]:
    """``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]`` of uint8 as ``[N, H, W]`` or ``[N, H, W, C]``, without a copy.

    C is 1, 3 or 4.

    Raises:
        BadData: Another type or shape, or one that can be read in two ways.
    """
    if values.dtype != np.uint8:
        raise BadData(f"{source} holds {values.dtype}; images are uint8, 0 to 255. Scale, round and save them so.")
    return cast("NDArray[np.uint8]", channels_last(values, source))


def layout_of(values: NDArray[Any]) -> str:
    """The order of an image array's axes, as :func:`channels_last` reads it.

    Example:
        >>> layout_of(np.zeros((9, 3, 8, 8))), layout_of(np.zeros((9, 8, 8, 3))), layout_of(np.zeros((9, 8, 8)))
        ('[N, C, H, W]', '[N, H, W, C]', '[N, H, W]')
    """
    if values.ndim == 3:
        return "[N, H, W]"
    return "[N, C, H, W]" if values.shape[1] in (1, 3, 4) else "[N, H, W, C]"


def channels_last(values: NDArray[Any], source: str) -> NDArray[Any]:
    """``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]`` as ``[N, H, W]`` or ``[N, H, W, C]``, without a copy.

    Raises:
        BadData: Another shape, or one that can be read in two ways.
    """
    shape = list(values.shape)
    if values.ndim == 3 and 0 not in shape:
        return values
    first, last = (values.ndim == 4 and shape[axis] in (1, 3, 4) for axis in (1, 3))
    if first and last:
        raise BadData(f"{source} has the shape {shape}, with channels first or last; pad the images.")
    if not (first or last) or 0 in shape:
        raise BadData(
            f"{source} has the shape {shape}; expected [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1, 3 or 4."
        )
    return np.moveaxis(values, 1, 3) if first else values
