"""Emoji as the npm package emoji-datasource-google packs them: 64×64 PNG files and a table of categories.

Of the package only ``img/google/64/*.png`` is read (its sheets hold all of them once more), and ``emoji.json``, which
says what each file shows. A variation of skin tone belongs to the category of its emoji.

Reference:
    | Noto Emoji (Google, 2013 onwards), https://github.com/googlefonts/noto-emoji
    | emoji-data (Henderson, 2013 onwards), https://github.com/iamcal/emoji-data
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gantlet.data.byte_ranges import decompressed
from gantlet.data.files import read_bytes
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault
from .tar_files import tar_members

__all__ = ["EmojiReader"]

_MEMBER = re.compile(r"(?:package/)?(?:img/google/64/(?P<picture>[^/]+\.png)|(?P<table>emoji\.json))")
_LARGEST, _LARGEST_IN_ALL = 16 << 20, 1 << 30  # bytes; emoji.json has 1.4 million, all images have 14 million
_WANTED = "emoji-datasource-google-16.0.0.tgz, the folder it unpacks to, or its folder img/google/64"


class EmojiReader:
    """The package's ``.tgz``, the folder that it unpacks to, or its folder ``img/google/64``.

    Part: none. Label: the category of ``emoji.json`` ("Food & Drink"); an image that the table does not know is a
    fault. Without the table there are no labels.

    Raises:
        BadData: No such file or folder, a damaged archive or table, or no image in it.
    """

    companions: ClassVar[tuple[str, ...]] = ("emoji.json",)

    def __init__(self, path: str) -> None:
        source = Path(path).expanduser()
        files, table = _folder(source) if source.is_dir() else _archive(source)
        if not files:
            raise BadData(f"{source} holds no emoji; expected {_WANTED}.")
        names, unknown = sorted(files), list[str]()
        labels = dict.fromkeys(names, "")
        if table is not None:
            labels = _categories(table, str(source))
            unknown = [name for name in names if name not in labels]
        if len(unknown) == len(names):
            raise BadData(f"{source}: emoji.json knows none of the {len(names)} images; they do not belong together.")
        self._files = files
        self.entries: Sequence[Entry] = [Entry(name, labels[name]) for name in names if name in labels]
        self.faults: Sequence[Fault] = [Fault(name, "emoji.json gives it no category") for name in unknown]
        self.facts: Mapping[str, Any] = {"format": "emoji", "images": len(self.entries)}

    def read(self, place: int) -> bytes:
        """The PNG file of ``entries[place]``.

        Raises:
            BadImage: It cannot be read any more.
        """
        found = self._files[self.entries[place].name]
        if isinstance(found, bytes):
            return found
        try:
            return found.read_bytes()
        except OSError as error:
            raise BadImage(f"it cannot be read ({error.strerror})") from error

    def close(self) -> None:
        """Nothing is held open."""


_Found = tuple[dict[str, bytes | Path], bytes | None]


def _folder(place: Path) -> _Found:
    """The images in a folder of the package, wherever in it the folder is, and the table."""
    roots = [place, place / "package", *place.resolve().parents[:3]]
    pictures = next(
        (path for path in (place / "img/google/64", place / "package/img/google/64") if path.is_dir()), place
    )
    tables = [root / "emoji.json" for root in roots if (root / "emoji.json").is_file()]
    try:
        files: dict[str, bytes | Path] = {path.name: path for path in pictures.glob("*.png")}
    except OSError as error:
        raise BadData(f"The folder {pictures} cannot be read: {error.strerror}.") from error
    return files, read_bytes(tables[0]).tobytes() if tables else None


def _archive(place: Path) -> _Found:
    """The same from the archive."""
    files: dict[str, bytes | Path] = {}
    table: bytes | None = None
    try:
        for name, content in _members(place):
            if name == "emoji.json":
                table = content
            else:
                files[name] = content
    except BadData as error:
        raise BadData(f"{error} Expected {_WANTED}.") from error
    return files, table


def _members(place: Path) -> Iterator[tuple[str, bytes]]:
    packed, _, damage = decompressed(place, most=_LARGEST_IN_ALL)
    if damage:
        raise BadData(f"{place} is truncated or damaged ({damage}).")
    for member in tar_members(packed):
        match = _MEMBER.fullmatch(member.name.decode("utf-8", "backslashreplace").removeprefix("./"))
        if match is None or member.fault:
            continue
        name = match["picture"] or match["table"]
        if member.length > _LARGEST:
            raise BadData(f"{place}: {name} has {member.length:,} bytes, too many for an emoji.")
        yield name, packed.read(member.offset, member.length)


def _categories(table: bytes, source: str) -> dict[str, str]:
    """Category by the name of the image's file, of emoji and their variations."""
    found: dict[str, str] = {}
    try:
        for emoji in json.loads(table):
            variations: Mapping[str, Any] = emoji.get("skin_variations") or {}
            for shown in (emoji, *variations.values()):
                found[str(shown["image"])] = str(emoji["category"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadData(f"{source}: emoji.json is not a table of emoji ({type(error).__name__}: {error}).") from error
    return found
