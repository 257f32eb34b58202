"""Import and verify: whether files are the data set that a card describes, and how they get into the data directory.

What a user already has is opened by the card's reader, counted against the card, and held to the published hashes as
far as they are known; then it is linked or copied. Nothing is overwritten, and nothing that does not fit comes in.
"""

from __future__ import annotations

import gzip
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantlet.errors import BadData, FolderInUse, StoreError
from gantlet.files import file_digest
from gantlet.leftovers import temporary_folder

from . import data_dir
from .dataset_card import DatasetCard, RemoteFile
from .inspect import Inspection, inspect
from .prepared import PreparedSet
from .readers.base import Reader, open_reader
from .readers.prepared import PreparedReader
from .transfer import check_room
from .unzip import unzip

__all__ = ["FileState", "Verification", "import_files", "misfit", "states", "verify"]


@dataclass(frozen=True)
class FileState:
    """What a published file, or a shard that was prepared, turned out to be.

    ``state`` is ``right``, ``wrong`` (``reason`` says how), ``absent`` (another form of the data may do as well), or
    ``unknown`` (no hash was published).
    """

    name: str
    state: Literal["right", "wrong", "absent", "unknown"]
    reason: str = ""


@dataclass(frozen=True)
class Verification:
    """What was found of a data set in the data directory.

    Attributes:
        name: The data set.
        path: What its reader was given.
        files: The published files, or the shards of a prepared folder.
        parts: Images by part.
        misfit: In what it differs from its card; empty if in nothing.
        inspection: What decoding every image brought, where that was asked for.
    """

    name: str
    path: Path
    files: tuple[FileState, ...]
    parts: dict[str, int]
    misfit: str
    inspection: Inspection | None = None

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        decoded = self.inspection is None or not self.inspection.faults
        return not self.misfit and decoded and all(file.state != "wrong" for file in self.files)


def import_files(known: DatasetCard, path: Path, *, copy: bool = False) -> Path:
    """Take what the user has into the data directory, as a link or as a copy.

    A zip that the card's reader wants unpacked is unpacked, which is a copy.

    Returns:
        Its place in the data directory.

    Raises:
        FolderInUse: The data set is there already.
        BadData: The path is missing or holds something else; the message says in what it differs from the card.
        StoreError: There is not enough room, or the data directory cannot be written.
    """
    if known.made_from:
        raise BadData(f"'{known.name}' is made from '{known.made_from}': import that one.")
    place = data_dir.folder(known.name)
    if place.exists() or place.is_symlink():
        raise FolderInUse(f"'{known.name}' is there already, in {place}; nothing is overwritten: move it away first.")
    path = path.expanduser().resolve()
    if not path.exists():
        raise BadData(f"There is no {path}.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        work = temporary_folder(place)
    except OSError as error:
        raise StoreError(f"{place.parent} cannot be written: {error.strerror}. Set GANTLET_DATA elsewhere.") from error
    try:
        new = work / "new"
        new.mkdir()
        if known.unpacked and path.is_file() and zipfile.is_zipfile(path):
            unzip(path, new)
            _check(known, new, shown=path)
        else:
            _check(known, path, shown=path)
            content = data_dir.content_of(path)
            _put(content, new / content.name, copy=copy)  # under its own name: readers may look at that of a folder
            _check_alone(known, new, shown=path)
        new.rename(place)
    except OSError as error:
        raise StoreError(f"{path} cannot be brought to {place}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def verify(
    name: str, known: DatasetCard | None, *, full: bool = False, progress: Callable[[int, int], object] | None = None
) -> Verification:
    """Hold a data set in the data directory to its card: hashes, counts, and, if asked, every image.

    A prepared folder (``prepared:FOLDER``) is held to the hashes that were taken when it was written; another set without
    a card (shards of the user's own) can only be opened and counted.

    Raises:
        BadData: It is not there, or its reader cannot open it.
    """
    place = data_dir.locate(name)
    reader = open_reader(place.kind, str(place.path))
    try:
        found = inspect(reader, progress=progress) if full else None
        if known is not None:
            files = states(known, data_dir.folder(known.made_from or name))
        else:
            files = _shards(reader.prepared) if isinstance(reader, PreparedReader) else ()
        fault = misfit(known, reader) if known is not None and not known.made_from else ""
        return Verification(name, place.path, files, _parts(reader), fault, found)
    finally:
        reader.close()


def _shards(prepared: PreparedSet) -> tuple[FileState, ...]:
    changed = prepared.verify()
    return tuple(
        FileState(shard.file, "wrong", "has other pixels than those that were written")
        if shard.file in changed
        else FileState(shard.file, "right")
        for shard in prepared.shards
    )


def misfit(known: DatasetCard, reader: Reader) -> str:
    """In what a source differs from a card, as a sentence without a full stop; empty if in nothing."""
    parts = _parts(reader)
    for part, expected in known.pictures.items():
        came = parts.pop(part, 0)
        if came != expected and not (came == 0 and part in known.may_lack):
            of = f" in the part '{part}'" if part else ""
            return f"{came:,} images{of}, where '{known.name}' has {expected:,}"
    if parts:
        part, came = parts.popitem()
        return f"{came:,} images in the part '{part}', which '{known.name}' does not have"
    return ""


def states(known: DatasetCard, place: Path) -> tuple[FileState, ...]:
    """What became of each published file in a folder, or of one given alone; it may be unpacked, or packed anew."""
    folders = [folder for folder in {place, data_dir.content_of(place)} if folder.is_dir()]
    there = {path.name: path for folder in folders for path in folder.iterdir()} or {place.name: place}
    return tuple(_state(file, there) for file in known.files)


def _put(path: Path, beside: Path, *, copy: bool) -> None:
    if not copy:
        beside.symlink_to(path, target_is_directory=path.is_dir())
    elif path.is_dir():
        check_room(beside.parent, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
        shutil.copytree(path, beside)
    else:
        check_room(beside.parent, path.stat().st_size)
        shutil.copy2(path, beside)


def _check(known: DatasetCard, source: Path, *, shown: Path) -> None:
    """Refuse what is not the data set; ``shown`` is what the user gave."""
    content = data_dir.content_of(source)
    reader = open_reader(known.reader, str(content / known.within if known.within else content))
    try:
        if fault := misfit(known, reader):
            raise BadData(f"{shown} is not '{known.name}': it holds {fault}.")
    finally:
        reader.close()
    for file in states(known, source):
        if file.state == "wrong":
            raise BadData(f"{shown} is not the published '{known.name}': {file.name} {file.reason}.")


def _check_alone(known: DatasetCard, new: Path, *, shown: Path) -> None:
    """A single file must do without what lay beside it."""
    if not shown.is_file():
        return
    try:
        _check(known, new, shown=shown)
    except BadData as error:
        raise BadData(f"{shown} does not stand alone; import the folder {shown.parent} instead.") from error


def _state(file: RemoteFile, there: Mapping[str, Path]) -> FileState:
    plain = file.name.removesuffix(".gz")
    spellings = (file.name, plain, *(name.replace("-idx", ".idx") for name in (file.name, plain)))
    found = next((there[name] for name in spellings if name in there and there[name].is_file()), None)
    if found is None:
        return FileState(file.name, "absent")
    fault = file.fault(found) if found.name == file.name else "it is another form of the file"
    if fault and file.content_md5:
        came = _content_md5(found)
        fault = (
            "" if came == file.content_md5 else f"holds other bytes: their MD5 is {came}, expected {file.content_md5}"
        )
    if fault:
        return FileState(found.name, "wrong", fault)
    return FileState(found.name, "right" if file.md5 or file.sha256 or file.content_md5 else "unknown")


def _content_md5(path: Path) -> str:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.GzipFile(path) if packed else path.open("rb") as file:
            return file_digest(file, "md5")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "unknown, since it is damaged"


def _parts(reader: Reader) -> dict[str, int]:
    return dict(Counter(str(entry.part) for entry in reader.entries))
