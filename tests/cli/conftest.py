"""What the tests of the command line share: a short report."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def short_report(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A page of one line instead of the report, which takes seconds; ``real_report`` asks for the real one."""

    def write(folders: list[Path], out: Path | None = None) -> Path:
        place = out or folders[0] / "report.html"
        place.write_text("<!doctype html>")
        return place

    if "real_report" not in request.fixturenames:
        monkeypatch.setattr("gantlet.reports.page.write_report", write)


@pytest.fixture
def real_report() -> None:
    """Asks for the real report, see ``short_report``."""
