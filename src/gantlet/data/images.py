"""Images of any kind and size, prepared once and then held in memory or streamed.

Whatever the source, its images are brought to one size and into shards (:mod:`gantlet.data.prepare`) in the user's
cache, so that only the first study over them waits; arrays that need no resizing are used as they are
(:mod:`gantlet.data.loaded`). A pool up to 2 GiB is held in memory as 8-bit pixels; a larger one is read from the shards
batch by batch.

Legend: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageColor
from torch import Tensor

from gantlet import catalogue
from gantlet.errors import BadData, BadValue
from gantlet.randomness import keyed_generator
from gantlet.settings import setting

from . import data_dir
from .base import Dataset
from .dataset_card import card
from .decode import Decoding
from .files import absolute, named_path
from .loaded import LoadedSet, loaded
from .pool import LEAST, split, to_unit_range, with_facts
from .prepare import PrepareRecipe
from .prepared import PAGE, PreparedSet
from .prepared_cache import prepare_once
from .readers.base import is_marked, open_reader, reader_for
from .resize import Resize
from .stream import Stream

__all__ = ["ImageSource"]

_IN_MEMORY, _TEST_FLOATS, _SAMPLE = 1 << 31, 1 << 28, 2000
_LOG = logging.getLogger("gantlet")
_NATIVE = "native"
_DARK = 64  # of 255: images without a brighter pixel look black
_SIZE = re.compile(r"(\d+)(?:\s*[x×]\s*(\d+))?")
_OWN_FILES = {
    "array": ("images", "a file", "FILE.npy (or .npz)"),
    "folder": ("folder", "a folder of images", "PATH"),
    "zip": ("zip", "a file", "FILE.zip"),
    "tar": ("tar", "a file", "FILE.tar (or .tar.gz, …)"),
    "shards": ("shards", "shards", "GLOB (or a prepared folder)"),
    "hf": ("hf", "Parquet files or a folder of the package datasets", "PATH"),
    "hdf5": ("hdf5", "a file", "FILE.h5"),
    "tfrecord": ("tfrecord", "TFRecord files", "FILE, FOLDER or GLOB"),
}
"""The task, what it reads and the form of its path, by reader: for the message where no path was given."""


@dataclass(frozen=True)
class ImageSource:
    """Images from a source, ``[N, C, H, W]`` as 8-bit, with classes where the source has them.

    Arrays of floating point that need no resizing keep their values, in [-1, 1]. ``reader``, ``card`` and ``subset`` are
    the task's, not the user's: how the source is read, the named data set that it is, and which images a smaller
    ``train_size`` or ``test_size`` keeps. A folder that ``gantlet data prepare`` made is taken as it is, whatever the reader.
    """

    data_path: str = setting("", "where the images are: a file, folder or pattern", path=True)
    size: str = setting("64", "height and width in pixels, or HEIGHTxWIDTH; native keeps the size of arrays")
    resize: Literal["crop", "pad", "stretch"] = setting(
        "crop",
        "what happens to images of another aspect ratio: crop their centre, pad them with the background, or stretch them",
        choices=("crop", "pad", "stretch"),
    )
    center_crop: int = setting(0, "side of the square that is cropped from the centre first; 0 for none", low=0)
    resample: Literal["antialias", "nearest2"] = setting(
        "antialias", "how images are resampled; nearest2 takes every second pixel", choices=("antialias", "nearest2")
    )
    colour: Literal["rgb", "grey", "native"] = setting(
        "rgb", "three channels or one; native keeps the channels of arrays", choices=("rgb", "grey", "native")
    )
    background: str = setting("white", "colour under transparent pixels and around padded images: a name or #rrggbb")
    flips: bool = setting(False, "mirror every training image left to right with probability ½")
    test_share: float = setting(0.2, "share that is held out, where the source has no test part", above=0, below=1)
    split: Literal["train", "all"] = setting(
        "train",
        "what is trained on: the train part, or all images; metrics then test on images that were trained on",
        choices=("train", "all"),
    )
    data_seed: int = setting(1, "seed of the split; the same for every member", low=0)
    train_size: int = setting(0, "how many training images to keep; 0 keeps all", low=0)
    test_size: int = setting(10_000, "how many test images to keep, at most; 0 keeps all", low=0)
    max_corrupt: float = setting(
        0.01, "share of images that may be unreadable; they are skipped and listed", low=0, high=1
    )
    in_memory: Literal["auto", "true", "false"] = setting(
        "auto",
        "whether the training images are held in memory; auto: up to 2 GiB of them",
        choices=("auto", "true", "false"),
    )
    reader: str = "folder"
    card: str = ""
    subset: Literal["random", "first"] = "random"

    @classmethod
    def of(cls, name: str, **given: Any) -> Self:
        """The source of a named data set, resized as its card says, where nothing else is ``given``.

        Example:
            >>> ImageSource.of("celeba").size, ImageSource.of("celeba").center_crop
            ('64', 128)

        Raises:
            UnknownName: There is no such card.
        """
        known = card(name)
        size = str(known.height) if known.height == known.width else f"{known.height}x{known.width}"
        return replace(cls(size=size, center_crop=known.center_crop, colour=known.colour, card=name), **given)

    def load(self) -> Dataset:
        """Prepare the images where that was not done yet, and load or open them.

        Raises:
            BadData: The source is missing, holds too few images, or too many that cannot be read.
            BadValue: ``size`` or ``background`` cannot be understood.
            MissingExtra: The package that carries or reads them is not installed.
            StoreError: The cache cannot be written.
        """
        images = self._opened()
        train, test = self._parts(images)
        labels = images.labels
        pixels = prod(images.shape)
        test = _some(test, min(len(test), max(LEAST, _TEST_FLOATS // pixels)), self.data_seed, "pictures/test")
        streamed = isinstance(images, PreparedSet) and not self._held(len(train) * pixels)
        held = _some(train, _SAMPLE, self.data_seed, "pictures/sample") if streamed else train
        data = Dataset(
            train=torch.from_numpy(images.read(held)),
            test=to_unit_range(torch.from_numpy(images.read(test))),
            train_labels=_labels(labels[held]),
            test_labels=_labels(labels[test]),
            streamed=Stream(images, train) if streamed and isinstance(images, PreparedSet) else None,
            flips=self.flips,
            classes=images.classes,
        )
        if data.streamed is None and data.train.dtype == torch.uint8:
            _check_light(int(data.train.min()), int(data.train.max()), self._title(images))
        return with_facts(data, source=self._title(images), **self._facts(images, streamed=streamed))

    def prepared(self) -> PreparedSet:
        """The prepared set: the user's own, the cached one, or a fresh one.

        Raises:
            BadData: The source is missing, or too many of its images cannot be read.
        """
        path = self._path()
        if (path / PAGE).is_file():
            return PreparedSet.open(path)
        return prepare_once(self.recipe(self._kind(path), path), max_corrupt=self.max_corrupt)

    def recipe(self, kind: str, path: Path, facts: Mapping[str, Any] | None = None) -> PrepareRecipe:
        """What is done to the images at ``path``, which the reader ``kind`` opens; it states the facts.

        Raises:
            BadData: Their own size or channels are asked for, and they have several or the facts do not state them.
            BadValue: ``size`` or ``background`` cannot be understood.
        """
        if facts is None and _NATIVE in (self.size, self.colour):
            with closing(open_reader(kind, str(path))) as reader:
                facts = reader.facts
        colour, height, width = self._native(facts or {}, path)
        background = _colour(self.background)
        resize = Resize(
            height,
            width,
            mode=self.resize,
            center_crop=self.center_crop,
            resample=self.resample,
            background=background,
        )
        return PrepareRecipe(
            kind, str(path), Decoding(colour="grey" if colour == "grey" else "rgb", background=background), resize
        )

    def _opened(self) -> PreparedSet | LoadedSet:
        """The images: arrays as they are where nothing is to be done to them, else what :meth:`prepared` says."""
        path = self._path()
        if _NATIVE not in (self.size, self.colour) or (path / PAGE).is_file():
            return self.prepared()
        kind = self._kind(path)
        with closing(open_reader(kind, str(path))) as reader:
            recipe = self.recipe(kind, path, reader.facts)
            images, count = loaded(reader, recipe), self.train_size or len(reader.entries)
        if images is not None and (
            (self.in_memory == "auto" and images.floating) or self._held(count * prod(images.shape))
        ):
            return images
        return prepare_once(recipe, max_corrupt=self.max_corrupt)

    def _held(self, size: int) -> bool:
        """Whether a pool of this many bytes is held in memory."""
        return self.in_memory == "true" or (self.in_memory == "auto" and size <= _IN_MEMORY)

    def _native(self, facts: Mapping[str, Any], path: Path) -> tuple[str, int, int]:
        """Colour, H and W: those of the arrays, or the card's where there are none, wherever the user gives no others."""
        shapes: set[tuple[int, ...]] = {(*size, 1)[:3] for size in facts.get("sizes", ())}
        if self.card and not shapes:
            known = card(self.card)
            shapes = {(known.height, known.width, 1 if known.colour == "grey" else 3)}
        sides = {shape[:2] for shape in shapes} if self.size == _NATIVE else {_sides(self.size)}
        colours = {"grey" if shape[2] == 1 else "rgb" for shape in shapes} if self.colour == _NATIVE else {self.colour}
        if len(sides) != 1 or len(colours) != 1:
            key = f"size={_NATIVE}" if len(sides) != 1 else f"colour={_NATIVE}"
            shown = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:5]) or "images of any kind"
            raise BadData(f"{key} needs arrays of one shape, and {path} has {shown}. Give size=64 or colour=rgb, say.")
        (height, width), (colour,) = sides.pop(), colours
        return colour, height, width

    def _path(self) -> Path:
        installed: Callable[[], str] | None = getattr(catalogue.find("reader", self.reader), "installed", None)
        if installed is not None and not self.data_path.strip():
            return Path(installed())
        if self.card and not self.data_path.strip():
            try:
                return data_dir.find_raw(self.card)
            except BadData as error:
                raise BadData(f"{error} Or give data_path=PATH to read files that are elsewhere.") from error
        if "://" in self.data_path:
            raise BadData(
                f"{self.data_path} is an address; images are read from this disk: fetch shards with "
                "`gantlet data download --urls LIST NAME`."
            )
        task, reads, form = _OWN_FILES.get(self.reader, (self.reader, "a file or folder", "PATH"))
        path = named_path(self.data_path, task=task, reads=reads, form=form)
        return Path(absolute(str(path)))

    def _kind(self, path: Path) -> str:
        """Who reads the images: the data set's own reader, or that of plain files where a user has the set as such.

        Raises:
            BadData: The data set's own files are there, but are damaged or disagree; or there is nothing that is read.
        """
        if not self.card:
            return self.reader
        own = card(self.card).reader
        plain = reader_for(path)
        if not self.data_path or plain in ("", own) or is_marked(own, path):
            return own  # if it is damaged, whoever opens it will say so
        try:
            open_reader(own, str(path)).close()
        except BadData as error:
            if not _opens(plain, path):
                raise error from None  # nothing at all
            return plain
        return own

    def _parts(self, images: PreparedSet | LoadedSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the images to train on and to test on; a source of one part is split.

        Raises:
            BadData: There are too few, or only the test part of a named set.
        """
        pool = np.concatenate([images.numbers("train"), images.numbers("")])
        test = images.numbers("test")
        if self.card and len(test) and not len(pool):
            raise BadData(
                f"{self._path()} holds only the test part of '{self.card}' ({len(test)} images); get the training part too."
            )
        everything = np.concatenate([pool, test])
        if self.split == "all" and images.page["recipe"]["reader"] == "celeba":
            raise BadData(
                f"split=all: with the list of parts the validation images of {self._path()} are left out. Give "
                "data_path=img_align_celeba.zip, or that folder alone, for all 202,599."
            )
        if not (len(pool) and len(test)):
            pool, source = np.concatenate([pool, test]), self._title(images)
            parts = split(len(pool), test_share=self.test_share, data_seed=self.data_seed, source=source)
            pool, test = pool[parts.train.numpy()], pool[parts.test.numpy()]
        pool = everything if self.split == "all" else pool
        if min(len(pool), len(test)) < LEAST:
            raise BadData(
                f"{self._path()} leaves {len(pool)} images to train on and {len(test)} to test; give at least 2 of each."
            )
        if self.train_size > len(pool):
            raise BadData(f"train_size={self.train_size} images were asked for, and there are {len(pool)}.")
        kept = self.train_size or len(pool), max(LEAST, self.test_size) if self.test_size else len(test)
        if self.subset == "first":
            return pool[: kept[0]], test[: kept[1]]
        train = _some(pool, kept[0], self.data_seed, "pictures/train")
        return train, _some(test, kept[1], self.data_seed, "pictures/test-size")

    def _title(self, images: PreparedSet | LoadedSet) -> str:
        recipe = images.page["recipe"]
        return images.page["source"].get("title") or f"{self.card or recipe['reader']}: {recipe['path']}"

    def _facts(self, images: PreparedSet | LoadedSet, *, streamed: bool) -> dict[str, Any]:
        page = images.page
        return {
            "scaled_from": page["source"].get("scaled_from", "8-bit, 0..255"),
            **({"layout": page["source"]["layout"]} if "layout" in page["source"] else {}),
            "class_names": list(images.classes),
            "bad": page["bad"],
            "prepared": {
                name: value for name, value in page["recipe"].items() if name not in ("reader", "path", "per_shard")
            },
            "original": page["source"],
            "in_memory": not streamed,
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
        raise BadValue(f"background={name} is not a colour: give a name such as white, or #rrggbb.") from None
    return red, green, blue


def _some(numbers: NDArray[np.int64], count: int, seed: int, draw: str) -> NDArray[np.int64]:
    """``count`` of the numbers at random by a key, in their order; all where there are no more."""
    if count >= len(numbers):
        return numbers
    chosen = torch.randperm(len(numbers), generator=keyed_generator(seed, draw, namespace="data"))[:count]
    return numbers[np.sort(chosen.numpy())]


def _check_light(low: int, high: int, title: str) -> None:
    """Say of images that are nearly black that they are, as of 16-bit ones whose values end at some hundred.

    Raises:
        BadData: All pixels are equal.
    """
    advice = "gantlet data inspect says why; scale the images to 0 to 255 (16-bit ones to 65,535)."
    if low == high:
        raise BadData(
            f"{title}: every pixel of all images is {low} of 255 once read, so there is nothing to learn; {advice}"
        )
    if high < _DARK:
        _LOG.warning(
            "note: %s: the brightest pixel is %d of 255, so that samples will look black; %s", title, high, advice
        )


def _labels(labels: NDArray[np.int32]) -> Tensor | None:
    return torch.from_numpy(labels.astype(np.int64)) if bool((labels >= 0).all()) else None
