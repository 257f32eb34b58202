"""The report in a real browser: 200 members open in under two seconds, and the console stays silent.

Speaks the WebDriver protocol to Debian's chromium-driver, which ``.ci/run`` installs.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from gantlet.reports.page import write_report

pytestmark = pytest.mark.slow

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,2000",
]


class Browser:
    """One chromium session."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        options = {"goog:chromeOptions": {"args": ARGUMENTS}, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._session = f"/session/{made['sessionId']}"

    def open(self, page: Path) -> None:
        self._ask("POST", f"{self._session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str) -> Any:
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        entries = self._ask("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def close(self) -> None:
        self._ask("DELETE", self._session)

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._root + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            opened = Browser(port)
            yield opened
            opened.close()
        finally:
            driver.terminate()


def test_two_hundred_members_open_quickly_and_quietly(browser: Browser, make_study: Any) -> None:
    folder = make_study(seeds=67, drawn=True)  # 3 settings × 67 seeds = 201 members
    page = write_report([folder])
    timing = "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime"
    spent: list[float] = []
    for _ in range(3):  # the machine is shared: the median of three
        browser.open(page)
        spent.append(float(browser.run(timing)) / 1000)
    assert 0 < median(spent) < 2
    assert browser.run("return document.querySelectorAll('table tbody tr').length") > 201
    assert browser.complaints() == []


def test_the_log_is_really_read(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<script>nothing.at.all()</script>", encoding="utf-8")
    browser.open(page)
    assert any("nothing is not defined" in words for words in browser.complaints())


def test_the_tabs_switch_the_x_axis(browser: Browser, make_study: Any) -> None:
    browser.open(write_report([make_study(seeds=4)]))
    shown = "return document.body.innerText"
    before = browser.run(shown)
    pressed = browser.run(
        "const b = [...document.querySelectorAll('label, button')].find(e => e.textContent.trim() === 'seconds');"
        "if (!b) return false; b.click(); return true"
    )
    assert pressed
    assert browser.run(shown) != before
