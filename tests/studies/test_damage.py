"""Damage is noticed, said in a sentence and passed by: the study ends as if nothing had happened, and says that it did."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import terminal
from damaging import edit, flip
from gantlet.errors import BadValue, StoreError
from gantlet.files import locked, sealed
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.launch import resume
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.training import checkpoint
from thinning import leading

WORDS = ("steps=12", "evaluations=4")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Store:
    """A finished study of two fleets."""
    return terminal.study(tmp_path_factory.mktemp("whole") / "study", "wgan-gp,vanilla", *WORDS, seeds="2")


@pytest.fixture
def stopped(folder: Path) -> Store:
    """The same study, stopped after its third evaluation, with two checkpoints of its first fleet."""
    heard: list[int] = []
    planned = terminal.planned(folder, "wgan-gp,vanilla", *WORDS, seeds="2")

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > 9

    from gantlet.studies.launch import start

    start(planned, Callbacks(stopping=stopping))
    store = Store(folder)
    assert [len(checkpoint.places(store.checkpoint(fleet))) for fleet in ("0000", "0001")] == [2, 0]
    return store


def first_chunk(fleet: Path) -> Path:
    return min(fleet.glob("history-*"))


def _sealed_anew(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | fields)))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (lambda fleet: flip(fleet / "checkpoint" / "tensors.safetensors"), "goes on from step 6"),
    "a cut file": (
        lambda fleet: (fleet / "checkpoint" / "tensors.safetensors").write_bytes(b"cut"),
        "goes on from step 6",
    ),
    "another step": (
        lambda fleet: edit(fleet / "checkpoint" / "state.json", lambda rest: rest.update(step=3)),
        "goes on from step 6",
    ),
    "an odd divergence, sealed anew": (
        lambda fleet: _sealed_anew(fleet / "checkpoint" / "state.json", exits={"0": {"step": "x"}}),
        "goes on from step 6",
    ),
    "no state": (lambda fleet: (fleet / "checkpoint" / "state.json").write_text("["), "goes on from step 6"),
    "nothing good left": (
        lambda fleet: [flip(place / "tensors.safetensors") for place in fleet.glob("checkpoint*")],
        "is trained again from the start",
    ),
    "history gone": (lambda fleet: first_chunk(fleet).unlink(), "is trained again from the start"),
    "history emptied": (lambda fleet: first_chunk(fleet).write_bytes(b""), "is trained again from the start"),
    "the last history cut": (
        lambda fleet: max(fleet.glob("history-*")).write_bytes(b"PAR1"),
        "goes on from step 6",
    ),
}


@pytest.mark.parametrize("damage", leading(list(DAMAGES)))
def test_damage_is_said_and_the_study_ends_as_if_it_had_not_been(stopped: Store, whole: Store, damage: str) -> None:
    hurt, expected = DAMAGES[damage]
    hurt(stopped.fleet("0000"))
    ended: list[FleetResult] = []
    resume(stopped.folder, Callbacks(ended=ended.append))
    said = [sentence for result in ended for sentence in result.damage]
    assert len(said) == 1
    assert expected in said[0]
    assert terminal.results(stopped) == terminal.results(whole)
    assert terminal.difference(stopped, whole) is None
    assert stopped.history().equals(whole.history())


@pytest.mark.slow
def test_resume_of_a_damaged_study_ends_with_status_1(stopped: Store) -> None:
    flip(stopped.fleet("0000") / "checkpoint" / "tensors.safetensors")
    done = terminal.gantlet("resume", stopped.folder, "--quiet")
    assert done.status == 1
    assert "is damaged: its tensors do not have their checksum. Fleet 0000 goes on from step 6." in done.err


@pytest.mark.slow
def test_another_fleets_checkpoint_is_noticed(stopped: Store, whole: Store) -> None:
    shutil.rmtree(stopped.checkpoint("0000"))
    shutil.copytree(whole.checkpoint("0001"), stopped.checkpoint("0000"))
    ended: list[FleetResult] = []
    resume(stopped.folder, Callbacks(ended=ended.append))
    damage = {result.fleet: result.damage for result in ended}
    assert damage.keys() == {"0000", "0001"}
    assert len(damage["0000"]) == 1
    assert "is that of fleet 0001" in damage["0000"][0]
    assert not damage["0001"]
    assert terminal.results(stopped) == terminal.results(whole)


@pytest.mark.slow
def test_what_cannot_be_read_at_the_moment_is_no_damage(
    stopped: Store, whole: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in stopped.fleet("0000").rglob("*") if path.is_file()}
    original = os.open

    def busy(path: Any, *words: Any, **more: Any) -> int:
        if Path(path).parent.name == "checkpoint":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return original(path, *words, **more)

    ended: list[FleetResult] = []
    with monkeypatch.context() as patch:
        patch.setattr("gantlet.files.os.open", busy)
        resume(stopped.folder, Callbacks(ended=ended.append, stopping=lambda: bool(ended)))
    assert [(result.fleet, result.kind, result.damage) for result in ended] == [("0000", "failed", ())]
    assert "Too many open files" in str(ended[0].error)
    assert {path: path.read_bytes() for path in before} == before
    resume(stopped.folder)
    assert terminal.difference(stopped, whole) is None


@pytest.mark.slow
def test_a_checkpoint_behind_a_link_is_left_alone(stopped: Store, tmp_path: Path) -> None:
    for place in checkpoint.places(stopped.checkpoint("0000")):
        kept = tmp_path / f"{place.name}.kept"
        (place / "tensors.safetensors").rename(kept)
        (place / "tensors.safetensors").symlink_to(kept)
    ended: list[FleetResult] = []
    resume(stopped.folder, Callbacks(ended=ended.append))
    first = next(result for result in ended if result.fleet == "0000")
    assert first.kind == "failed"
    assert "links are not followed" in str(first.error)
    assert len(checkpoint.places(stopped.checkpoint("0000"))) == 2
    assert list(stopped.fleet("0000").glob("history-*"))


@pytest.mark.slow
def test_a_damaged_checkpoint_is_set_aside(stopped: Store) -> None:
    flip(stopped.checkpoint("0000") / "tensors.safetensors")
    content = (stopped.checkpoint("0000") / "tensors.safetensors").read_bytes()
    resume(stopped.folder)
    assert (stopped.fleet("0000") / "checkpoint.damaged" / "tensors.safetensors").read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["plan"]["members"][0].__setitem__(2, 99),
        lambda record: record["settings"][0]["values"].update(lr_g=0.5),
        lambda record: record["sample"].update(shape=[3]),
        lambda record: record["execution"].update(threads=7),
        lambda record: record["facts"]["data"].update(train=7),
    ],
    ids=["seed", "setting", "sample", "threads", "facts"],
)
def test_a_record_that_was_edited_is_refused(
    finished: Store, folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    shutil.copytree(finished.folder, folder)
    edit(folder / "study.json", change)
    with pytest.raises(StoreError, match="was damaged or changed since the study was started"):
        resume(folder)


@pytest.mark.parametrize(
    "content", leading(["[]", "{}", '{"runs": 3}', '{"runs": [{"run": "a"}]}', "{", '{"fleet": "0001"}'])
)
def test_results_of_another_shape_are_made_again_from_the_checkpoint(folder: Path, whole: Store, content: str) -> None:
    shutil.copytree(whole.folder, folder)
    store = Store(folder)
    (store.fleet("0000") / "results.json").write_text(content)
    assert Study(folder).runs["status"].tolist() == ["failed", "failed", "finished", "finished"]
    ended: list[FleetResult] = []
    resume(folder, Callbacks(ended=ended.append))
    ((said,),) = [result.damage for result in ended]
    assert "results.json" in said  # made again, it was not told
    assert said.endswith("It goes on from its last good checkpoint.")
    assert terminal.results(store) == terminal.results(whole)


# One writer


@pytest.mark.slow
def test_a_fleet_that_another_process_trains_is_left_to_it(stopped: Store) -> None:
    ended: list[FleetResult] = []
    with locked(stopped.lock("0000")):
        resume(stopped.folder, Callbacks(ended=ended.append))
    kinds = {result.fleet: result.kind for result in ended}
    assert kinds == {"0000": "elsewhere", "0001": "finished"}
    assert stopped.failure("0000") is None
    resume(stopped.folder)
    assert Study(stopped.folder).runs["status"].tolist() == ["finished"] * 4


@pytest.mark.slow
def test_a_fleet_that_another_process_trains_is_told_and_is_no_damage(stopped: Store) -> None:
    with locked(stopped.lock("0000")):
        done = terminal.gantlet("resume", stopped.folder, "--quiet")
    assert done.status == 3
    assert "gantlet: fleet 0000 is being trained by process" in done.err
    assert done.err.endswith("gantlet: 2 of 4 members stopped\n")
    assert terminal.gantlet("resume", stopped.folder, "--quiet").status == 0


@pytest.mark.slow
def test_temporary_files_of_a_killed_process_are_swept(stopped: Store) -> None:
    import os
    import platform
    import subprocess
    import sys

    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    host = "".join(mark for mark in platform.node() if mark.isalnum()) or "host"
    left = stopped.folder / f".runs.parquet~{host}-{gone.stdout.strip()}~abc"
    mine = stopped.folder / f".runs.parquet~{host}-{os.getpid()}~abc"
    elsewhere = stopped.folder / ".runs.parquet~otherhost-1~abc"
    for path in (left, mine, elsewhere):
        path.touch()
    resume(stopped.folder)
    assert [path.exists() for path in (left, mine, elsewhere)] == [False, True, True]


# Elsewhere


@pytest.mark.slow
def test_a_study_of_a_device_that_is_not_here_says_how_to_go_on(stopped: Store, whole: Store) -> None:
    record = stopped.record()
    away = record.execution.model_copy(update={"device": "cuda:7"})
    stopped.update(record.model_copy(update={"execution": away}))
    with pytest.raises(BadValue, match=r"started on cuda:7, which is not here.*gantlet resume .* --device cpu"):
        resume(stopped.folder)
    assert stopped.failure("0000") is None
    resume(stopped.folder, device="cpu")
    assert (stopped.record().execution.device, stopped.record().moved_from) == ("cpu", ("cuda:7",))
    assert terminal.results(stopped) == terminal.results(whole)


def test_a_name_that_no_folder_can_have_is_one_sentence() -> None:
    done = terminal.gantlet("run", "ring8", "vanilla", "steps=1", "--out", "d" * 300)
    assert done.status == 2
    assert "cannot be a study folder" in done.err
    assert "Traceback" not in done.err
