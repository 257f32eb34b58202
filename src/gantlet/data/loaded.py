"""Arrays of images that need no resizing: used where they are, in memory or mapped, without a copy in the cache.

They are what preparing them (:mod:`gantlet.data.prepare`) would give, pixel by pixel; only floating point, which
preparing rounds to 8 bits, keeps its values.

Legend: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classes import stacked_classes
from .prepare import PrepareRecipe
from .readers.base import Part, Reader
from .readers.float_pixels import FloatPixels
from .readers.stacks import ArrayStack, StackReader

__all__ = ["LoadedSet", "loaded"]


@dataclass(frozen=True)
class LoadedSet:
    """Images of one size in arrays, handed out by number as those of a prepared set."""

    stacks: Sequence[ArrayStack]
    shape: tuple[int, int, int]
    page: Mapping[str, Any]

    @property
    def floating(self) -> bool:
        """Whether the values are floating point, which 8 bits would round."""
        return any(isinstance(stack.pixels, FloatPixels) for stack in self.stacks)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, or their numbers where they have no names."""
        return self._classes[0]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The class of each image, ``[N]``, -1 for none."""
        return self._classes[1]

    def numbers(self, part: Part) -> NDArray[np.int64]:
        """The numbers of a part's images."""
        parts = [np.full(len(stack.pixels), stack.part == part) for stack in self.stacks]
        return np.flatnonzero(np.concatenate(parts))

    def read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Images by number, ``[n]`` -> ``[n, C, H, W]``, 8-bit or float32, in memory of their own."""
        arrays = [
            stack.pixels.values if isinstance(stack.pixels, FloatPixels) else stack.pixels for stack in self.stacks
        ]
        starts = np.cumsum([0, *map(len, arrays)])
        channels, height, width = self.shape
        images = np.empty((len(numbers), channels, height, width), dtype=np.result_type(*arrays))
        for array, start, end in zip(arrays, starts, starts[1:], strict=False):
            mine = (start <= numbers) & (numbers < end)
            found = array[numbers[mine] - start].reshape(-1, height, width, channels)
            images[mine] = found.transpose(0, 3, 1, 2)
        return images

    @cached_property
    def _classes(self) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        return stacked_classes(self.stacks)


def loaded(reader: Reader, recipe: PrepareRecipe) -> LoadedSet | None:
    """A reader's arrays as they are, if the recipe changes nothing about them; None if it does."""
    if not isinstance(reader, StackReader) or recipe.resize.center_crop:
        return None
    stacks, (channels, height, width) = reader.stacks.stacks, recipe.shape
    wanted = ((height, width, channels), (height, width) if channels == 1 else None)
    if not all(stack.pixels.shape[1:] in wanted for stack in stacks):
        return None
    if len({isinstance(stack.pixels, FloatPixels) for stack in stacks}) > 1:
        return None
    page = {"recipe": asdict(recipe), "source": dict(reader.facts), "bad": 0}
    return LoadedSet(stacks, recipe.shape, page)
