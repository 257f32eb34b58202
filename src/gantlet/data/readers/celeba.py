"""CelebA's aligned images with the authors' partition.

Reference:
    | Deep learning face attributes in the wild (Liu, Luo, Wang, Tang, 2015), https://arxiv.org/abs/1411.7766
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gantlet.errors import BadData

from .archive import ZipReader
from .base import Entry, Fault, Part, Raw
from .folder import FolderReader
from .layout import check_folder, read_text

__all__ = ["CelebAReader"]

_LISTS = ("list_eval_partition.txt", "list_eval_partition.csv")
_PICTURES = ("img_align_celeba.zip", "img_align_celeba", "img_align_celeba_png")
_PARTS: Mapping[str, Part | None] = {"0": "train", "1": None, "2": "test"}
_WANTED = "img_align_celeba.zip or the folder img_align_celeba, and list_eval_partition.txt (or .csv) beside it"


class CelebAReader:
    """``img_align_celeba.zip`` or the folder ``img_align_celeba``, beside ``list_eval_partition.txt`` or ``.csv``.

    The path is that of the images, or of the folder with both. Part: 0 is train and 2 is test; 1, validation, is the
    test part where there is no 2, else it is left out. No label: CelebA's forty attributes are not classes.
    Names are those of the images, as ``000001.jpg``.

    Raises:
        BadData: Images or list are missing, or name different images; or a list of another layout.
    """

    marks: ClassVar[tuple[str, ...]] = ("list_eval_partition.*", "../list_eval_partition.*")
    companions: ClassVar[tuple[str, ...]] = _LISTS

    def __init__(self, path: str) -> None:
        images, listed = _found(Path(path).expanduser())
        reader = ZipReader(str(images)) if images.is_file() else FolderReader(str(images))
        try:
            parts = _partition(listed)
            places = _places(reader, parts, source=f"{images} and {listed.name}")
        except BaseException:
            reader.close()
            raise
        self._reader: ZipReader | FolderReader = reader
        held_out: Part | None = None if "2" in parts.values() else "test"
        meaning: Mapping[str, Part | None] = {**_PARTS, "1": held_out}
        kept: list[tuple[str, Part | None]] = [(name, meaning[parts[name]]) for name in sorted(places)]
        self.entries: Sequence[Entry] = [Entry(name, part=part) for name, part in kept if part is not None]
        self.faults: Sequence[Fault] = reader.faults
        self._places = [places[entry.name] for entry in self.entries]
        self.facts: Mapping[str, Any] = {
            "format": "CelebA",
            "images": len(self.entries),
            "parts": dict(Counter(entry.part for entry in self.entries)),
            "left_out": {"val": len(kept) - len(self.entries)},
            "faults": len(self.faults),
        }

    def read(self, place: int) -> Raw:
        """The encoded file of ``entries[place]``.

        Raises:
            BadImage: It cannot be read.
        """
        return self._reader.read(self._places[place])

    def close(self) -> None:
        """Let go of the archive."""
        self._reader.close()


def _found(path: Path) -> tuple[Path, Path]:
    """Where the images and where the list are."""
    if path.is_file():
        return path, _list_beside(path)
    check_folder(path, wanted=_WANTED)
    inside = next((path / name for name in _PICTURES if (path / name).exists()), None)
    if inside is None:
        return path, _list_beside(path)
    has_list = any((path / name).is_file() for name in _LISTS)
    return inside, _list_beside(inside) if has_list else _list_beside(path)


def _list_beside(images: Path) -> Path:
    for name in _LISTS:
        if (images.parent / name).is_file():
            return images.parent / name
    raise BadData(
        f"There is no {_LISTS[0]} (or .csv) beside {images}; expected {_WANTED}. "
        "Images without a partition are read by the readers 'folder' and 'zip'."
    )


def _partition(listed: Path) -> dict[str, str]:
    """The number of each image's part, by the image's name."""
    parts: dict[str, str] = {}
    for number, line in enumerate(read_text(listed).splitlines(), start=1):
        name, *rest = line.replace(",", " ").split() or [""]
        if not name or (number == 1 and name == "image_id"):
            continue
        if len(rest) != 1 or rest[0] not in _PARTS:
            raise BadData(f"{listed}, line {number}: '{line[:60]}' is not an image's name and 0, 1 or 2.")
        if name in parts:
            raise BadData(f"{listed}, line {number}: {name[:60]} was listed before.")
        parts[name] = rest[0]
    if not parts:
        raise BadData(f"{listed} lists no images.")
    return parts


def _places(reader: ZipReader | FolderReader, parts: Mapping[str, str], *, source: str) -> dict[str, int]:
    """The place of each image in its reader, by bare name.

    Raises:
        BadData: The images are not those of the list.
    """
    places: dict[str, int] = {}
    for place, entry in enumerate(reader.entries):
        name = entry.name.rpartition("/")[2]
        if name in places:
            raise BadData(f"{source}: two images are called {name}, in different folders; keep one of them.")
        places[name] = place
    unlisted = sorted(places.keys() - parts.keys())
    # An image that its reader found unusable is accounted for there.
    missing = sorted(parts.keys() - places.keys() - {fault.name.rpartition("/")[2] for fault in reader.faults})
    if unlisted or missing:
        first = (unlisted or missing)[0]
        raise BadData(
            f"{source} disagree: of {len(places)} images {len(unlisted)} are not listed, of {len(parts)} listed names "
            f"{len(missing)} are not there; the first is {first[:60]}. Get both again."
        )
    return places
