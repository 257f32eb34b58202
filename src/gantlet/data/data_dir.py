"""The data directory: where the raw files of named data sets are stored, one folder for each.

It is ``$GANTLET_DATA``, else ``$XDG_DATA_HOME/gantlet/data``, else ``~/.local/share/gantlet/data``. What is in it is
whole: a download and a copy are made beside their place and renamed into it. A set may be a link to files elsewhere.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gantlet import catalogue
from gantlet.errors import BadData, BadValue

from .dataset_card import DatasetCard, card_or_none
from .files import expand_braces, is_shut, named_path
from .own_files import task_of
from .readers.base import reader_for

__all__ = [
    "Located",
    "content_of",
    "find_raw",
    "folder",
    "have",
    "is_here",
    "locate",
    "names_files",
    "reader_of",
    "root",
]

_OWN_KIND = "shards"
"""The reader of sets that have no card: lists of shards that the user downloaded."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Located:
    """Images that were found: the reader to open, the path to give it, and the card, if they have one."""

    kind: str
    path: Path
    card: DatasetCard | None = None


def root() -> Path:
    """The data directory; it need not exist yet.

    Raises:
        BadValue: ``$GANTLET_DATA`` begins with the home folder of a user that does not exist.
    """
    given = os.environ.get("GANTLET_DATA", "").strip()
    shared = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    place = Path(given) if given else Path(shared) / "gantlet" / "data"
    try:
        return place.expanduser()
    except RuntimeError as error:
        raise BadValue(f"The data directory {place} cannot be found: {error}. Set GANTLET_DATA to a folder.") from error


def folder(name: str) -> Path:
    """The place of a data set in the data directory, whether it is there or not.

    Raises:
        BadValue: The name is none that a folder could have.
    """
    if not _NAME.fullmatch(name):
        raise BadValue(f"'{name}' is not a name that a data set can have: use small letters, digits, '.', '_' and '-'.")
    return root() / name


def have() -> list[str]:
    """The names of the data sets that are in the data directory, in order."""
    try:
        return sorted(path.name for path in root().iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    except OSError:
        return []


def find_raw(name: str) -> Path:
    """The raw files of a data set, as its reader wants them: the one file or folder it consists of, or its folder.

    Raises:
        BadData: They are not there; the message says how to get them.
    """
    known = card_or_none(name)
    if known is not None and known.made_from:
        return find_raw(known.made_from)
    place = folder(name)
    if not place.exists():
        raise BadData(_missing(name, place, known))
    content = content_of(place)
    if not content.exists():
        raise BadData(_missing(name, content, known))
    return content / known.within if known is not None and known.within else content


def content_of(place: Path) -> Path:
    """What stands alone in a folder, or the folder itself; hidden files do not count.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as inside:
        ...     Path(inside, "one.zip").touch()
        ...     content_of(Path(inside)).name
        'one.zip'

    Raises:
        BadData: The folder is empty, or cannot be read.
    """
    if not place.is_dir():
        return place
    try:
        entries = [path for path in place.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise BadData(f"The folder {place} cannot be read: {error.strerror}.") from error
    if not entries:
        raise BadData(f"The folder {place} is empty.")
    return entries[0] if len(entries) == 1 else place


def names_files(source: object) -> bool:
    """Whether a task's source says where its data are: a path of the user's own in ``data_path``, or the name of a set in ``card``.

    Example:
        >>> from gantlet.data.points import Points
        >>> names_files(Points()), names_files(Points(data_path="x.csv"))
        (False, True)
    """
    return bool(str(getattr(source, "data_path", "")).strip() or getattr(source, "card", ""))


def is_here(source: object) -> bool:
    """Whether the files that a source names are on this disk, whatever they hold; any of those that match a pattern.

    Those in a folder that may not be entered are: whoever reads them says so.

    Example:
        >>> from gantlet.data.points import Points
        >>> is_here(Points(data_path="/nowhere/x.csv"))
        False
    """
    path = os.path.expanduser(str(getattr(source, "data_path", "")).strip())
    try:
        if path:
            return os.path.exists(path) or is_shut(path) or any(map(glob.glob, expand_braces(path)))
        return find_raw(str(getattr(source, "card", ""))).exists()
    except (BadData, BadValue):
        return False


def reader_of(source: object) -> str:
    """The reader of a task's source, that of its data set or its own; empty where it has none, as points have.

    Example:
        >>> from gantlet.data.points import Points
        >>> reader_of(Points())
        ''
    """
    known = card_or_none(str(getattr(source, "card", "")))
    return known.reader if known else str(getattr(source, "reader", ""))


def locate(source: str) -> Located:
    """Images by the name of a data set, or by ``KIND:PATH`` such as ``folder:pictures``: a reader's name, or a task's.

    Raises:
        BadData: Nothing was named, it is not there, or it has no images.
        UnknownName: There is no such reader.
    """
    kind, colon, path = source.partition(":")
    if colon and path.strip():
        reader, known = _reader_of(kind, path)
        return Located(reader, named_path(path, task=kind, form="PATH"), known)
    known = card_or_none(source) or (_task_card(source) if not task_of(source) else None)
    if known is None and (os.sep in source or source not in have()):
        names = ", ".join(dict.fromkeys([*catalogue.names("card"), *have()]))
        place = Path(os.path.expanduser(source))
        array = "images" if place.suffix.lower() in (".npy", ".npz") else ""
        task = task_of(source) or array or reader_for(place)
        if os.path.isfile(place) and not task:
            raise BadData(
                f"{source} is a file that no reader takes. Images are read from a folder (folder:DIR), an archive (zip:FILE, "
                "tar:FILE), an array (images:FILE.npy) and others: gantlet list readers"
            )
        task = task or "folder"
        if task == "points":
            raise BadData(_not_images(source))
        raise BadData(f"'{source}' is not a data set ({names}); for files of your own write {task}:{source or 'PATH'}.")
    return Located(known.reader if known else _OWN_KIND, find_raw(known.name if known else source), known)


def _reader_of(kind: str, path: str) -> tuple[str, DatasetCard | None]:
    """The reader of that name, or that of the task of that name with its data set's card.

    Raises:
        BadData: The task has points, not images.
        UnknownName: There is neither.
    """
    if kind in catalogue.names("reader") or kind not in catalogue.names("task"):
        catalogue.find("reader", kind)
        return kind, None
    source = catalogue.find("task", kind).source
    if not (reader := reader_of(source)):
        raise BadData(_not_images(path))
    return reader, card_or_none(getattr(source, "card", ""))


def _task_card(name: str) -> DatasetCard | None:
    """The data set of a named task, such as ``celeba64``.

    Raises:
        BadData: The task draws points.
    """
    if name not in catalogue.names("task"):
        return None
    source = catalogue.find("task", name).source
    if not hasattr(source, "data_path"):
        raise BadData(f"The task '{name}' draws points from a known distribution, and gantlet data looks at images.")
    return card_or_none(source.card) if getattr(source, "card", "") else None


def _not_images(path: str) -> str:
    return (
        f"{path} has points, and gantlet data looks at images. To see whether it is read as you mean it, write: gantlet run "
        f"points:{path} vanilla --dry-run"
    )


def _missing(name: str, place: Path, known: DatasetCard | None) -> str:
    if place.is_symlink():
        return (
            f"The data set '{name}' was linked to {place.readlink()}, which is gone: remove {folder(name)}, then "
            f"`gantlet data import {name} PATH`."
        )
    here = f"The data set '{name}' is not in {root()}"
    if known is not None and known.downloadable:
        return f"{here}: `gantlet data download {name}` fetches it, `gantlet data import {name} PATH` takes a copy of yours."
    if known is not None:
        return f"{here}. {known.how}"
    return f"{here}: `gantlet data download --urls LIST {name}` fetches shards under that name."
