"""The board: it only reads, answers only under its own name, and knows only the studies that it lists."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from gantlet.errors import BadValue, StoreError
from gantlet.reports import board
from gantlet.reports.board import Board, board_server, state_of, studies_of
from gantlet.reports.page import Live, page_of


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[ThreadingHTTPServer]:
    """A board in a thread of its own."""
    with board_server(folder, host=host) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def runs(make_study: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two studies, a file beside them and a secret above."""
    root = tmp_path_factory.mktemp("all")
    (root / "secret.txt").write_text("not for the board")
    (root / "runs").mkdir()
    for name in ("first", "sec ond <b>"):
        make_study(seeds=2, evaluations=2).rename(root / "runs" / name)
    (root / "runs" / "notes.txt").write_text("not a study")
    (root / "runs" / "link").symlink_to(root / "runs" / "first")
    return root / "runs"


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[ThreadingHTTPServer]:
    with serving(runs) as board:
        yield board


def ask(
    server: ThreadingHTTPServer, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """One request, sent as it is: no client tidies the path."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": f"127.0.0.1:{port}"} | headers).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def test_it_lists_the_studies_and_nothing_else(server: ThreadingHTTPServer) -> None:
    status, headers, content = ask(server, "/")
    assert status == 200
    assert "2 studies" in content
    assert "/study/first/" in content
    assert "/study/sec%20ond%20%3Cb%3E/" in content
    assert "<b>" not in content
    assert "notes" not in content
    assert "link" not in content
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.slow
def test_a_study_is_the_reports_page_with_the_means_to_follow_it(server: ThreadingHTTPServer, runs: Path) -> None:
    status, _, content = ask(server, "/study/first/")
    assert status == 200
    told = json.loads(ask(server, "/study/first/stamp")[2])
    assert content == page_of([runs / "first"], Live(told["stamp"], told["state"]))
    assert "connect-src 'self'" in content
    assert "http://" not in content
    assert "https://" not in content


def test_the_stamp_changes_with_the_files_and_only_then(server: ThreadingHTTPServer, runs: Path) -> None:
    path = "/study/sec%20ond%20%3Cb%3E/stamp"
    before = ask(server, path)[2]
    assert ask(server, path)[2] == before
    (runs / "sec ond <b>" / "samples" / "0").mkdir(parents=True)
    (runs / "sec ond <b>" / "samples" / "0" / "final.png").write_bytes(b"")
    assert ask(server, path)[2] != before


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
def test_a_foreign_host_is_refused(server: ThreadingHTTPServer, host: str) -> None:
    named = host.format(port=server.server_address[1])
    status, _, content = ask(server, "/study/first/", Host=named)
    assert status == 403
    assert "gantlet report" not in content


def test_two_hosts_are_refused(server: ThreadingHTTPServer) -> None:
    port = server.server_address[1]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode())
        assert b" 403 " in raw.recv(100)


def test_a_page_of_another_site_is_refused(server: ThreadingHTTPServer) -> None:
    assert ask(server, "/", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(server, "/", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(server: ThreadingHTTPServer, runs: Path, method: str) -> None:
    before = sorted(path.name for path in runs.rglob("*"))
    assert ask(server, "/study/first/", method=method)[0] in (405, 501)
    assert sorted(path.name for path in runs.rglob("*")) == before


def test_head_has_no_content(server: ThreadingHTTPServer) -> None:
    status, headers, content = ask(server, "/", method="HEAD")
    assert (status, content) == (200, "")
    assert int(headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    "path",
    [
        "/study/../secret.txt",
        "/study/../../secret.txt",
        "/study/%2e%2e/secret.txt",
        "/study/..%2fsecret.txt/",
        "/study/first/../../secret.txt",
        "/study/first/study.json",
        "/study/first/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/study/%2e%2e/",
        "/study/./",
        "/study//",
        "/study/link/",
        "/study/notes.txt/",
        "//etc/passwd",
        "/etc/passwd",
        "/study/first%00/",
        "/study/" + "a" * 9000 + "/",
    ],
)
def test_no_path_leads_out_of_the_list(server: ThreadingHTTPServer, path: str) -> None:
    status, _, content = ask(server, path)
    assert status == 404
    assert "not for the board" not in content
    assert "root:" not in content


def test_a_folder_without_studies_and_a_taken_port_are_refused(
    tmp_path: Path, server: ThreadingHTTPServer, runs: Path
) -> None:
    with pytest.raises(StoreError, match="There is no study in"):
        board_server(tmp_path)
    with pytest.raises(StoreError, match="is not a folder"):
        board_server(tmp_path / "none")
    with pytest.raises(BadValue, match=r"cannot use port \d+ of 127.0.0.1.*another --port"):
        board_server(runs, port=server.server_address[1])


def test_one_study_is_a_list_of_one(runs: Path) -> None:
    assert studies_of(runs / "first") == {"first": runs / "first"}


def test_a_damaged_study_is_said_to_be_so_and_hides_no_other(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{")
    (tmp_path / "good").symlink_to(runs / "first")
    (tmp_path / "good").unlink()
    (runs / "first").rename(tmp_path / "good")
    try:
        with serving(tmp_path) as server:
            assert "cannot be read" in ask(server, "/")[2]
            assert ask(server, "/study/broken/")[0] == 500
            assert ask(server, "/study/good/stamp")[0] == 200
    finally:
        (tmp_path / "good").rename(runs / "first")


def test_how_far_a_study_is_in_words(runs: Path) -> None:
    assert state_of(runs / "first") == "0 of 6 members are finished, stopped"


def test_it_keeps_the_pages_of_few_studies(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may have a thousand studies, and a page ten megabytes."""
    monkeypatch.setattr(board, "_MOST_PAGES", 1)
    drawn: list[str] = []
    monkeypatch.setattr(board, "page_of", lambda folders, live: drawn.append(folders[0].name) or folders[0].name)
    shown = Board(runs)
    for name in ("first", "first", "sec%20ond%20%3Cb%3E", "first"):
        shown.answer(f"/study/{name}/")
    assert drawn == ["first", "sec ond <b>", "first"]


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_the_loopback_of_ipv6(runs: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("IPv6 is off")
    with serving(runs, "::1") as server:
        port = server.server_address[1]
        with socket.create_connection(("::1", port), timeout=10) as raw:
            raw.sendall(f"HEAD / HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n".encode())
            assert b" 200 " in raw.recv(100)


def test_on_every_address_it_answers_under_the_one_that_was_asked(runs: Path) -> None:
    """127.0.0.2 stands for the address of a network: it is neither a loopback name nor what the board was bound to."""
    with serving(runs, "0.0.0.0") as server:
        port = server.server_address[1]
        for host, status in (
            (f"127.0.0.2:{port}", b" 200 "),
            (f"127.0.0.3:{port}", b" 403 "),
            ("evil.example", b" 403 "),
        ):
            with socket.create_connection(("127.0.0.2", port), timeout=10) as raw:
                raw.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert status in raw.recv(100)


def test_a_study_that_vanishes_while_it_is_listed_hides_no_other(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, asked = Path.stat, list[str]()

    def stat(path: Path, **options: bool) -> os.stat_result:
        if path.parent.name == "first" and path.name == "study.json":
            asked.append(path.name)
            if len(asked) > 1:  # it was there when the board looked whether it is a study
                raise FileNotFoundError(path)
        return known(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert set(studies_of(runs)) == {"first", "sec ond <b>"}


def test_a_name_that_is_no_text_is_listed_and_found(runs: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).mkdir()
    (tmp_path / name / "study.json").write_bytes((runs / "first" / "study.json").read_bytes())
    with serving(tmp_path) as server:
        status, _, content = ask(server, "/")
        assert status == 200
        assert "/study/caf%E9/" in content
        assert ask(server, "/study/caf%E9/stamp")[0] == 200
