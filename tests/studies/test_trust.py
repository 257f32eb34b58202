"""A study folder of a stranger's runs nothing: its parts are imported only where this user started it, or said so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import gantlet
import terminal
from gantlet.errors import Untrusted
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.launch import resume, start
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.trust import own_parts
from thinning import leading

PART = """
from pathlib import Path
from gantlet.objectives.vanilla import Vanilla

Path({mark!r}).touch()

class Mine(Vanilla):
    pass
"""

OPENERS: dict[str, Callable[[Path], object]] = {
    "load": lambda folder: gantlet.load(folder, run=0),
    "sample": lambda folder: terminal.gantlet("sample", folder, 0, "--n", 2, "--out", folder.parent / "s.npy"),
    "animate": lambda folder: terminal.gantlet("animate", folder, 0),
    "replay": lambda folder: replay(folder, 0),
    "resume": resume,
    "runs": lambda folder: gantlet.Study(folder).runs,
    "summary": lambda folder: gantlet.Study(folder).summary(),
    "repr": lambda folder: repr(gantlet.Study(folder)),
    "show": lambda folder: terminal.gantlet("show", folder),
}


@pytest.fixture
def sent(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A study with a part of its author's own as it reaches another user, and the file that importing the part makes."""
    mark, part = tmp_path / "executed", tmp_path / f"part_{tmp_path.name.replace('-', '_')}.py"
    part.write_text(PART.format(mark=str(mark)))
    terminal.study(folder, f"{part}:Mine")
    (folder / "fleets" / "0000" / "results.json").unlink()  # so that resume has something to do
    mark.unlink()
    part.write_text(part.read_text() + "\n")  # a module that was imported is not executed again unless it changed
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    return folder, mark


@pytest.mark.parametrize("opener", OPENERS)
def test_opening_a_strangers_study_executes_nothing(sent: tuple[Path, Path], opener: str) -> None:
    folder, mark = sent
    with suppress(Untrusted):
        OPENERS[opener](folder)
    assert not mark.exists()


def test_the_sentence_names_the_file_and_its_hash_and_trust_lets_it_run(sent: tuple[Path, Path]) -> None:
    folder, mark = sent
    with pytest.raises(Untrusted, match=r"part_.*:Mine \(SHA-256 [0-9a-f]{16}\), which would be run here.*--trust"):
        gantlet.load(folder, run=0)
    gantlet.load(folder, run=0, trust=True)
    assert mark.exists()
    resume(folder)  # what was trusted once stays so
    assert gantlet.Study(folder).runs["status"].tolist() == ["finished"]


def test_a_file_that_changed_since_is_said(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / f"changes_{tmp_path.name.replace('-', '_')}.py"
    part.write_text(PART.format(mark=str(tmp_path / "executed")))
    terminal.study(folder, f"{part}:Mine")
    gantlet.load(folder, run=0)
    part.write_text(part.read_text() + "# other\n")
    with pytest.raises(Untrusted, match="has changed since this study was started here"):
        gantlet.load(folder, run=0)


def test_a_saved_gan_of_a_strangers_asks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    part = tmp_path / f"saved_{tmp_path.name.replace('-', '_')}.py"
    part.write_text(PART.format(mark=str(tmp_path / "executed")))
    settings: dict[str, Any] = {"steps": 1, "g_width": 4, "d_width": 4, "batch_size": 8}
    gantlet.GAN(f"{part}:Mine", **settings).fit(torch.zeros(16, 2)).save(tmp_path / "gan")
    gantlet.GAN.load(tmp_path / "gan")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(Untrusted):
        gantlet.GAN.load(tmp_path / "gan")
    assert gantlet.GAN.load(tmp_path / "gan", trust=True).sample(2).shape == (2, 2)


def test_every_key_that_can_name_a_part_is_looked_at() -> None:
    from gantlet.studies.record import SettingRecord

    values = {
        "network": "a.py:A",
        "generator": "b.py:B",
        "discriminator": "c.py:C",
        "constraint": "d.py:D",
        "penalties": "r1+e.py:E",
        "metrics": "mixture + f.py:F",
    }
    setting = SettingRecord(task="g.py:G", method="h.py:H", label="x", values=values)
    assert list(own_parts((setting,))) == [f"{letter}.py:{letter.upper()}" for letter in "abcdefgh"]
    plain = SettingRecord(task="ring8", method="wgan-gp", label="x", values={"network": "mlp", "penalties": "r1+lecam"})
    assert own_parts((plain,)) == {}


@pytest.mark.parametrize("place", leading(["fleets", "fleets/0000", "fleets/0000/checkpoint", "samples"]))
def test_a_link_within_a_study_is_not_followed(folder: Path, tmp_path: Path, place: str) -> None:
    terminal.study(folder, "vanilla")
    (folder / "fleets" / "0000" / "results.json").unlink()
    outside, inside = tmp_path / "outside", folder / place
    if inside.exists():
        inside.rename(outside)
    else:
        outside.mkdir()
    before = terminal.tree(outside)
    inside.symlink_to(outside)
    done = terminal.gantlet("resume", folder, "--quiet")
    assert "links within a study are not followed" in done.err
    assert (done.status, "Traceback" in done.err) in ((2, False), (3, False))
    assert terminal.tree(outside) == before


def test_pictures_and_event_files_are_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    terminal.study(folder, "vanilla", recorded=1, tensorboard=True)
    for name in ("samples", "tensorboard"):
        again, outside = tmp_path / name, tmp_path / f"outside-{name}"
        shutil.copytree(folder, again)
        shutil.rmtree(again / "fleets" / "0000")
        shutil.move(again / name / "0", outside)
        (again / name / "0").symlink_to(outside)
        before = terminal.tree(outside)
        done = terminal.gantlet("resume", again, "--quiet")
        assert f"{again / name / '0'} is a link" in done.err
        assert terminal.tree(outside) == before
        told = terminal.gantlet("animate", again, 0, "--out", tmp_path / f"{name}.gif")
        assert (told.status, "is a link" in told.err) == ((2, True) if name == "samples" else (0, False))


@pytest.mark.parametrize("name", ["../../victim", "0000/../../x", "", "a", "0000\n", "0" * 40])
def test_a_fleet_id_that_is_no_id_is_refused(name: str) -> None:
    from pydantic import ValidationError

    from gantlet.studies.record import FleetPlan

    with pytest.raises(ValidationError):
        FleetPlan(id=name, slots=(0,))


def test_a_pipe_in_the_place_of_a_file_does_not_hang(folder: Path) -> None:
    import os

    terminal.study(folder, "vanilla")
    for name in ("study.json", "runs.parquet", "history.parquet"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        os.mkfifo(folder / name)
        done = terminal.gantlet("show", folder)
        assert (done.status, "Traceback" in done.err) == (2 if name == "study.json" else 0, False)
        (folder / name).unlink()
        (folder / name).write_bytes(content)
    (folder / "fleets").rename(folder.parent / "fleets")
    os.mkfifo(folder / "fleets")
    done = terminal.gantlet("resume", folder)
    assert (done.status, "fleets is not a folder, so nothing can be trained. Remove it" in done.err) == (2, True)


def test_the_store_is_where_the_study_is(folder: Path) -> None:
    assert Store(folder).lock("0000") == folder / "fleets" / "0000.lock"


def test_an_executor_of_a_strangers_is_not_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark, part = tmp_path / "executed", tmp_path / "executor_of_theirs.py"
    part.write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Mine:\n    pass\n")
    start(terminal.planned(folder, "vanilla"), executor=FakeExecutor())
    store = Store(folder)
    execution = store.record().execution.model_copy(update={"executor": f"{part}:Mine"})
    store.update(store.record().model_copy(update={"execution": execution}))
    with pytest.raises(Untrusted, match="executor_of_theirs"):
        resume(folder)
    done = terminal.gantlet("resume", folder)
    assert (done.status, done.lines[0].startswith("gantlet: This study names a part of its author's own")) == (2, True)
    assert not mark.exists()


def test_ones_own_parts_run_where_nothing_can_be_noted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / f"noted_{tmp_path.name.replace('-', '_')}.py"
    part.write_text(PART.format(mark=str(tmp_path / "executed")))
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))  # a home that cannot be written
    store = terminal.study(folder, f"{part}:Mine")
    assert gantlet.Study(store.folder).runs["status"].tolist() == ["finished"]
