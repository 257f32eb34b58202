"""A real browser by the WebDriver protocol, which Debian's chromium-driver speaks; ``.ci/run`` installs it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Browser", "opened_browser"]

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

    def open(self, page: Path | str) -> None:
        address = page if isinstance(page, str) else page.resolve().as_uri()
        self._ask("POST", f"{self._session}/url", {"url": address})

    def until(self, script: str, *, seconds: float = 60) -> Any:
        """What a script gives as soon as it gives anything that counts as true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.2)
        return found

    def run(self, script: str) -> Any:
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def as_printed(self, millimetres: float) -> None:
        """Lay pages out as on paper of this width between its margins, until this is called with 0."""
        wide = round(millimetres / 25.4 * 96)
        size = {"width": wide, "height": 0, "deviceScaleFactor": 0, "mobile": False}
        self._devtools("Emulation.setEmulatedMedia", {"media": "print" if wide else ""})
        self._devtools(
            *(("Emulation.setDeviceMetricsOverride", size) if wide else ("Emulation.clearDeviceMetricsOverride", {}))
        )

    def at_width(self, pixels: int) -> None:
        """Lay pages out in a window of this width, until this is called with 0."""
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": 0 < pixels < 500}
        self._devtools(
            *(("Emulation.setDeviceMetricsOverride", size) if pixels else ("Emulation.clearDeviceMetricsOverride", {}))
        )

    def in_theme(self, name: str) -> None:
        """As a reader sees pages who prefers ``light`` or ``dark``, until this is called with neither."""
        features = [{"name": "prefers-color-scheme", "value": name}] if name else []
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

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


@contextmanager
def opened_browser() -> Generator[Browser]:
    """A session of a driver that was started for it."""
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
