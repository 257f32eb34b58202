"""Cards: what is known of each data set that has a name, from its licence to the hashes of its files.

A card fetches nothing and reads nothing: :mod:`gantlet.data.download` fetches its files, :mod:`gantlet.data.data_dir` says
where they are stored, and the reader that it names lists the images in them. Each card is one line of the catalogue's family
"card".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantlet import catalogue
from gantlet.errors import UnknownName
from gantlet.files import file_digest

from .readers.base import Part

__all__ = ["DatasetCard", "RemoteFile", "card", "card_or_none"]


@dataclass(frozen=True)
class RemoteFile:
    """A file as its publisher serves it.

    Attributes:
        name: The name under which it is kept.
        urls: Where it can be had, the best first; empty where no program can fetch it.
        md5: Its MD5, hexadecimal; empty if unknown. It tells damage, not malice.
        sha256: Its SHA-256, hexadecimal; empty if unknown.
        content_md5: The MD5 of what a .gz holds: one that was packed anew is as good.
        size: Its length in bytes; 0 if unknown.
    """

    name: str
    urls: tuple[str, ...] = ()
    md5: str = ""
    sha256: str = ""
    content_md5: str = ""
    size: int = 0

    def fault(self, path: Path) -> str:
        """What is wrong with the file at ``path``, as the publisher knows it; empty if nothing is.

        Only what the card states is compared: the length, then the hashes.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder, "a.bin")
            ...     _ = path.write_bytes(b"abc")
            ...     RemoteFile("a.bin", size=4).fault(path), RemoteFile("a.bin", md5="00").fault(path)
            ('it has 3 bytes, expected 4', 'its MD5 is 900150983cd24fb0d6963f7d28e17f72, expected 00')
        """
        length = path.stat().st_size
        if self.size and length != self.size:
            return f"it has {length:,} bytes, expected {self.size:,}"
        if self.sha256 and (digest := file_digest(path)) != self.sha256:
            return f"its SHA-256 is {digest}, expected {self.sha256}"
        if self.md5 and (digest := file_digest(path, "md5")) != self.md5:
            return f"its MD5 is {digest}, expected {self.md5}"
        return ""


@dataclass(frozen=True)
class DatasetCard:
    """What is known of a data set.

    Attributes:
        name: As on the command line.
        title: As its authors call it.
        summary: One line for ``gantlet list``.
        licence: Under which it is given out, or what its home page says instead.
        home: Its home page.
        paper: Where it was described.
        size: What the images look like, in words.
        pictures: How many the publisher gives, by part; an empty part where the data are not split.
        reader: The reader that lists its images (catalogue family "reader").
        files: What is downloaded.
        may_lack: Parts that an import may come without.
        within: What of the files is meant, where they hold more than one set: added to the path that the reader is given.
        unpacked: Whether archives are unpacked after the download, because their reader needs a folder.
        split: How training and test images are told apart.
        normalisation: What the networks see.
        height: To how many pixels images are resized by default.
        width: The same.
        center_crop: The side of the square that is cut from the middle before, in pixels; 0 for none.
        colour: What images are decoded to.
        classes: How many labels there are; 0 for none.
        made_from: The data set that it is made of, where it has no files of its own.
        how: What a user does where no program can fetch the files.
    """

    name: str
    title: str
    summary: str
    licence: str
    home: str
    paper: str
    size: str
    pictures: Mapping[Part, int]
    reader: str
    files: tuple[RemoteFile, ...] = ()
    may_lack: tuple[Part, ...] = ()
    within: str = ""
    unpacked: bool = False
    split: str = ""
    normalisation: str = "x / 127.5 - 1, to [-1, 1]"
    height: int = 0
    width: int = 0
    center_crop: int = 0
    colour: Literal["rgb", "grey"] = "rgb"
    classes: int = 0
    made_from: str = ""
    how: str = ""

    @property
    def downloadable(self) -> bool:
        """Whether every file has an address."""
        return bool(self.files) and all(file.urls for file in self.files)

    @property
    def bytes(self) -> int:
        """How much is downloaded, in bytes; 0 if not every length is known."""
        sizes = [file.size for file in self.files]
        return sum(sizes) if all(sizes) else 0


def card(name: str) -> DatasetCard:
    """The card of a data set.

    Example:
        >>> card("mnist").pictures["train"]
        60000

    Raises:
        UnknownName: There is no such card.
    """
    return catalogue.find("card", name)


def card_or_none(name: str) -> DatasetCard | None:
    """The card of a data set, or None where the name is nobody's (a set of the user's own)."""
    try:
        return card(name)
    except UnknownName:
        return None
