"""What the tests of studies share: quick training, and one finished study to read."""

from __future__ import annotations

from pathlib import Path

import pytest

import terminal
from gantlet.studies.store import Store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, no pictures."""
    terminal.quicken(monkeypatch)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished study: two methods by two learning rates by two seeds; to be read, not changed."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    with pytest.MonkeyPatch.context() as patch:
        terminal.quicken(patch)
        return terminal.study(folder, "vanilla,alpha", "lr=0.001,0.002", seeds="2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a study, which does not exist yet."""
    return tmp_path / "study"
