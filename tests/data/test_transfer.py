"""One try against a server that cuts, stalls, lies, redirects and ignores: what is kept, what is asked for next."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest

import loopback
from gantlet.data import transfer as module
from gantlet.data.transfer import DownloadTarget, RetryableError, check_room, discard, transfer
from gantlet.errors import StoreError
from loopback import Loopback

CONTENT = np.random.default_rng(1).bytes(300_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback.loopback() as state:
        yield state


def target(folder: Path, **given: Any) -> DownloadTarget:
    return DownloadTarget(
        **{"part": folder / "f.part", "size": 0, "hashed": False, "timeout": 5.0, "progress": lambda *_: None, **given}
    )


def fails(url: str, aim: DownloadTarget, words: str, *, final: bool) -> None:
    with pytest.raises(RetryableError, match=words) as caught:
        transfer(url, aim)
    assert caught.value.final is final


def test_a_file_is_fetched_whole_and_progress_is_told(server: Loopback, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    aim = target(tmp_path, progress=lambda came, total: heard.append((came, total)))
    transfer(server.serve("f", CONTENT), aim)
    assert aim.part.read_bytes() == CONTENT
    assert heard[0] == (0, len(CONTENT))
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert heard == sorted(heard)
    discard(aim.part)
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_a_cut_file_is_asked_for_by_version(server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path), server.serve("f", CONTENT, loopback.cut(100_000), loopback.cut(50_000))
    fails(url, aim, "ended after 100,000 of 300,000 bytes", final=False)
    fails(url, aim, "ended after 150,000 of 300,000 bytes", final=False)
    transfer(url, aim)
    assert aim.part.read_bytes() == CONTENT
    tag = loopback.tag(CONTENT)
    assert server.asked == [("f", "", ""), ("f", "bytes=100000-", tag), ("f", "bytes=150000-", tag)]


def test_a_file_that_changed_meanwhile_is_heard_from_the_start(server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path), server.serve("f", CONTENT, loopback.cut(100_000))
    fails(url, aim, "ended after", final=False)
    server.serve("f", CONTENT[::-1])
    transfer(url, aim)
    assert aim.part.read_bytes() == CONTENT[::-1]
    assert server.ranges("f") == ["", "bytes=100000-"]


def test_a_server_that_ignores_ranges_starts_anew(server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path), server.serve("f", CONTENT, loopback.cut(70_000), loopback.blind_to_ranges)
    fails(url, aim, "ended after", final=False)
    transfer(url, aim)
    assert server.ranges("f") == ["", "bytes=70000-"]
    assert aim.part.read_bytes() == CONTENT


def test_a_part_from_elsewhere_is_completed_only_if_the_hash_will_tell(server: Loopback, tmp_path: Path) -> None:
    first, second = server.serve("a", CONTENT, loopback.cut(9_000)), server.serve("b", CONTENT)
    fails(first, target(tmp_path), "ended after", final=False)
    transfer(second, target(tmp_path))
    assert server.ranges("b") == [""], "nothing would notice a mixture"
    discard(tmp_path / "f.part")
    server.serve("a", CONTENT, loopback.cut(9_000))
    fails(first, target(tmp_path), "ended after", final=False)
    transfer(second, target(tmp_path, hashed=True))
    assert server.asked[-1] == ("b", "bytes=9000-", "")
    assert (tmp_path / "f.part").read_bytes() == CONTENT


def test_another_range_than_was_asked_for_is_not_appended(server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path), server.serve("f", CONTENT, loopback.cut(5_000), loopback.shifted)
    fails(url, aim, "ended after", final=False)
    fails(url, aim, "another range than was asked for", final=False)
    assert not aim.part.exists()
    transfer(url, aim)
    assert aim.part.read_bytes() == CONTENT


def test_416_means_whole_or_useless(server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path, hashed=True), server.serve("f", CONTENT)
    aim.part.write_bytes(CONTENT)
    transfer(url, aim)
    assert (server.ranges("f"), aim.part.read_bytes()) == (["bytes=300000-"], CONTENT)
    aim.part.write_bytes(CONTENT + b"more")
    fails(url, aim, "has no bytes from 300,004 on", final=False)
    assert not aim.part.exists()


def test_silence_and_a_drip_are_stalls_and_what_came_is_kept(server: Loopback, tmp_path: Path) -> None:
    aim = target(tmp_path, timeout=0.5)
    fails(server.serve("f", CONTENT, loopback.stall(40_000)), aim, "nothing was received for 0.5 s", final=False)
    assert aim.part.read_bytes() == CONTENT[:40_000]
    fails(server.serve("f", CONTENT, loopback.drip(0.02)), aim, r"only \d+ bytes were received in 0.5 s", final=False)
    have = aim.part.read_bytes()
    assert have == CONTENT[: len(have)]
    assert len(have) >= 40_001


@pytest.mark.parametrize(
    ("way", "size", "words", "final"),
    [
        pytest.param(loopback.too_long(7), 0, "ended after 300,000 of 300,007 bytes", False, id="announces too much"),
        pytest.param(
            loopback.too_long(7), 300_000, "has 300,007 bytes, expected 300,000", True, id="of another length"
        ),
        pytest.param(
            loopback.without_length, 300_001, "ended after 300,000 of 300,001", False, id="unannounced and short"
        ),
        pytest.param(loopback.endless, 300_001, "sends more than 300,001 bytes", True, id="endless"),
        pytest.param(loopback.chunked_and_cut, 0, "the connection broke", False, id="chunks without an end"),
        pytest.param(loopback.other(b""), 0, "it is empty", True, id="empty"),
        pytest.param(loopback.answer(404), 0, "answered 404 Not Found", True, id="404"),
        pytest.param(loopback.answer(403), 0, "answered 403 Forbidden", True, id="403"),
        pytest.param(loopback.answer(204), 0, "answered 204", True, id="204"),
        pytest.param(loopback.answer(503, Retry_After=2), 0, "answered 503", False, id="503"),
        pytest.param(
            loopback.redirect("file:///etc/hostname"), 0, "redirects too often or to nowhere", True, id="to a file"
        ),
        pytest.param(loopback.redirect("ftp://127.0.0.1/f"), 0, "redirects to ftp:", True, id="to ftp"),
    ],
)
def test_each_failure_is_told(
    way: loopback.Way, size: int, words: str, final: bool, server: Loopback, tmp_path: Path
) -> None:
    fails(server.serve("f", CONTENT, way), target(tmp_path, size=size), words, final=final)


def test_a_server_without_lengths_is_enough(server: Loopback, tmp_path: Path) -> None:
    aim = target(tmp_path)
    transfer(server.serve("f", CONTENT, loopback.without_length), aim)
    assert aim.part.read_bytes() == CONTENT


def test_how_long_a_server_wants_to_be_left_alone_is_kept(server: Loopback, tmp_path: Path) -> None:
    url = server.serve("f", CONTENT, loopback.answer(429, Retry_After=7), loopback.answer(429, Retry_After="soon"))
    waits: list[float] = []
    for _ in range(2):
        with pytest.raises(RetryableError) as caught:
            transfer(url, target(tmp_path))
        waits.append(caught.value.wait)
    assert waits == [7.0, 0.0]


def test_redirects_are_followed_a_few_times(server: Loopback, tmp_path: Path) -> None:
    server.serve("f", CONTENT)
    for hop in range(6):
        server.serve(f"hop{hop}", b"-", loopback.redirect(f"/hop{hop - 1}" if hop else "/f"))
    transfer(server.url("hop4"), target(tmp_path))
    assert (tmp_path / "f.part").read_bytes() == CONTENT
    for hop in range(6):
        server.serve(f"hop{hop}", b"-", loopback.redirect(f"/hop{hop - 1}" if hop else "/f"))
    fails(server.url("hop5"), target(tmp_path), "redirects too often", final=True)
    loop = server.serve("loop", b"-", *[loopback.redirect("/loop")] * 20)
    fails(loop, target(tmp_path), "redirects too often", final=True)
    assert server.ranges("loop") != [""] * 20, "a loop is left early"


def test_no_redirect_leaves_a_protected_connection() -> None:
    follow = module._Redirects().redirect_request  # pyright: ignore[reportPrivateUsage]
    headers = HTTPMessage()
    with pytest.raises(RetryableError, match="redirects to http://a/x, which is not as protected"):
        follow(Request("https://a/x"), io.BytesIO(), 302, "Found", headers, "http://a/x")
    onward = follow(
        Request("https://a/x", headers={"Range": "bytes=5-"}), io.BytesIO(), 302, "", headers, "https://b/x"
    )
    assert onward is not None
    assert onward.headers["Range"] == "bytes=5-"
    assert isinstance(headers, Message)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/f", "data:,x", "f"])
def test_only_web_addresses_are_opened(url: str, tmp_path: Path) -> None:
    fails(url, target(tmp_path), "only http and https are fetched", final=True)


def test_no_server_can_be_tried_again(server: Loopback, tmp_path: Path) -> None:
    import socket

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    fails(f"http://127.0.0.1:{port}/f", target(tmp_path), "there is no connection", final=False)


def test_a_disk_without_room_is_refused_before_a_byte_is_written(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": (64 << 20) + 299_999})
    monkeypatch.setattr("gantlet.data.transfer.shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        StoreError, match=r"0.00 GB are still to be downloaded and 0.07 GB are free .* set GANTLET_DATA"
    ):
        transfer(server.serve("f", CONTENT), target(tmp_path))
    assert list(tmp_path.iterdir()) == []
    check_room(tmp_path, 299_999)
    transfer(server.serve("f", CONTENT[1:]), target(tmp_path))


def test_a_disk_that_fills_up_keeps_what_came(server: Loopback, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.fail("this system has no /dev/full to write to")
    (tmp_path / "f.part").symlink_to(full)
    with pytest.raises(StoreError, match=r"f.part cannot be written: the disk is full. Make room"):
        transfer(server.serve("f", CONTENT), target(tmp_path))


@pytest.mark.parametrize("note", ["", "[1]", "{", '{"url": 3}'])
def test_a_damaged_note_is_as_good_as_none(note: str, server: Loopback, tmp_path: Path) -> None:
    aim, url = target(tmp_path), server.serve("f", CONTENT)
    aim.part.write_bytes(b"something else")
    (tmp_path / "f.part.json").write_text(note)
    transfer(url, aim)
    assert (server.ranges("f"), aim.part.read_bytes()) == ([""], CONTENT)
    assert json.loads((tmp_path / "f.part.json").read_text())["url"] == url
