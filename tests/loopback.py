"""A web server on this machine that can be told to misbehave, and remembers what it was asked for."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

__all__ = [
    "Loopback",
    "answer",
    "blind_to_ranges",
    "chunked_and_cut",
    "cut",
    "drip",
    "endless",
    "loopback",
    "other",
    "redirect",
    "shifted",
    "stall",
    "too_long",
    "without_length",
]


@dataclass
class Loopback:
    """What is served, how, and what was asked.

    Attributes:
        files: Content by path.
        ways: How the coming requests for a path are answered, one after another; honestly when they are used up.
        asked: Every request: its path, its Range and its If-Range.
        release: Ends every stall.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    ways: dict[str, list[Way]] = field(default_factory=dict[str, "list[Way]"])
    asked: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    release: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def serve(self, path: str, content: bytes, *ways: Way) -> str:
        """Serve a file in these ways, and return its address."""
        self.files[path] = content
        self.ways[path] = list(ways)
        return self.url(path)

    def ranges(self, path: str) -> list[str]:
        """The ranges that were asked of a file, in order; empty where everything was asked for."""
        return [span for asked, span, _ in self.asked if asked == path]


@contextmanager
def loopback() -> Iterator[Loopback]:
    """A server on a free port of 127.0.0.1."""
    state = Loopback()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            state.asked.append((path, self.headers.get("Range", ""), self.headers.get("If-Range", "")))
            self.close_connection = True
            ways = state.ways.get(path, [])
            way = ways.pop(0) if ways else honest
            if path not in state.files:
                answer(404)(self, b"", state)
            else:
                way(self, state.files[path], state)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


Way: TypeAlias = Callable[[BaseHTTPRequestHandler, bytes, Loopback], None]


def tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def head(handler: BaseHTTPRequestHandler, status: int, **headers: object) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.send_header("Connection", "close")
    handler.end_headers()


def begin(handler: BaseHTTPRequestHandler, content: bytes) -> bytes:
    """Send honest headers for what was asked; return the body that they announce."""
    span = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(span[1]) if span else 0
    if handler.headers.get("If-Range", tag(content)) != tag(content):
        start = 0
    if start >= len(content) > 0:
        head(handler, 416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
        return b""
    body = content[start:]
    if start:
        span_of = f"bytes {start}-{len(content) - 1}/{len(content)}"
        head(handler, 206, Content_Length=len(body), Content_Range=span_of, ETag=tag(content))
    else:
        head(handler, 200, Content_Length=len(body), ETag=tag(content))
    return body


def honest(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    handler.wfile.write(begin(handler, content))


def cut(count: int) -> Way:
    """Announces everything, sends ``count`` bytes and hangs up."""
    return lambda handler, content, state: void(handler.wfile.write(begin(handler, content)[:count]))


def stall(count: int) -> Way:
    """Sends ``count`` bytes and then nothing."""

    def way(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
        handler.wfile.write(begin(handler, content)[:count])
        handler.wfile.flush()
        state.release.wait(10)

    return way


def drip(seconds: float) -> Way:
    """Sends one byte at a time, never silent for long."""

    def way(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
        for byte in begin(handler, content):
            if state.release.wait(seconds):
                return
            try:
                handler.wfile.write(bytes([byte]))
            except OSError:
                return

    return way


def too_long(more: int) -> Way:
    """Announces ``more`` bytes than there are."""

    def way(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
        head(handler, 200, Content_Length=len(content) + more)
        handler.wfile.write(content)

    return way


def without_length(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    """Sends everything and hangs up, as HTTP/1.0 did."""
    head(handler, 200)
    handler.wfile.write(content)


def endless(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    """Sends the content again and again, without saying how much will come."""
    head(handler, 200)
    try:
        while not state.release.is_set():
            handler.wfile.write(content)
    except OSError:
        pass


def chunked_and_cut(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    """Sends half of the content as a chunk and hangs up before the last chunk."""
    head(handler, 200, Transfer_Encoding="chunked")
    half = content[: len(content) // 2]
    handler.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")


def other(content: bytes) -> Way:
    """Serves, as honestly, something else."""
    return lambda handler, _, state: honest(handler, content, state)


def blind_to_ranges(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    """Sends everything whatever part was asked for."""
    head(handler, 200, Content_Length=len(content))
    handler.wfile.write(content)


def shifted(handler: BaseHTTPRequestHandler, content: bytes, state: Loopback) -> None:
    """Answers a range with another one."""
    head(handler, 206, Content_Length=10, Content_Range=f"bytes 0-9/{len(content)}")
    handler.wfile.write(content[:10])


def redirect(target: str) -> Way:
    return lambda handler, content, state: head(handler, 302, Location=target, Content_Length=0)


def answer(status: int, **headers: object) -> Way:
    """An answer without the file."""
    return lambda handler, content, state: head(handler, status, Content_Length=0, **headers)


def void(_: object) -> None:
    """Drop a value."""
