"""Images that ``gantlet data prepare`` made, as a source like any other: to look at them, or to prepare them anew.

Legend: ``H`` x ``W`` pixels, ``C`` channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.prepared import PARTS, PreparedSet
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault, Part
from .layout import LazyEntries

__all__ = ["PreparedReader"]


class PreparedReader:
    """A folder that ``gantlet data prepare`` made.

    Part and label: those that the images were prepared with. An image is called by its part and its number there,
    as ``train/17``. ``prepared`` is the set itself.

    Raises:
        BadData: There is no whole set in the folder.
    """

    def __init__(self, path: str) -> None:
        self.prepared = PreparedSet.open(Path(path).expanduser())
        self._starts: dict[Part, int] = {}
        start = 0
        for part in PARTS:
            self._starts[part] = start
            start += len(self.prepared.numbers(part))
        self.entries: Sequence[Entry] = LazyEntries(len(self.prepared), self._entry)
        self.faults: Sequence[Fault] = ()
        page = self.prepared.page
        self.facts: Mapping[str, Any] = {"layout": "prepared", "recipe": page["recipe"], "bad": page["bad"]}

    def read(self, place: int) -> NDArray[np.uint8]:
        """The pixels ``[H, W, C]`` of ``entries[place]``.

        Raises:
            BadImage: The shard is gone, or was cut since it was opened.
        """
        try:
            (picture,) = self.prepared.read(np.asarray([place], dtype=np.int64))
        except BadData as error:
            raise BadImage(str(error)) from error
        return np.ascontiguousarray(picture.transpose(1, 2, 0))

    def close(self) -> None:
        """Nothing is held open."""

    def _entry(self, place: int) -> Entry:
        begun: list[Part] = [part for part, start in self._starts.items() if start <= place]
        part = begun[-1]  # an empty part starts with the next
        code = int(self.prepared.labels[place])
        label = self.prepared.classes[code] if code >= 0 else ""
        return Entry(f"{PARTS[part]}/{place - self._starts[part]}", label, part)
