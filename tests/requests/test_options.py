"""How a request is run: the default folder."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from gantlet.requests.options import default_folder


def test_studies_that_begin_in_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Stopped:
            return cls(2026, 11, 27, 13, 0, 5, tzinfo=tz)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gantlet.requests.options.datetime", Stopped)
    made: list[str] = []
    for _ in range(3):
        folder = default_folder("images:some file.npy")
        folder.mkdir(parents=True)
        made.append(str(folder))
    assert made == [f"runs/images-20261127-130005{more}" for more in ("", "-2", "-3")]
