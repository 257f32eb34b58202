"""``gantlet board``: the report's page of a study while it is trained, and a list of the studies of a folder, on loopback.

The server only reads. It answers GET and HEAD alone, under its own names alone (a page of another site that has its name point
to this machine is refused by its Host header), and knows only the studies that it lists: no path of a request ever becomes a path
of the file system. Its pages ask nothing of any other place.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import socket
import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from gantlet._version import VERSION
from gantlet.errors import BadValue, GantletError, StoreError
from gantlet.files import lock_holder
from gantlet.studies.store import Store

from .page import Live, page_of
from .theme import stylesheet
from .words import printable

__all__ = ["Board", "board_server", "state_of", "studies_of"]

_HERE = Path(__file__).parent
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_MOST_STUDIES = 1000  # of a folder
_MOST_PAGES = 8  # kept in memory: each may have megabytes of images


def studies_of(folder: Path) -> dict[str, Path]:
    """The studies that a board shows, by name: the folder itself if it is one, else those right inside it.

    Raises:
        StoreError: There is none.
    """
    if (folder / "study.json").is_file():
        return {folder.resolve().name: folder}
    if not folder.is_dir():
        raise StoreError(f"{folder} is not a folder. Name a study, or a folder of studies such as runs.")
    found = [path for path in sorted(folder.iterdir()) if not path.is_symlink() and (path / "study.json").is_file()]
    if not found:
        raise StoreError(f"There is no study in {folder}. Name a study, or a folder of studies such as runs.")
    found.sort(key=_changed, reverse=True)
    return {path.name: path for path in found[:_MOST_STUDIES]}


def _changed(study: Path) -> float:
    try:
        return (study / "study.json").stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0


@dataclass
class Board:
    """What is served.

    Attributes:
        folder: A study, or a folder of studies.
    """

    folder: Path
    _pages: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    _drawing: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def alone(self) -> bool:
        """Whether the folder is one study."""
        return (self.folder / "study.json").is_file()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, kind and content for a path of an address.

        Every study is looked up by its name among those that are listed.
        """
        try:
            studies = studies_of(self.folder)
        except (StoreError, OSError) as error:
            return 404, "text/plain", printable(str(error)).encode()
        parts = [unquote(part, errors="surrogateescape") for part in path.split("?", maxsplit=1)[0].split("/")[1:]]
        if parts == [""]:
            return 200, "text/html", self._list(studies)
        if len(parts) != 3 or parts[0] != "study" or parts[1] not in studies or parts[2] not in ("", "stamp"):
            return 404, "text/plain", b"There is no such page on this board."
        study = studies[parts[1]]
        try:
            stamp, state = _stamp(study), state_of(study)
            if parts[2] == "stamp":
                return 200, "application/json", json.dumps({"stamp": stamp, "state": state}).encode()
            return 200, "text/html", self._page(parts[1], study, Live(stamp, state))
        except (GantletError, OSError) as error:
            return 500, "text/plain", printable(str(error)).encode()

    def _page(self, name: str, study: Path, live: Live) -> bytes:
        with self._drawing:  # one at a time: Matplotlib, and a page takes a core for a second
            stamp, content = self._pages.get(name, ("", b""))
            if stamp != live.stamp:
                content = page_of([study], live).encode("utf-8", "xmlcharrefreplace")
            self._pages.pop(name, None)
            self._pages[name] = (live.stamp, content)  # the last that was asked for stands last
            while len(self._pages) > _MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            return content

    def _list(self, studies: dict[str, Path]) -> bytes:
        rows = "".join(
            f'<tr><th scope="row"><a href="/study/{quote(os.fsencode(name), safe="")}/">{html.escape(printable(name))}</a></th>'
            f"<td>{html.escape(_task_of(path))}</td><td>{html.escape(_said(path))}</td></tr>"
            for name, path in studies.items()
        )
        style = stylesheet() + (_HERE / "page.css").read_text(encoding="utf-8")
        where = html.escape(printable(str(self.folder)))
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            'initial-scale=1"><meta http-equiv="refresh" content="5"><meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
            f"<title>gantlet board</title><style>{style}</style></head><body><main><section><p class=over>gantlet board</p>"
            f"<h1>{len(studies)} {'study' if len(studies) == 1 else 'studies'}</h1><p>{where}</p>"
            "<div class=scroll tabindex=0><table class=pinned><thead><tr><th scope=col>study</th><th scope=col>task</th>"
            f"<th scope=col>state</th></tr></thead><tbody>{rows}</tbody></table></div></section></main>"
            f"<footer>gantlet {VERSION}. This board is read-only.</footer></body></html>"
        ).encode("utf-8", "xmlcharrefreplace")


def state_of(study: Path) -> str:
    """How far a study is, in words.

    Raises:
        StoreError: Its record cannot be read.
    """
    store = Store(study)
    record = store.record()
    leaves = [leaf for planned in record.plan.fleets for leaf in store.leaves(planned)]
    done = sum(len(leaf.runs) for leaf in leaves if store.finished(leaf, record.seals(leaf)))
    running = lock_holder(store.study_lock) is not None or any(
        lock_holder(store.folder / "fleets" / f"{leaf.id}.lock") is not None for leaf in leaves
    )
    said = f"{done:,} of {record.members:,} members are finished"
    return said if done == record.members else f"{said}, {'training' if running else 'stopped'}"


def board_server(folder: Path, *, port: int = 0, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server that shows a study, or the studies of a folder; ``serve_forever`` starts it.

    Arguments:
        folder: A study, or a folder of studies.
        port: 0 for a free one.
        host: An address of this machine; any but loopback lets others read the studies.

    Raises:
        StoreError: There is no study.
        BadValue: The port cannot be used.
    """
    studies_of(folder)
    board = Board(folder)

    class Handler(_Handler):
        shown = board

    try:
        return (_SixthServer if ":" in host else _Server)((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise BadValue(f"The board cannot use port {port} of {host}: {error}. Give another --port.") from error


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away before the answer was out is no error of the board's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _SixthServer(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    shown: Board
    server_version = "gantlet"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer, or refuse."""
        if not self._is_own():
            self._send(403, "text/plain", b"This board answers only under its own address.")
            return
        self._send(*self.shown.answer(self.path))

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # what else was sent is not read
        self._send(405, "text/plain", b"This board only shows: GET and HEAD.", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def _is_own(self) -> bool:
        """Whether it was asked by this board's own name, and not by a page of another site."""
        address: Any = self.server.server_address
        host, port = address[:2]
        names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else str(host)}
        if host in ("0.0.0.0", "::"):  # every address of this machine: the one at which this request arrived
            here = str(self.connection.getsockname()[0]).removeprefix("::ffff:")
            names.add(f"[{here}]" if ":" in here else here)
        asked = self.headers.get_all("Host", [])
        known = {f"{name}:{port}" for name in names} | (names if port == 80 else set[str]())
        if len(asked) != 1 or asked[0].lower() not in known:
            return False
        return self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")

    def _send(self, status: int, kind: str, content: bytes, **more: str) -> None:
        self.send_response(status)
        coded = f"{kind}; charset=utf-8"
        for name, value in {"Content-Type": coded, "Content-Length": str(len(content)), **_HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def _stamp(study: Path) -> str:
    """Changes whenever a file that a page shows does: names, sizes and times of change."""
    seen = hashlib.sha256()
    for root in (study, study / "fleets", study / "samples"):
        for folder, folders, names in os.walk(root) if root != study else [(str(study), [], ["study.json"])]:
            folders[:] = sorted(name for name in folders if not name.startswith("checkpoint"))
            for name in sorted(names):
                if name.startswith(".") or name.endswith(".lock"):
                    continue
                try:
                    status = os.lstat(os.path.join(folder, name))
                except OSError:  # replaced meanwhile
                    continue
                seen.update(
                    f"{folder}/{name}:{status.st_size}:{status.st_mtime_ns};".encode("utf-8", "surrogateescape")
                )
    return seen.hexdigest()[:32]


def _task_of(study: Path) -> str:
    try:
        record = Store(study).record()
    except GantletError:
        return ""
    return printable(f"{record.task.name}: {', '.join(dict.fromkeys(setting.method for setting in record.settings))}")


def _said(study: Path) -> str:
    try:
        return state_of(study)
    except (GantletError, OSError) as error:
        return printable(str(error))
