"""Pictures of any kind and size, prepared once and then held in memory or streamed.

Whatever the source, its pictures are brought to one size and into shards (:mod:`gantlet.data.prepare`) in the user's
cache, so that only the first study over them waits. A pool up to 2 GiB lies in memory as 8-bit pixels; a larger one is
read from the shards batch by batch.

Legend: ``N`` pictures, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageColor
from torch import Tensor

from gantlet.errors import BadData, BadValue
from gantlet.files import cache_folder, locked
from gantlet.settings import setting

from . import data_dir
from .base import Dataset
from .dataset_card import card
from .decode import Decoding
from .files import absolute, named_path
from .framing import Framing
from .image_formats import image_extensions
from .pool import keyed_generator, split, to_unit_range, with_facts
from .prepare import PrepareRecipe, prepare_images
from .prepared import FORMAT, PAGE, PreparedSet
from .readers.base import is_marked, open_reader, reader_for, source_files
from .readers.folder import STUDY
from .stream import Stream

__all__ = ["Pictures", "prepare_once"]

_LOG = logging.getLogger("gantlet")

_IN_MEMORY, _TEST_FLOATS, _SAMPLE = 1 << 31, 1 << 28, 2000
_SIZE = re.compile(r"(\d+)(?:\s*[x×]\s*(\d+))?")


@dataclass(frozen=True)
class Pictures:
    """Pictures from a source, ``[N, C, H, W]`` as 8-bit, with classes where the source has them.

    ``reader`` and ``card`` are the task's, not the user's: how the source is read, and the named data set that it is.
    A folder that ``gantlet data prepare`` made is taken as it is, whatever the reader.
    """

    data_path: str = setting("", "where the pictures lie")
    size: str = setting("64", "side of the pictures in pixels, or HEIGHTxWIDTH")
    fit: Literal["crop", "pad", "stretch"] = setting(
        "crop",
        "how another aspect is met: its middle, a frame of background, or distortion",
        choices=("crop", "pad", "stretch"),
    )
    precrop: int = setting(0, "side of the square that is cut from the middle first; 0 for none", low=0)
    resample: Literal["antialias", "nearest2"] = setting(
        "antialias", "how sizes change; nearest2 takes every second pixel", choices=("antialias", "nearest2")
    )
    colour: Literal["rgb", "grey"] = setting("rgb", "three channels or one", choices=("rgb", "grey"))
    background: str = setting("white", "what lies under transparent pixels and around padded ones: a name or #rrggbb")
    flips: bool = setting(False, "mirror every training picture left to right with probability ½")
    test_share: float = setting(0.2, "share that is held out, where the source has no test part", above=0, below=1)
    data_seed: int = setting(1, "seed of the split; the same for every member", low=0)
    train_size: int = setting(0, "how many training pictures to keep; 0 keeps all", low=0)
    test_size: int = setting(10_000, "how many test pictures to keep, at most", low=2)
    max_bad: float = setting(
        0.01, "share of pictures that may be unreadable; they are passed over and listed", low=0, high=1
    )
    memory: Literal["auto", "resident", "streamed"] = setting(
        "auto", "where the pool lies; auto keeps up to 2 GiB in memory", choices=("auto", "resident", "streamed")
    )
    reader: str = "folder"
    card: str = ""

    def load(self) -> Dataset:
        """Prepare the pictures where that was not done yet, and load or open them.

        Raises:
            BadData: The source is missing, holds too few pictures, or too many that cannot be read.
            BadValue: ``size`` or ``background`` cannot be understood.
            StoreError: The cache cannot be written.
        """
        prepared = self.prepared()
        train, test = self._parts(prepared)
        labels = prepared.labels
        labelled = bool((labels >= 0).all())
        kept = min(len(test), max(2, _TEST_FLOATS // prepared.pixels))
        test = _some(test, kept, self.data_seed, "pictures/test")
        resident = self.memory == "resident" or (self.memory == "auto" and len(train) * prepared.pixels <= _IN_MEMORY)
        held = train if resident else _some(train, _SAMPLE, self.data_seed, "pictures/sample")
        data = Dataset(
            train=torch.from_numpy(prepared.read(held)),
            test=to_unit_range(torch.from_numpy(prepared.read(test))),
            train_labels=_labels(labels[held]) if labelled else None,
            test_labels=_labels(labels[test]) if labelled else None,
            streamed=None if resident else Stream(prepared, train),
            flips=self.flips,
        )
        return with_facts(data, source=self._described(prepared), **self._facts(prepared, resident=resident))

    def prepared(self) -> PreparedSet:
        """The prepared set: the user's own, the cached one, or a fresh one.

        Raises:
            BadData: The source is missing, or too many of its pictures cannot be read.
        """
        path = self._path()
        if (path / PAGE).is_file():
            return PreparedSet.open(path)
        recipe = self.recipe(self._kind(path), path)
        return prepare_once(recipe, max_bad=self.max_bad)

    def recipe(self, kind: str, path: Path) -> PrepareRecipe:
        """What is done to the pictures at ``path``, which the reader ``kind`` opens.

        Raises:
            BadValue: ``size`` or ``background`` cannot be understood.
        """
        height, width = _sides(self.size)
        background = _colour(self.background)
        framing = Framing(
            height, width, fit=self.fit, precrop=self.precrop, resample=self.resample, background=background
        )
        return PrepareRecipe(kind, str(path), Decoding(colour=self.colour, background=background), framing)

    def _path(self) -> Path:
        if self.card and not self.data_path:
            return data_dir.find_raw(self.card)
        if "://" in self.data_path:
            raise BadData(
                f"{self.data_path} is an address; pictures are read from this disk: fetch shards with "
                "`gantlet data download --urls LIST NAME`."
            )
        path = named_path(self.data_path, data=self.card or self.reader, wanted="PATH")
        return Path(absolute(str(path)))

    def _kind(self, path: Path) -> str:
        """Who reads the pictures: the data set's own reader, or that of plain files where a user has the set as such.

        Raises:
            BadData: The data set's own files are there, but are damaged or disagree; or there is nothing that is read.
        """
        if not self.card:
            return self.reader
        own = card(self.card).reader
        plain = reader_for(path)
        if not self.data_path or plain in ("", own):
            return own
        try:
            open_reader(own, str(path)).close()
        except BadData as error:
            if is_marked(own, path) or not _opens(plain, path):
                raise error from None  # it is the data set, but damaged; or nothing at all
            return plain
        return own

    def _parts(self, prepared: PreparedSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the pictures to train on and to test on."""
        pool = np.concatenate([prepared.numbers("train"), prepared.numbers("")])
        test = prepared.numbers("test")
        if not len(test):
            parts = split(
                len(pool), test_share=self.test_share, data_seed=self.data_seed, source=self._described(prepared)
            )
            pool, test = pool[parts.train.numpy()], pool[parts.test.numpy()]
        if min(len(pool), len(test)) < 2:
            raise BadData(
                f"{self._path()} leaves {len(pool)} pictures to train on and {len(test)} to test; give at least 2 of each."
            )
        if self.train_size > len(pool):
            raise BadData(f"train_size={self.train_size} pictures were asked for, and there are {len(pool)}.")
        train = _some(pool, self.train_size or len(pool), self.data_seed, "pictures/train")
        return train, _some(test, self.test_size, self.data_seed, "pictures/test-size")

    def _described(self, prepared: PreparedSet) -> str:
        source = prepared.page["recipe"]
        return f"{self.card or source['reader']}: {source['path']}"

    def _facts(self, prepared: PreparedSet, *, resident: bool) -> dict[str, Any]:
        page = prepared.page
        return {
            "scaled_from": "8-bit, 0..255",
            "class_names": list(prepared.classes),
            "bad": page["bad"],
            "prepared": {name: page["recipe"][name] for name in ("decoding", "framing")},
            "original": page["source"],
            "memory": "resident" if resident else "streamed",
            "flips": self.flips,
        }


def _opens(kind: str, path: Path) -> bool:
    try:
        open_reader(kind, str(path)).close()
    except BadData:
        return False
    return True


def _sides(size: str) -> tuple[int, int]:  # -> H, W
    match = _SIZE.fullmatch(size.strip().lower())
    if match is None:
        raise BadValue(f"size={size} is not understood: give one side in pixels, or HEIGHTxWIDTH, such as 64 or 48x64.")
    height, width = int(match[1]), int(match[2] or match[1])
    if not (4 <= height <= 1024 and 4 <= width <= 1024):
        raise BadValue(f"size={size} is out of range: expected sides of 4 to 1024 pixels.")
    return height, width


def _colour(name: str) -> tuple[int, int, int]:
    try:
        red, green, blue, *_ = ImageColor.getrgb(name)
    except ValueError:
        raise BadValue(f"background={name} is no colour: give a name such as white, or #rrggbb.") from None
    return red, green, blue


def _some(numbers: NDArray[np.int64], count: int, seed: int, draw: str) -> NDArray[np.int64]:
    """``count`` of the numbers at random by a key, in their order; all where there are no more."""
    if count >= len(numbers):
        return numbers
    chosen = torch.randperm(len(numbers), generator=keyed_generator(seed, draw))[:count]
    return numbers[np.sort(chosen.numpy())]


def _labels(labels: NDArray[np.int32]) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def prepare_once(
    recipe: PrepareRecipe,
    *,
    workers: int = 0,
    max_bad: float = 0.01,
    notify: Callable[[int, int], None] | None = None,
) -> PreparedSet:
    """What a recipe makes of its source as it lies there now, from the cache of prepared pictures or new in it.

    Arguments and errors are those of :func:`gantlet.data.prepare.prepare_images`; without ``notify``, what takes more than some
    seconds is told to the logger ``gantlet``.
    """
    said = json.dumps({"format": FORMAT, "extensions": sorted(image_extensions()), **asdict(recipe)}, sort_keys=True)
    key = hashlib.sha256(f"{said}\n{_signature(recipe.reader, recipe.path)}".encode()).hexdigest()[:24]
    folder = cache_folder("pictures") / key
    lock = folder.with_suffix(".lock")
    with locked(lock, advice="Set XDG_CACHE_HOME to a folder of yours."):
        return prepare_images(
            recipe, folder, workers=workers, max_corrupt=max_bad, notify=notify or _Teller(recipe.path)
        )


class _Teller:
    """Says how far preparing has come, after two seconds and then every ten."""

    def __init__(self, path: str) -> None:
        self._path, self._due = path, time.monotonic() + 2

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 10
            _LOG.info("preparing the pictures of %s, once: %s of %s", self._path, f"{done:,}", f"{total:,}")


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
            folders.clear()  # nor does it change the pictures
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
    return f"{path} {status.st_size} {status.st_mtime_ns}"
