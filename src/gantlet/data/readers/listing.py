"""What names say: which files are images, and which class and part each belongs to. Folders and archives share these rules.

1. An image is told by its extension (:func:`~gantlet.data.image_formats.image_extensions`, in any case). Hidden names, ``__MACOSX`` and ``@eaDir`` are
   skipped, as is every other extension; all are counted.
2. A folder that all images share says nothing of any of them and is skipped, again and again
   (``cifar10/train/cat/1.jpg`` reads as ``train/cat/1.jpg``), unless it is called like a training part.
3. If every image is in a folder called like a part, and one of these is the training part, the folders are parts:
   ``train`` or ``training``; ``test`` or ``testing``; ``val``, ``valid`` or ``validation``, in any case. Validation
   images are the test part where there is no other, and are left out (and counted) where there is. Below the parts, rule
   2 holds once more.
4. An image's label is the first folder that is left; an image that is in none has no label.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Generic, TypeVar

from gantlet.data.image_formats import image_extensions
from gantlet.errors import BadData, MissingExtra

from .base import Entry, Fault, Part
from .layout import PARTS_BY_NAME, Said, settled

__all__ = ["MOST_BYTES", "Listing", "labelled", "member_name", "shown", "skip_reason"]

MOST_BYTES = 2**30
"""An image whose file is larger (1 GiB) is not read."""

_SYSTEM = frozenset({"__MACOSX", "@eaDir"})

_W = TypeVar("_W")  # where an image is in its source


class Listing(Generic[_W]):
    """Collects what a source holds, and sorts it out in the end.

    Attributes:
        faults: What cannot be used.
        skipped: How many files were skipped, by extension (or ``hidden``, ``no extension``).
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.skipped: Counter[str] = Counter()
        self._places: dict[str, _W] = {}

    def __len__(self) -> int:
        return len(self._places)

    def wants(self, name: str) -> bool:
        """Whether a name is an image's; if not, it is counted."""
        if reason := skip_reason(name):
            self.skipped[reason] += 1
        return not reason

    def add(self, name: str, where: _W) -> None:
        """Take up an image; of two with one name, the later counts, as it does when an archive is unpacked."""
        name = shown(name)
        if name in self._places:
            self.fault(name, "another of this name comes later")
        self._places[name] = where

    def fault(self, name: str, reason: str) -> None:
        """Note something that cannot be used."""
        self.faults.append(Fault(shown(name), reason))

    def sorted_out(self, source: str) -> tuple[list[Entry], list[_W], dict[str, Any]]:
        """The images by name, where each is, and the facts.

        Raises:
            BadData: There are none; the message says what was there.
        """
        self.faults.sort(key=lambda fault: fault.name)
        if not self._places:
            if heic := self.skipped[".heic"] + self.skipped[".heif"]:
                raise MissingExtra(
                    "pillow-heif", extra="heic", purpose=f"{source} holds {heic} HEIC images; reading them"
                )
            raise BadData(self._nothing(source))
        entries, left_out = labelled(sorted(self._places))
        facts = {
            "images": len(entries),
            "classes": len({entry.label for entry in entries if entry.label}),
            "parts": dict(Counter(entry.part for entry in entries if entry.part)),
            "skipped": dict(sorted(self.skipped.items())),
            "left_out": left_out,
            "faults": len(self.faults),
        }
        return entries, [self._places[entry.name] for entry in entries], facts

    def _nothing(self, source: str) -> str:
        held = [f"{count} × {kind}" for kind, count in self.skipped.most_common(8)]
        wanted = ", ".join(sorted(image_extensions()))
        text = f"{source} holds no images ({wanted}); it holds {', '.join(held) or 'no other files either'}."
        if self.faults:
            first = self.faults[0]
            text += f" {len(self.faults)} cannot be used; the first is {first.name}: {first.reason}."
        return text


def skip_reason(name: str) -> str:
    """Why a name is not an image's: ``hidden``, the extension, or ``no extension``; empty for an image.

    Example:
        >>> skip_reason("cats/1.JPG"), skip_reason("cats/notes.txt"), skip_reason("cats/.cache/1.jpg")
        ('', '.txt', 'hidden')
    """
    parts = name.split("/")
    if name.startswith(".") or "/." in name or not _SYSTEM.isdisjoint(parts):
        return "hidden"
    extension = posixpath.splitext(parts[-1])[1].lower()
    return "" if extension in image_extensions() else shown(extension) or "no extension"


def member_name(name: str) -> str | None:
    """The name of an archive's member without ``./`` and doubled slashes; None if it leads outside.

    Example:
        >>> [member_name(name) for name in ("./cats//1.jpg", "../1.jpg", "/1.jpg", "C:/1.jpg")]
        ['cats/1.jpg', None, None, None]
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:/", name):
        return None
    return "/".join(parts)


def shown(name: str) -> str:
    r"""A name that can be written anywhere: what cannot be printed (undecodable bytes too) is spelled out.

    Example:
        >>> shown("a\nb\udcff")
        'a\\x0ab\\udcff'
    """
    if name.isprintable():
        return name
    spelled = (
        char if char.isprintable() else f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
        for char in name
    )
    return "".join(spelled)


def labelled(names: Sequence[str]) -> tuple[list[Entry], dict[str, int]]:
    """The images with label and part by the rules above, in the same order, and how many were left out of which folder.

    Example:
        >>> labelled(["set/train/cat/1.png", "set/train/dog/1.png", "set/val/cat/1.png"])[0][2]
        Entry(name='set/val/cat/1.png', label='cat', part='test')
        >>> labelled(["cat/1.png", "dog/1.png", "2.png"])[0][::2]
        [Entry(name='cat/1.png', label='cat', part=''), Entry(name='2.png', label='', part='')]
    """
    folders = [tuple(name.split("/")[:-1]) for name in names]
    shared = _common(folders)
    top = next((depth for depth, name in enumerate(shared) if PARTS_BY_NAME.get(name.lower()) == "train"), len(shared))
    folders = [folder[top:] for folder in folders]
    parts = _parts(folders)
    if parts:
        folders = [folder[1:] for folder in folders]
        below = len(_common(folders))
        folders = [folder[below:] for folder in folders]
    kept: list[Entry] = []
    left_out: Counter[str] = Counter()
    for place, (name, folder) in enumerate(zip(names, folders, strict=True)):
        part = parts[place] if parts else ""
        if part is None:
            left_out["val"] += 1
        else:
            kept.append(Entry(name, label=folder[0] if folder else "", part=part))
    return kept, dict(left_out)


def _common(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders with which all of them begin."""
    first, last = min(folders), max(folders)  # whatever these two share, all between them share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return tuple(name for name, _ in same)


def _parts(folders: Iterable[tuple[str, ...]]) -> list[Part | None]:
    """The part of each image, None for one that is left out; empty if the folders are not parts."""
    called: list[Said] = [PARTS_BY_NAME.get(folder[0].lower(), "") if folder else "" for folder in folders]
    return settled(called) if "train" in called and "" not in called else []
