"""Which classes a source has and in what order they are numbered: the same whether its images are loaded or prepared.

Legend: ``N`` images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .readers.base import Reader
from .readers.stacks import ArrayStack, StackReader

__all__ = ["class_order", "classes_of", "stacked_classes"]

_MOST_UNUSED = 1000


def class_order(labels: Iterable[str]) -> list[str]:
    """Labels without repetition: numbers by value, then names as text; the empty one, which is no class, is left out.

    Example:
        >>> class_order(["cat", "10", "2", "", "ant", "10"])
        ['2', '10', 'ant', 'cat']
    """
    return sorted({*labels} - {""}, key=_rank)


def _rank(label: str) -> tuple[bool, int, str, str]:
    number = label.isascii() and label.isdigit()
    digits = label.lstrip("0") if number else ""  # of two numbers the longer is larger, however long
    return not number, len(digits), digits, label


def stacked_classes(stacks: Sequence[ArrayStack]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The names of the classes of images in arrays, and the class of each image, ``[N]``, -1 for none.

    Classes without names are called by their numbers, from 0 to the highest; where that is 1000 or more, and not less than
    the number of images, such numbers are no classes by themselves, and only those that occur are numbered.

    Example:
        >>> from gantlet.data.readers.stacks import Labels
        >>> images = np.zeros((3, 4, 4), np.uint8)
        >>> stacked_classes([ArrayStack("", images, Labels(np.array([2, -1, 0])))])
        (('0', '1', '2'), array([ 2, -1,  0], dtype=int32))
        >>> stacked_classes([ArrayStack("", images, Labels(np.array([3_000_007, -1, 52])))])
        (('52', '3000007'), array([ 1, -1,  0], dtype=int32))
    """
    codes = np.concatenate(
        [np.full(len(stack.pixels), -1) if stack.labels is None else stack.labels.codes for stack in stacks]
    )
    labels = [stack.labels for stack in stacks if stack.labels is not None]
    named = next((tuple(found.names) for found in labels if found.names), ())
    highest = int(codes.max(initial=-1))
    if named or highest < max(_MOST_UNUSED, len(codes)):
        return named or tuple(map(str, range(highest + 1))), np.maximum(codes, -1).astype(np.int32)
    numbers, places = np.unique(codes[codes >= 0], return_inverse=True)
    numbered = np.full(len(codes), -1, dtype=np.int32)
    numbered[codes >= 0] = places
    return tuple(map(str, numbers.tolist())), numbered


def classes_of(reader: Reader) -> list[str]:
    """The names of a source's classes, by their numbers: those of its arrays, or its labels in :func:`class_order`."""
    named = stacked_classes(reader.stacks.stacks)[0] if isinstance(reader, StackReader) else ()
    return list(dict.fromkeys([*named, *class_order(entry.label for entry in reader.entries)]))
