"""A source of images that is made up, and fails on request: ``COUNT`` through :class:`FixtureReader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.readers.base import Entry, Fault, Part
from gantlet.errors import BadImage

__all__ = ["FixtureReader", "picture"]


def picture(place: int, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    """The picture of a place, ``[height, width, 3]``."""
    return np.random.default_rng(place).integers(0, 256, (height, width, 3), dtype=np.uint8)


class FixtureReader:
    """``COUNT[,bad=3+5][,faults=2][,parts][,classes=4]``: pictures by number, some of them bad."""

    reads: list[int] = []  # noqa: RUF012 - shared on purpose: tests look at what was read

    def __init__(self, path: str) -> None:
        count, *options = path.rpartition("/")[2].split(",")
        given = dict(option.partition("=")[::2] for option in options)
        self._bad = {int(place) for place in given.get("bad", "").split("+") if place}
        parts: Sequence[Part] = ("train", "test", "") if "parts" in given else ("",)
        classes = int(given.get("classes", 0))
        self.entries: Sequence[Entry] = [
            Entry(f"{place}.png", f"class{place % classes}" if classes else "", parts[place % len(parts)])
            for place in range(int(count))
        ]
        self.faults = [Fault(f"loop{place}", "a link to itself") for place in range(int(given.get("faults", 0)))]
        self.facts: Mapping[str, Any] = {"format": "fixture"}

    def read(self, place: int) -> NDArray[np.uint8]:
        self.reads.append(place)
        if place in self._bad:
            raise BadImage("it was made to fail")
        return picture(place)

    def close(self) -> None:
        """Nothing to let go of."""
