"""Tiny ImageNet as its authors publish it: 200 classes of 64 x 64 pixels, a folder or the zip archive.

Reference:
    | Tiny ImageNet visual recognition challenge (Le, Yang, 2015), http://cs231n.stanford.edu/tiny-imagenet-200.zip
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gantlet.data.image_formats import image_extensions
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault
from .layout import check_folder

__all__ = ["TinyImageNetReader"]

_ANNOTATIONS, _WORDS = "val/val_annotations.txt", "words.txt"
_LARGEST = 2**26  # bytes of one file; the largest, words.txt, has 2.7 million
_WANTED = "tiny-imagenet-200 with train/CLASS/images, val/images and val/val_annotations.txt"


class TinyImageNetReader:
    """The folder ``tiny-imagenet-200`` or its zip archive.

    Part: ``train`` is train, ``val`` is test (by ``val_annotations.txt``); the unlabelled images below ``test`` are
    not used. Label: the class, as ``n01443537``; its English words are in ``facts["words"]`` if ``words.txt`` is there.

    Raises:
        BadData: Another layout, a damaged archive, or annotations that name other images than there are.
    """

    marks: ClassVar[tuple[str, ...]] = ("wnids.txt", "*/wnids.txt")

    def __init__(self, path: str) -> None:
        self._files = _Files(Path(path).expanduser())
        try:
            self._list(path)
        except BaseException:
            self._files.close()
            raise

    def _list(self, path: str) -> None:
        names = self._files.names
        train = [entry for name in names if (entry := _train_entry(name))]
        test = _test_entries(names, _annotations(self._files), path)
        if not train:
            raise BadData(f"{path} holds no images below train; expected {_WANTED}.")
        self.entries: Sequence[Entry] = [*train, *test]
        classes = {entry.label for entry in train}
        if strange := sorted({entry.label for entry in test} - classes):
            raise BadData(
                f"{path}: {_ANNOTATIONS} names {len(strange)} classes that train lacks, the first is {strange[0]}."
            )
        self.faults: Sequence[Fault] = ()
        self.facts: Mapping[str, Any] = {
            "format": "Tiny ImageNet",
            "images": len(self.entries),
            "parts": {"train": len(train), "test": len(test)},
            "left_out": {"test": sum(name.startswith("test/images/") for name in names)},
            "classes": len(classes),
            "words": _words(self._files, classes) if _WORDS in names else {},
        }

    def read(self, place: int) -> bytes:
        """The encoded file of ``entries[place]``.

        Raises:
            BadImage: It cannot be read.
        """
        try:
            return self._files.read(self.entries[place].name)
        except BadData as error:
            raise BadImage(f"it cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of the archive."""
        self._files.close()


class _Files:
    """The files below the top folder, of a folder or of its zip archive, by their paths with forward slashes."""

    def __init__(self, path: Path) -> None:
        self._archive, self._top = None, ""
        if path.is_file():
            try:
                self._archive = zipfile.ZipFile(path)
                names = sorted(info.filename for info in self._archive.infolist() if not info.is_dir())
            # A damaged table of contents leads zipfile to many an error: BadZipFile, struct.error, UnicodeDecodeError, …
            except Exception as error:
                raise BadData(f"{path} is truncated, damaged, or not a zip archive ({error}); get it again.") from error
            self._top = next((name.partition("train/")[0] for name in names if "train/" in name), "")
            self.names = [name.removeprefix(self._top) for name in names if name.startswith(self._top)]
        else:
            check_folder(path, wanted=_WANTED)
            inner = path / "tiny-imagenet-200"
            path = inner if inner.is_dir() and not (path / "train").is_dir() else path
            try:
                self.names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
            except OSError as error:
                raise BadData(f"{path} cannot be listed: {error}.") from error
        self._path = path

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            BadData: It cannot be had.
        """
        if self._archive is None:
            try:
                return (self._path / name).read_bytes()
            except OSError as error:
                raise BadData(str(error)) from error
        try:
            info = self._archive.getinfo(self._top + name)
            if info.file_size > _LARGEST:
                raise BadData(f"{self._path}: {name} states {info.file_size} bytes")
            return self._archive.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise BadData(f"{self._path}: {name} is damaged ({error})") from error

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()


def _train_entry(name: str) -> Entry | None:
    parts = name.split("/")
    if len(parts) == 4 and parts[::2] == ["train", "images"] and _is_image(name):
        return Entry(name, parts[1], "train")
    return None


def _is_image(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in image_extensions()


def _test_entries(names: Sequence[str], labels: Mapping[str, str], source: str) -> list[Entry]:
    """The images of ``val``, each with its label.

    Raises:
        BadData: Images that are not annotated, or annotations without an image; with counts.
    """
    held = [name for name in names if posixpath.dirname(name) == "val/images" and _is_image(name)]
    there = {posixpath.basename(name) for name in held}
    nameless, missing = there - labels.keys(), labels.keys() - there
    if nameless or missing:
        first = min(nameless or missing)
        raise BadData(
            f"{source}: {_ANNOTATIONS} disagrees: of {len(there)} images {len(nameless)} are not annotated, of "
            f"{len(labels)} annotations {len(missing)} have no image; the first is {first[:60]}. Get the set again."
        )
    return [Entry(name, labels[posixpath.basename(name)], "test") for name in held]


def _annotations(files: _Files) -> dict[str, str]:
    """The class of each image of ``val``; the four numbers of the box after it are not used."""
    if _ANNOTATIONS not in files.names:
        raise BadData(f"There is no {_ANNOTATIONS}; expected {_WANTED}.")
    labels: dict[str, str] = {}
    for number, line in enumerate(_lines(files, _ANNOTATIONS), start=1):
        name, *rest = line.split() or [""]
        if name and (not rest or labels.setdefault(name, rest[0]) != rest[0]):
            raise BadData(f"{_ANNOTATIONS}, line {number}: '{line[:60]}' is not an image's name and its one class.")
    return labels


def _words(files: _Files, classes: set[str]) -> dict[str, str]:
    """What each class is called, from lines of class, tab, words."""
    pairs = (line.partition("\t") for line in _lines(files, _WORDS))
    return {name: words.strip() for name, _, words in pairs if name in classes}


def _lines(files: _Files, name: str) -> list[str]:
    try:
        return files.read(name).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadData(f"{name} is not UTF-8 text (byte {error.start}).") from None
