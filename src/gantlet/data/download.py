"""Downloads: files from the first mirror that has the right bytes, a named data set, a list of shards.

A set is gathered in a hidden folder of the data directory and takes its name when every file is whole and checked. Giving the
same command again goes on where the last one stopped, also after Ctrl-C.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from gantlet.errors import BadData, BadValue, FolderInUse, StoreError
from gantlet.files import locked

from . import data_dir
from .dataset_card import DatasetCard, RemoteFile, card_or_none
from .files import expand_braces
from .transfer import DownloadTarget, RetryableError, check_room, discard, transfer
from .unzip import unzip

__all__ = ["ProgressCallback", "RetryPolicy", "download", "download_list", "fetch", "read_list", "remote_file"]

ProgressCallback: TypeAlias = Callable[[str, int, int], object]
"""Receives the file's name, the bytes received so far, and the bytes in total (0 if unknown)."""

_WORTH = 1 << 20  # bytes that make a try count as progress
_LONGEST_PAUSE = 30.0  # seconds


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a server is retried.

    Attributes:
        timeout: Seconds of silence after which a try has failed.
        tries: How many tries at one address may follow each other without getting 1 MB further.
        pause: Seconds before the second try; doubled each time, at most 30.
    """

    timeout: float = 30.0
    tries: int = 5
    pause: float = 1.0


def fetch(
    file: RemoteFile, folder: Path, *, retry: RetryPolicy | None = None, progress: ProgressCallback | None = None
) -> Path:
    """Put one file into a folder, from the first of its addresses that gives the right bytes.

    Raises:
        BadData: No address has it; the message says what each of them did.
        StoreError: The disk is full or cannot be written.
    """
    target = folder / file.name
    if target.exists():
        if not file.fault(target):
            return target
        target.unlink()
    faults: list[str] = []
    for url in file.urls:
        try:
            return _fetch_from(url, file, target, retry or RetryPolicy(), progress or _silent)
        except RetryableError as error:
            faults.append(f"{urlsplit(url).netloc or url}: {error}")
    raise BadData(f"{file.name} cannot be downloaded: {'; '.join(faults) or 'it has no address'}.")


def download(known: DatasetCard, *, retry: RetryPolicy | None = None, progress: ProgressCallback | None = None) -> Path:
    """Download a named data set into the data directory.

    Returns:
        Its folder.

    Raises:
        FolderInUse: It is there already.
        BadData: It cannot be fetched by a program, or no address has the right bytes.
        StoreError: There is not enough room, or another process is downloading it.
    """
    if known.made_from:
        raise BadData(f"'{known.name}' is made from '{known.made_from}': `gantlet data download {known.made_from}`.")
    if not known.downloadable:
        raise BadData(f"'{known.name}' cannot be downloaded by a program. {known.how}")
    return _gather(known.name, known.files, retry=retry, progress=progress, unpacked=known.unpacked)


def download_list(
    name: str,
    files: Sequence[RemoteFile],
    *,
    retry: RetryPolicy | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Download shards into the data directory, as a set of one's own.

    Raises:
        BadValue: The name belongs to a named data set.
        FolderInUse, BadData, StoreError: As for :func:`download`.
    """
    if card_or_none(name) is not None:
        raise BadValue(f"'{name}' is a data set with a card; give your shards another name.")
    return _gather(name, files, retry=retry, progress=progress)


def read_list(words: str) -> list[RemoteFile]:
    """The files of an address with braces, or of a text file: an address on each line, and its hash if known.

    Example:
        >>> [file.name for file in read_list("https://example.org/shard-{08..11}.tar")]
        ['shard-08.tar', 'shard-09.tar', 'shard-10.tar', 'shard-11.tar']

    Raises:
        BadData: There is no such file, a line is not an address, or two files would have one name.
    """
    if re.match(r"https?://", words):
        rows = [(url, "") for url in _addresses(words)]
    else:
        rows = list(_rows(Path(words).expanduser()))
    files = [remote_file(url, hash) for url, hash in rows]
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadData(f"Two addresses of {words} end in '{twice}'; the files of a set need names of their own.")
    return files


# One file


def _fetch_from(url: str, file: RemoteFile, path: Path, retry: RetryPolicy, progress: ProgressCallback) -> Path:
    part = path.with_name(f"{path.name}.part")
    hashed = bool(file.md5 or file.sha256)
    target = DownloadTarget(
        part, file.size, hashed, retry.timeout, lambda received, total: progress(file.name, received, total)
    )
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            transfer(url, target)
            if fault := file.fault(part):
                discard(part)
                raise RetryableError(
                    f"wrong bytes, {fault}", final=not before
                )  # a mixture of versions gets one more chance
            part.replace(path)
            discard(part)
            return path
        except RetryableError as error:
            gained = (part.stat().st_size if part.exists() else 0) - before
            failed = 1 if gained >= _WORTH else failed + 1
            if error.final or failed >= retry.tries:
                raise
            time.sleep(max(error.wait, min(retry.pause * 2 ** (failed - 1), _LONGEST_PAUSE)))


def _silent(name: str, came: int, aim: int) -> None:
    """Progress that nobody asked for."""


# A set


def _gather(
    name: str,
    files: Sequence[RemoteFile],
    *,
    retry: RetryPolicy | None,
    progress: ProgressCallback | None,
    unpacked: bool = False,
) -> Path:
    place = data_dir.folder(name)
    if place.exists() or place.is_symlink():
        raise FolderInUse(f"'{name}' is there already, in {place}; `gantlet data verify {name}` checks it.")
    work = place.with_name(f".{name}.download")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{work} cannot be made: {error.strerror}. Set GANTLET_DATA to a folder of yours.") from error
    with locked(work.with_suffix(".lock"), wait=False) as holder:
        if holder is not None:
            raise StoreError(f"Another process is downloading '{name}' into {work.parent}: {holder}.")
        there = sum(path.stat().st_size for path in work.iterdir() if path.is_file())
        check_room(work, sum(file.size for file in files) - there)
        for file in files:
            path = work / file.name
            if not (unpacked and _done(path).exists()):
                fetch(file, work, retry=retry, progress=progress)
            if unpacked:
                _unpack(path)
        for mark in work.glob(".*.done"):
            mark.unlink()
        work.rename(place)
    return place


def _done(archive: Path) -> Path:
    """Marks an archive as unpacked and deleted."""
    return archive.with_name(f".{archive.name}.done")


def _unpack(archive: Path) -> None:
    """Unpack a zip beside itself, and delete it: its content is what is used, and it may be large."""
    if not _done(archive).exists():
        unzip(archive, archive.parent)
        _done(archive).touch()
    archive.unlink(missing_ok=True)  # also where a stop came between the two


# Lists


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(
            f"The list {path} cannot be read ({error}); give a text file of addresses, or an address."
        ) from error
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split() if not line.startswith("#") else []
        if not words:
            continue
        if len(words) > 2 or not re.match(r"https?://", words[0]):
            raise BadData(f"{path}, line {number}: expected an address (http or https) and perhaps its hash.")
        yield from ((url, words[1] if len(words) == 2 else "") for url in _addresses(words[0]))


def _addresses(pattern: str) -> list[str]:
    urls = expand_braces(pattern)
    if any(brace in urls[0] for brace in "{}"):
        raise BadData(f"'{pattern}' has braces without a meaning; write {{000..127}} or {{a,b}}.")
    return urls


def remote_file(url: str, hash: str = "") -> RemoteFile:
    """The file at an address, and its MD5 or SHA-256 where it is known.

    Raises:
        BadData: The address is none or does not end in a file's name, or the hash is none.
    """
    try:
        name = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError as error:
        raise BadData(f"The address {url} cannot be read: {error}.") from error
    if not re.fullmatch(r"[^./\\\0][^/\\\0]{0,199}", name):
        raise BadData(f"The address {url} does not end in the name of a file.")
    if not re.fullmatch(r"([0-9a-fA-F]{32}|[0-9a-fA-F]{64})?", hash):
        raise BadData(f"'{hash}' is not a hash: give an MD5 (32 hexadecimal digits) or a SHA-256 (64).")
    digits = hash.lower()
    return RemoteFile(name, (url,), md5=digits if len(digits) == 32 else "", sha256=digits if len(digits) == 64 else "")
