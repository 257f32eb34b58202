"""A prepared set: shards of images of one shape, the classes of all, and a page that says where they come from.

::

    FOLDER/set.json            what is stored here and how it was made; written last, so that a set is whole or absent
    FOLDER/PART-00000.npy      shards, PART being train, test or all
    FOLDER/labels.npy          [N] int32, -1 for none, in the order of the shards
    FOLDER/bad.csv             the images that were skipped, and why

Legend: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData, Damaged
from gantlet.files import check_seal, file_digest

from .readers.base import Part
from .shards import Pixels, images_in, read_images
from .whole_shards import changed_shards

__all__ = ["FORMAT", "PAGE", "PARTS", "PreparedSet", "ShardRecord"]

FORMAT = 2
PAGE = "set.json"
PARTS: dict[Part, str] = {"train": "train", "test": "test", "": "all"}
"""The parts, in the order of their shards, and what the files are called."""


@dataclass(frozen=True)
class ShardRecord:
    """One shard: its file, its part, how many images it holds, and the SHA-256 of their pixels."""

    file: str
    part: Part
    count: int
    sha256: str


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set on disk. Images are numbered from 0 through all shards, parts in the order of :data:`PARTS`."""

    folder: Path
    shape: tuple[int, int, int]
    shards: tuple[ShardRecord, ...]
    page: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> PreparedSet:
        """Open the set in a folder; shards are looked at, not read.

        Raises:
            BadData: There is no whole set, or shards are missing, were cut or cannot be opened.
        """
        try:
            page = json.loads((folder / PAGE).read_bytes())
            shards = tuple(_shard(record) for record in page["shards"])
            channels, height, width = (_whole(side) for side in page["shape"])
            _check_page(page)
            check_seal(page, str(folder / PAGE))
        except Damaged as error:
            raise BadData(f"{error} Delete {folder} and prepare the images again.") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadData(
                f"{folder} holds no prepared set ({type(error).__name__} while reading {PAGE}); "
                f"make one with: gantlet data prepare SOURCE --out {folder}"
            ) from error
        if page.get("format") != FORMAT:
            raise BadData(
                f"{folder} was prepared by another version of gantlet (format {page.get('format')}, expected {FORMAT}). "
                f"Delete it, and prepare the images again: gantlet data prepare SOURCE --out {folder}"
            )
        for shard in shards:
            path = folder / shard.file
            try:
                count = images_in(path, (channels, height, width))
            except OSError as error:
                raise BadData(f"The shard {path} cannot be read: {error.strerror or error}.") from error
            if count != shard.count:
                what = "is missing" if not path.exists() else "was cut or changed"
                raise BadData(f"The shard {path} {what}. Delete {folder} and prepare the images again.")
        return cls(folder, (channels, height, width), shards, page)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers; none where images have no labels."""
        return tuple(self.page["classes"])

    @property
    def bytes(self) -> int:
        """What all pixels take in memory."""
        return len(self) * self.pixels

    @property
    def pixels(self) -> int:
        """Bytes of one image."""
        return math.prod(self.shape)

    def numbers(self, part: Part) -> NDArray[np.int64]:
        """The numbers of a part's images."""
        starts = self._ends - np.asarray([shard.count for shard in self.shards], dtype=np.int64)
        mine = [place for place, shard in enumerate(self.shards) if shard.part == part]
        spans = [np.arange(starts[place], self._ends[place], dtype=np.int64) for place in mine]
        return np.concatenate(spans) if spans else np.zeros(0, dtype=np.int64)

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """The class of every image, ``[N]``, -1 for none; read when first asked for."""
        path = self.folder / "labels.npy"
        try:
            labels, digest = np.load(path, allow_pickle=False), file_digest(path)
        except (OSError, ValueError, EOFError) as error:
            raise BadData(f"The labels of {self.folder} cannot be read ({error}); prepare it again.") from error
        if self.page.get("labels_sha256", digest) != digest:
            raise BadData(
                f"{path} was damaged or changed since it was written. Delete {self.folder} and prepare it again."
            )
        if labels.shape != (len(self),):
            raise BadData(f"{self.folder} holds {labels.size} labels for {len(self)} images; prepare it again.")
        return labels

    def read(self, numbers: NDArray[np.int64]) -> Pixels:
        """Images by number, ``[n]`` -> ``[n, C, H, W]``; safe to call from several threads.

        Raises:
            BadData: A shard is gone, or is not what was written.
        """
        out = np.empty((len(numbers), *self.shape), dtype=np.uint8)
        shard = np.searchsorted(self._ends, numbers, side="right")
        order = np.argsort(shard, kind="stable")
        runs = _runs(shard[order], order)
        if changed := self._changed([self.shards[which] for which, _ in runs]):
            raise BadData(
                f"The shard {self.folder / changed[0]} is not what was written: it was damaged or exchanged. Put a good copy back, or "
                f"delete {self.folder} and prepare the images again."
            )
        for which, rows in runs:
            record = self.shards[which]
            places = numbers[rows] - (int(self._ends[which]) - record.count)
            read_images(self.folder / record.file, self.shape, places, out, rows)
        return out

    def verify(self) -> list[str]:
        """The files whose pixels are no longer those that were written.

        Raises:
            BadData: A shard cannot be read.
        """
        return self._changed(self.shards, anew=True)

    def _changed(self, shards: Sequence[ShardRecord], *, anew: bool = False) -> list[str]:
        return changed_shards(self.folder, {shard.file: shard.sha256 for shard in shards}, self.shape, anew=anew)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([shard.count for shard in self.shards], dtype=np.int64)


def _shard(record: Mapping[str, Any]) -> ShardRecord:
    """A shard's record, checked: a plain name, a part, a number of images and a hash."""
    file, part = record["file"], record["part"]
    if Path(file).name != file or part not in PARTS or not isinstance(record["sha256"], str):
        raise ValueError(f"the shard {file!r} of the part {part!r}")
    _whole(record["count"], low=0)
    return ShardRecord(**record)


def _whole(value: Any, *, low: int = 1) -> int:
    if type(value) is not int or not low <= value < 1 << 48:
        raise ValueError(f"{value!r} where a whole number is expected")
    return value


def _check_page(page: Mapping[str, Any]) -> None:
    """See that what readers ask of a page is there and of its type; another format may have less."""
    if page.get("format") != FORMAT:
        return
    kinds = {"recipe": dict, "source": dict, "classes": list, "bad": int}
    for name, kind in kinds.items():
        if not isinstance(page[name], kind):
            raise TypeError(f"{name} is {page[name]!r}")
    if not all(isinstance(name, str) for name in (*page["classes"], page["recipe"]["reader"], page["recipe"]["path"])):
        raise TypeError("names that are no text")


def _runs(keys: NDArray[np.int64], rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Neighbours with equal keys, ``[n], [n]`` -> (key, their rows)."""
    if not len(keys):
        return []
    cuts = np.flatnonzero(np.diff(keys)) + 1
    return [(int(part[0]), mine) for part, mine in zip(np.split(keys, cuts), np.split(rows, cuts), strict=True)]
