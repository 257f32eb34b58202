"""One try to get one file from one address: HTTP with resuming, on the standard library.

What was received is in ``NAME.part``, and beside it ``NAME.part.json`` says from where and which version it is. The next
try asks for the rest of exactly that version (``Range`` with ``If-Range``) and trusts nothing: a server that ignores the
range sends everything anew, one that has another version is heard from the start, and a length that does not come true
is a failed try.

Reference:
    | RFC 9110, HTTP semantics (2022), sections 13.1.5 (If-Range) and 14 (range requests)
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from gantlet._version import VERSION
from gantlet.errors import StoreError

__all__ = ["DownloadTarget", "RetryableError", "check_room", "discard", "transfer"]

_CHUNK, _SLOWEST = 1 << 16, 1 << 10
_MOST_REDIRECTS = 5
_SPARE = 64 << 20  # bytes that a download leaves free
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class RetryableError(Exception):
    """A try that failed; never seen by a user.

    Arguments:
        reason: What happened, without a full stop.
        final: Whether another try at the same address is of no use.
        wait: For how many seconds the server asked to be left alone.
    """

    def __init__(self, reason: str, *, final: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.final, self.wait = final, wait


@dataclass(frozen=True)
class DownloadTarget:
    """What a try aims at.

    Attributes:
        part: The file that grows.
        size: How long it must become, in bytes; 0 if unknown.
        hashed: Whether its hash is known, so that a part of another origin may be completed: a mixture is found out.
        timeout: For how many seconds a server may be silent, or send fewer than 1,024 bytes.
        progress: Called with the bytes received and the bytes in all (0 if unknown).
    """

    part: Path
    size: int
    hashed: bool
    timeout: float
    progress: Callable[[int, int], object]


def transfer(url: str, target: DownloadTarget) -> None:
    """Fetch what is missing of a file; afterwards the part is as long as the server said.

    Raises:
        RetryableError: The try failed; what was received is kept for the next, unless it is of no use.
        StoreError: The disk is full or cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise RetryableError("only http and https are fetched", final=True)
    have = _length(target.part)
    validator = _note(target.part).get("validator", "") if _note(target.part).get("url") == url else ""
    headers = {"User-Agent": f"gantlet/{VERSION}", "Accept-Encoding": "identity"}
    if have and (validator or target.hashed):
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        with _open(url, headers, target.timeout) as answer:
            start, total = _offer(answer, have, target)
            check_room(target.part.parent, total - start)
            _write_note(target.part, url, answer)
            _write_body(answer, target, start, total)
    except HTTPError as error:
        with error:
            _refused(error, have, target)
    except TimeoutError as error:
        raise RetryableError(f"nothing was received for {target.timeout:g} s") from error
    except URLError as error:
        raise RetryableError(f"there is no connection ({error.reason})") from error
    except (HTTPException, OSError) as error:
        raise RetryableError(f"the connection broke ({error or type(error).__name__})") from error


def discard(part: Path) -> None:
    """Forget what has come."""
    for path in (part, _note_path(part)):
        path.unlink(missing_ok=True)


def check_room(folder: Path, need: int) -> None:
    """See to it that ``need`` more bytes fit into a folder, with 64 MB to spare.

    Raises:
        StoreError: They do not.
    """
    free = shutil.disk_usage(folder).free
    if need > 0 and need + _SPARE > free:
        raise StoreError(
            f"{need / 1e9:.2f} GB are still to be downloaded and {free / 1e9:.2f} GB are free in {folder}: make room, or set "
            "GANTLET_DATA to a larger disk."
        )


class _Redirects(request.HTTPRedirectHandler):
    """Follows a few redirects, and none from a protected connection to an open one."""

    max_redirections, max_repeats = _MOST_REDIRECTS, 2

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (urlsplit(req.full_url).scheme == "https" and scheme != "https"):
            fp.close()
            raise RetryableError(f"it redirects to {newurl}, which is not as protected", final=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: dict[str, str], timeout: float) -> HTTPResponse:
    """Ask for an address; no handler for files, FTP or data addresses is there to be led to."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        _Redirects(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    try:
        return opener.open(request.Request(url, headers=headers), timeout=timeout)
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from error
        raise
    except ValueError as error:
        raise RetryableError(f"the address cannot be used ({error})", final=True) from error


def _offer(answer: HTTPResponse, have: int, target: DownloadTarget) -> tuple[int, int]:
    """At which byte the answer begins, and how many there are in all (0 if unknown)."""
    start, total = 0, int(length) if (length := answer.headers.get("Content-Length", "")).isdigit() else 0
    if answer.status == 206:
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        known = _note(target.part).get("validator", "")
        changed = _validator(answer) != known if known and answer.headers.get("ETag") else False
        if span is None or int(span[1]) != have or changed:
            discard(target.part)
            raise RetryableError("it sent another range than was asked for")
        start, total = have, int(span[3]) if span[3] != "*" else int(span[2]) + 1
    elif answer.status != 200:
        raise RetryableError(f"it answered {answer.status}", final=True)
    if target.size and total and total != target.size:
        raise RetryableError(f"it has {total:,} bytes, expected {target.size:,}", final=True)
    return start, total


def _write_body(answer: HTTPResponse, target: DownloadTarget, start: int, total: int) -> None:
    """Append the answer to the part, which is cut to where the answer begins."""
    aim, came = total or target.size, start
    since, before = time.monotonic(), start
    with _writable(target.part, start) as file:
        target.progress(came, aim)
        while chunk := answer.read1(_CHUNK):
            _write(file, chunk)
            came += len(chunk)
            target.progress(came, aim)
            if aim and came > aim:
                break
            if time.monotonic() - since > target.timeout:
                if came - before < _SLOWEST:
                    raise RetryableError(f"only {came - before} bytes were received in {target.timeout:g} s")
                since, before = time.monotonic(), came
    if aim and came > aim:
        discard(target.part)
        raise RetryableError(f"it sends more than {aim:,} bytes", final=True)
    if came < aim:
        raise RetryableError(f"the connection ended after {came:,} of {aim:,} bytes")
    if not came:
        raise RetryableError("it is empty", final=True)


def _refused(error: HTTPError, have: int, target: DownloadTarget) -> None:
    """What an answer that is an error means; returns only where the part turns out to be whole."""
    if error.code == 416:
        total = error.headers.get("Content-Range", "").rpartition("/")[2]
        if have and have == (int(total) if total.isdigit() else target.size):
            return
        discard(target.part)
        raise RetryableError(f"it has no bytes from {have:,} on") from error
    if 300 <= error.code < 400:
        raise RetryableError("it redirects too often or to nowhere", final=True) from error
    asked = error.headers.get("Retry-After", "")
    wait = min(float(asked), 60.0) if asked.isdigit() else 0.0
    raise RetryableError(
        f"it answered {error.code} {error.reason}", final=error.code not in _BUSY, wait=wait
    ) from error


def _writable(part: Path, start: int) -> IO[bytes]:
    try:
        return part.open("ab" if start else "wb")
    except OSError as error:
        raise StoreError(f"{part} cannot be written: {error.strerror}.") from error


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "Make room and give the same command again; what was received is kept."
        reason = "the disk is full" if full else str(error.strerror)
        raise StoreError(f"{file.name} cannot be written: {reason}. {advice}") from error


# What is known of a part


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _note(part: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_note_path(part).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _write_note(part: Path, url: str, answer: HTTPResponse) -> None:
    try:
        _note_path(part).write_text(json.dumps({"url": url, "validator": _validator(answer)}), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{_note_path(part)} cannot be written: {error.strerror}.") from error


def _validator(answer: HTTPResponse) -> str:
    """What names this version of the file: a strong ETag, else the date of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
