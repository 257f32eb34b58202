"""Unpacking a zip that came from elsewhere: only into its folder, only what fits."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from gantlet.errors import BadData, StoreError

from .transfer import check_room

__all__ = ["unzip"]


def unzip(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder; nothing is written when one of its names leads elsewhere.

    Raises:
        BadData: It is truncated, damaged or protected, or one of its names leads out of the folder.
        StoreError: There is not enough room, or the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            outside = [name for name in packed.namelist() if _leads_out(name)]
            if outside:
                raise BadData(f"{archive} holds '{outside[0]}', which leads out of its folder; it is not unpacked.")
            check_room(folder, sum(entry.file_size for entry in packed.infolist()))
            packed.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadData(f"{archive} cannot be unpacked ({error}); delete it and get it again.") from error
    except OSError as error:
        raise StoreError(f"{archive} cannot be unpacked into {folder}: {error.strerror or error}.") from error


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
