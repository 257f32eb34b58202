"""Downloads: mirrors in order, only right bytes in place, sets that appear whole, and lists of shards."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopback
from gantlet.data import data_dir
from gantlet.data.dataset_card import DatasetCard, RemoteFile, card
from gantlet.data.download import RetryPolicy, download, download_list, fetch, read_list
from gantlet.errors import BadData, BadValue, FolderInUse, StoreError
from loopback import Loopback

CONTENT, OTHER = np.random.default_rng(1).bytes(120_000), np.random.default_rng(2).bytes(120_000)
QUICK = RetryPolicy(timeout=0.6, tries=3, pause=0.01)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback.loopback() as state:
        yield state


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory."""
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def a_card(*files: RemoteFile, **changed: Any) -> DatasetCard:
    return replace(card("mnist"), name="tiny", files=files, **changed)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# One file


def test_mirrors_are_tried_in_order_until_one_has_the_right_bytes(server: Loopback, tmp_path: Path) -> None:
    urls = (
        server.url("absent"),
        server.serve("wrong", OTHER),
        server.serve("right", CONTENT, loopback.cut(50_000), loopback.stall(20_000)),
        server.serve("spare", CONTENT),
    )
    heard: list[tuple[str, int, int]] = []
    found = fetch(
        RemoteFile("f.bin", urls, md5=md5(CONTENT)), tmp_path, retry=QUICK, progress=lambda *words: heard.append(words)
    )
    assert found.read_bytes() == CONTENT
    assert names(tmp_path) == ["f.bin"], "no part and no note are left"
    asked = [path for path, _, _ in server.asked]
    assert asked == ["absent", "wrong", "right", "right", "right"]
    assert server.ranges("right") == ["", "bytes=50000-", "bytes=70000-"]
    assert heard[-1] == ("f.bin", 120_000, 120_000)


def test_wrong_bytes_are_never_put_in_place(server: Loopback, tmp_path: Path) -> None:
    file = RemoteFile("f.bin", (server.serve("wrong", OTHER), server.url("absent")), md5=md5(CONTENT))
    with pytest.raises(BadData) as caught:
        fetch(file, tmp_path, retry=QUICK)
    words = str(caught.value)
    host = server.address.removeprefix("http://")
    assert words.startswith(f"f.bin cannot be downloaded: {host}: wrong bytes, its MD5 is {md5(OTHER)}, expected")
    assert f"; {host}: it answered 404 Not Found." in words
    assert names(tmp_path) == []


def test_a_mixture_of_versions_is_found_out_and_fetched_anew(server: Loopback, tmp_path: Path) -> None:
    """A part from one mirror may be completed at another, for the hash will tell."""
    file = RemoteFile("f.bin", (server.serve("right", CONTENT),), md5=md5(CONTENT))
    (tmp_path / "f.bin.part").write_bytes(OTHER[:30_000])
    assert fetch(file, tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert server.ranges("right") == ["bytes=30000-", ""]


def test_a_server_that_never_sends_is_given_up_after_some_tries(server: Loopback, tmp_path: Path) -> None:
    url = server.serve("f", CONTENT, *[loopback.answer(503)] * 9)
    with pytest.raises(BadData, match="it answered 503 Service Unavailable"):
        fetch(RemoteFile("f", (url,)), tmp_path, retry=QUICK)
    assert len(server.asked) == QUICK.tries


def test_tries_that_get_on_do_not_count(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.data.download._WORTH", 10_000)
    url = server.serve("f", CONTENT, *[loopback.cut(20_000)] * 5)
    assert fetch(RemoteFile("f", (url,)), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert server.ranges("f")[-1] == "bytes=100000-"
    slow = server.serve("slow", CONTENT, *[loopback.cut(9_000)] * 9)
    with pytest.raises(BadData, match="ended after 27,000 of 120,000"):
        fetch(RemoteFile("slow", (slow,)), tmp_path, retry=QUICK)


def test_pauses_grow_and_a_servers_wish_is_heeded(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("gantlet.data.download.time.sleep", pauses.append)
    busy = loopback.answer(503)
    url = server.serve("f", CONTENT, busy, busy, loopback.answer(429, Retry_After=9), busy, busy, busy)
    with pytest.raises(BadData, match="503"):
        fetch(RemoteFile("f", (url,)), tmp_path, retry=RetryPolicy(tries=6, pause=2.0))
    assert pauses == [2.0, 4.0, 9.0, 16.0, 30.0]


def test_what_is_there_and_right_is_not_fetched_again(server: Loopback, tmp_path: Path) -> None:
    file = RemoteFile("f", (server.serve("f", CONTENT),), md5=md5(CONTENT))
    (tmp_path / "f").write_bytes(CONTENT)
    fetch(file, tmp_path)
    assert server.asked == []
    (tmp_path / "f").write_bytes(OTHER)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_a_file_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="f cannot be downloaded: it has no address"):
        fetch(RemoteFile("f"), tmp_path)


# A set


def test_a_set_appears_whole_or_not_at_all_and_goes_on_later(server: Loopback, place: Path) -> None:
    first = RemoteFile("a.bin", (server.serve("a.bin", CONTENT),), md5=md5(CONTENT))
    second = RemoteFile("b.bin", (server.serve("b.bin", OTHER, *[loopback.cut(30_000)] * 3),), md5=md5(OTHER))
    with pytest.raises(BadData, match=r"b.bin cannot be downloaded: .* ended after 90,000 of 120,000"):
        download(a_card(first, second), retry=QUICK)
    assert names(place) == [".tiny.download"]
    assert names(place / ".tiny.download") == ["a.bin", "b.bin.part", "b.bin.part.json"]
    assert download(a_card(first, second), retry=QUICK) == place / "tiny"
    assert names(place) == ["tiny"]
    assert {path.name: path.read_bytes() for path in (place / "tiny").iterdir()} == {"a.bin": CONTENT, "b.bin": OTHER}
    assert server.ranges("a.bin") == [""], "fetched once"
    assert server.ranges("b.bin")[-1] == "bytes=90000-"
    with pytest.raises(FolderInUse, match=r"'tiny' is there already, in .*; `gantlet data verify tiny` checks it"):
        download(a_card(first, second))


def test_control_c_keeps_the_part(server: Loopback, place: Path) -> None:
    file = RemoteFile("a.bin", (server.serve("a.bin", CONTENT),), md5=md5(CONTENT))

    def stop(name: str, came: int, aim: int) -> None:
        if came > 60_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(a_card(file), progress=stop)
    kept = (place / ".tiny.download" / "a.bin.part").read_bytes()
    assert 60_000 < len(kept) < 120_000
    assert kept == CONTENT[: len(kept)]
    download(a_card(file))
    assert server.ranges("a.bin") == ["", f"bytes={len(kept)}-"]


HOLD = """
import sys
from pathlib import Path
from gantlet.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_one_part(server: Loopback, place: Path) -> None:
    file = RemoteFile("a.bin", (server.serve("a.bin", CONTENT),))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place / ".tiny.lock")], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"Another process is downloading 'tiny' .*: process {process.pid} on "):
            download(a_card(file))
        process.communicate("")
    assert server.asked == []
    assert download(a_card(file)).is_dir()


def test_the_whole_set_must_fit_before_anything_is_fetched(
    server: Loopback, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("a.bin", CONTENT)
    usage = type("Usage", (), {"free": 3_000_000_000})
    monkeypatch.setattr("gantlet.data.transfer.shutil.disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match=r"4.00 GB are still to be downloaded and 3.00 GB are free"):
        download(
            a_card(RemoteFile("a.bin", (url,), size=2_000_000_000), RemoteFile("b.bin", (url,), size=2_000_000_000))
        )
    assert server.asked == []


def test_what_no_program_can_fetch_is_explained(place: Path) -> None:
    with pytest.raises(BadData, match=r"'emoji' cannot be downloaded by a program. Fetch the package with `npm pack"):
        download(card("emoji"))
    with pytest.raises(BadData, match="'stacked-mnist' is made from 'mnist': `gantlet data download mnist`"):
        download(card("stacked-mnist"))
    assert not place.exists()


# Archives that are unpacked


def packed(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def test_archives_are_unpacked_and_deleted_once(server: Loopback, place: Path) -> None:
    one = RemoteFile("one.zip", (server.serve("one.zip", packed(train_lmdb__data=CONTENT)),))
    two = RemoteFile("two.zip", (server.url("two.zip"),))
    with pytest.raises(BadData, match=r"two.zip cannot be downloaded"):
        download(a_card(one, two, unpacked=True), retry=QUICK)
    server.serve("two.zip", packed(val_lmdb__data=OTHER))
    (place / ".tiny.download" / "one.zip").write_bytes(b"left by a stop between unpacking and deleting")
    assert download(a_card(one, two, unpacked=True)) == place / "tiny"
    assert names(place / "tiny") == ["train_lmdb", "val_lmdb"]
    assert (place / "tiny" / "train_lmdb" / "data").read_bytes() == CONTENT
    assert server.ranges("one.zip") == [""]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_an_archive_that_leads_outside_is_not_unpacked(name: str, server: Loopback, place: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("fine", b"fine")
        archive.writestr(name, b"evil")
    file = RemoteFile("one.zip", (server.serve("one.zip", stream.getvalue()),))
    with pytest.raises(BadData, match="which leads out of its folder; it is not unpacked"):
        download(a_card(file, unpacked=True))
    assert names(place / ".tiny.download") == ["one.zip"]
    assert not list(place.parent.rglob("*evil*"))


def test_a_damaged_archive_is_refused(server: Loopback, place: Path) -> None:
    whole = packed(data=CONTENT)
    spoilt = whole[:5_000] + b"\0" * 50 + whole[5_050:]
    for content in (whole[:-40], spoilt):
        file = RemoteFile("one.zip", (server.serve("one.zip", content),), md5=md5(content))
        with pytest.raises(BadData, match=r"one.zip cannot be unpacked .*; delete it and get it again"):
            download(a_card(file, unpacked=True))


# Lists of shards


def test_a_list_becomes_a_set_of_ones_own(server: Loopback, place: Path, tmp_path: Path) -> None:
    for number in range(3):
        server.serve(f"s-{number}.tar", bytes([number]) * 500)
    listed = tmp_path / "list.txt"
    listed.write_text(f"# shards\n\n{server.url('s-{0..1}.tar')}\n{server.url('s-2.tar')} {md5(bytes([2]) * 500)}\n")
    files = read_list(str(listed))
    assert [file.md5 for file in files] == ["", "", md5(bytes([2]) * 500)]
    assert download_list("mine", files, retry=QUICK) == place / "mine"
    assert names(place / "mine") == ["s-0.tar", "s-1.tar", "s-2.tar"]
    assert (place / "mine" / "s-1.tar").read_bytes() == b"\1" * 500
    assert data_dir.have() == ["mine"]
    with pytest.raises(BadValue, match="'mnist' is a data set with a card; give your shards another name"):
        download_list("mnist", files)
    with pytest.raises(BadValue, match="is not a name that a data set can have"):
        download_list("../mine", files)


@pytest.mark.parametrize("pattern", ["https://a/{1..2", "https://a}/1", "https://{{1..2}}", "https://a/{x}"])
def test_addresses_with_braces_that_mean_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(BadData, match="has braces without a meaning"):
        read_list(pattern)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shard-0.tar\n", "line 1: expected an address"),
        ("# x\nhttps://a/b.tar 12 34\n", "line 2: expected an address"),
        ("https://a/b.tar 1234\n", "'1234' is not a hash: give an MD5"),
        ("https://a/\n", "does not end in the name of a file"),
        ("https://[::1/x.tar\n", r"https://\[::1/x.tar cannot be read: Invalid IPv6 URL"),
        ("https://a/..%2Fb\nhttps://a/%2e%2e\n", "does not end in the name of a file"),
        ("https://a/b.tar\nhttps://c/b.tar\n", "Two addresses of .*list.txt end in 'b.tar'"),
    ],
)
def test_each_wrong_list_has_its_own_sentence(text: str, words: str, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(text)
    with pytest.raises(BadData, match=words):
        read_list(str(listed))
    with pytest.raises(BadData, match=r"nowhere.txt cannot be read"):
        read_list(str(tmp_path / "nowhere.txt"))
