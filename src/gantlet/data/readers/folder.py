"""A folder of images, nested as deep as wanted; its folders' names say class and part (:mod:`.listing` has the rules).

Symbolic links are followed, each folder once: every folder is known by its device and inode, real folders come before
linked ones, and a link to a folder that was read already is noted and skipped, so that circles end.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from gantlet.data.files import absent
from gantlet.data.own_files import task_of
from gantlet.errors import BadData, BadImage

from .base import Entry, Fault
from .listing import MOST_BYTES, Listing, skip_reason

__all__ = ["STUDY", "FolderReader"]

STUDY = "study.json"
"""What tells a study of gantlet's, which may be among the images that it was trained on: its samples are none of them."""


class FolderReader:
    """All images below a folder, by name.

    Studies of gantlet's are skipped. Folders that cannot be opened, links that lead nowhere or back, and what is neither file nor folder are faults. Whether
    a file can be opened shows when it is read.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as root:
        ...     for name in ("cat", "dog"):
        ...         Path(root, name).mkdir()
        ...         _ = Path(root, name, "1.png").write_bytes(b"bytes")
        ...     reader = FolderReader(root)
        ...     reader.entries[1], reader.read(1)
        (Entry(name='dog/1.png', label='dog', part=''), b'bytes')

    Raises:
        BadData: There is no such folder, it cannot be opened, or it holds no images.
    """

    entries: Sequence[Entry]
    faults: Sequence[Fault]
    facts: Mapping[str, Any]

    def __init__(self, path: str) -> None:
        self._root = os.path.expanduser(path)
        if not os.path.isdir(self._root):
            if os.path.exists(self._root):
                task = task_of(path)
                remedy = f"write {task}:{path}" if task else "'zip' and 'tar' read archives"
                raise BadData(f"{path} is a file; the reader 'folder' wants a folder: {remedy}.")
            raise BadData(absent("folder", path))
        listing = Listing[str]()
        _walk(self._root, listing)
        self.entries, self._files, facts = listing.sorted_out(f"The folder {path}")
        self.faults = listing.faults
        self.facts = {"format": "folder", **facts}

    def read(self, place: int) -> bytes:
        """The file of ``entries[place]``.

        Raises:
            BadImage: It cannot be opened, or is larger than 1 GiB.
        """
        try:
            with open(os.path.join(self._root, self._files[place]), "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size > MOST_BYTES:
                    raise BadImage(f"its file has {size / 2**20:.0f} MiB; more than {MOST_BYTES >> 20} are not read")
                return file.readall()
        except OSError as error:
            raise BadImage(f"it cannot be read: {_said(error)}") from error

    def close(self) -> None:
        """Nothing is held open."""


def _walk(root: str, listing: Listing[str]) -> None:
    """Every file below ``root`` by its path from there; linked folders last."""
    seen: dict[tuple[int, int], str] = {}
    real, linked = [""], deque[str]()
    while real or linked:
        folder = real.pop() if real else linked.popleft()
        try:
            state = os.stat(os.path.join(root, folder))
            known = seen.setdefault((state.st_dev, state.st_ino), folder)
            if known != folder:
                listing.fault(folder, f"it is the folder {known or 'that is read'} again, by a link")
                continue
            with os.scandir(os.path.join(root, folder)) as found:
                inner = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise BadData(f"The folder {root} cannot be read: {_said(error)}.") from error
            listing.fault(folder, f"the folder cannot be read: {_said(error)}")
            continue
        if folder and any(entry.name == STUDY for entry in inner):
            listing.skipped["studies"] += 1
            continue
        start = f"{folder}/" if folder else ""
        folders = [f"{start}{entry.name}" for entry in inner if _take(entry, f"{start}{entry.name}", listing, linked)]
        real.extend(reversed(folders))


def _take(entry: os.DirEntry[str], name: str, listing: Listing[str], linked: deque[str]) -> bool:
    """Note one thing of a folder; whether it is itself a folder to read."""
    if skip_reason(entry.name) == "hidden":
        listing.skipped["hidden"] += 1
        return False
    try:
        if entry.is_dir():
            if not entry.is_symlink():
                return True
            linked.append(name)
        elif entry.is_file():
            if listing.wants(name):
                listing.add(name, name)
        elif entry.is_symlink():
            listing.fault(name, "it is a link that leads nowhere")
        else:
            listing.fault(name, "it is neither a file nor a folder")
    except OSError as error:  # links in a circle, a target that may not be looked at
        listing.fault(name, f"it cannot be followed: {_said(error)}")
    return False


def _said(error: OSError) -> str:
    return error.strerror or str(error)
