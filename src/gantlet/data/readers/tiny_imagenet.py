"""Tiny ImageNet as its authors publish it: 200 classes of 64 x 64 pixels, a folder or the zip archive.

Reference:
    | Tiny ImageNet visual recognition challenge (Le, Yang, 2015), http://cs231n.stanford.edu/tiny-imagenet-200.zip
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol

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
        self._files = _opened(Path(path).expanduser())
        try:
            names = self._files.names()
            train = [entry for name in names if (entry := _train_entry(name))]
            test = _test_entries(names, _annotations(self._files), path)
        except BaseException:
            self._files.close()
            raise
        if not train:
            self._files.close()
            raise BadData(f"{path} holds no images below train; expected {_WANTED}.")
        self.entries: Sequence[Entry] = [*train, *test]
        classes = {entry.label for entry in train}
        strange = sorted({entry.label for entry in test} - classes)
        if strange:
            self._files.close()
            raise BadData(
                f"{path}: {_ANNOTATIONS} names {len(strange)} classes that train lacks, the first is {strange[0]}."
            )
        self.faults: Sequence[Fault] = ()
        self.facts: Mapping[str, Any] = {
            "format": "Tiny ImageNet",
            "pictures": len(self.entries),
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


class _Files(Protocol):
    def names(self) -> Sequence[str]:
        """Paths below the top folder, with forward slashes, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """A file's content; BadData if that cannot be had."""
        ...

    def close(self) -> None: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        inner = path / "tiny-imagenet-200"
        self._path = inner if inner.is_dir() and not (path / "train").is_dir() else path

    def names(self) -> Sequence[str]:
        try:
            return sorted(file.relative_to(self._path).as_posix() for file in self._path.rglob("*") if file.is_file())
        except OSError as error:
            raise BadData(f"{self._path} cannot be listed: {error}.") from error

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise BadData(str(error)) from error

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
            self._infos = {info.filename: info for info in self._archive.infolist() if not info.is_dir()}
        # A damaged table of contents leads zipfile to many an error: BadZipFile, struct.error, UnicodeDecodeError, …
        except Exception as error:
            raise BadData(f"{path} is truncated, damaged, or not a zip archive ({error}); get it again.") from error
        self._path = path
        top = next((name.partition("train/")[0] for name in sorted(self._infos) if "train/" in name), "")
        self._infos = {name.removeprefix(top): info for name, info in self._infos.items() if name.startswith(top)}

    def names(self) -> Sequence[str]:
        return sorted(self._infos)

    def read(self, name: str) -> bytes:
        info = self._infos[name]
        if info.file_size > _LARGEST:
            raise BadData(f"{self._path}: {name} states {info.file_size} bytes")
        try:
            return self._archive.read(info)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise BadData(f"{self._path}: {name} is damaged ({error})") from error

    def close(self) -> None:
        self._archive.close()


def _opened(path: Path) -> _Files:
    if path.is_file():
        return _Zip(path)
    check_folder(path, wanted=_WANTED)
    return _Folder(path)


def _train_entry(name: str) -> Entry | None:
    parts = PurePosixPath(name).parts
    if (
        len(parts) == 4
        and parts[0] == "train"
        and parts[2] == "images"
        and posixpath.splitext(name)[1].lower() in image_extensions()
    ):
        return Entry(name, parts[1], "train")
    return None


def _test_entries(names: Sequence[str], labels: Mapping[str, str], source: str) -> list[Entry]:
    """The images of ``val``, each with its label.

    Raises:
        BadData: Images that are not annotated, or annotations without an image; with counts.
    """
    held = [
        name
        for name in names
        if posixpath.dirname(name) == "val/images" and posixpath.splitext(name)[1].lower() in image_extensions()
    ]
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
    if _ANNOTATIONS not in files.names():
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
