"""Training one fleet: evaluations, clean stops at any step, and interrupted = uninterrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import terminal
from gantlet.studies import runner
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.fleet_history import FleetHistory
from gantlet.studies.launch import resume, start
from gantlet.studies.runner import Progress, evaluation_steps
from gantlet.studies.store import Store
from gantlet.training import checkpoint
from gantlet.training.fleet import Fleet
from thinning import crossed, leading

WORDS = ("ema=0.9", "lr=0.001,0.002")  # an average and two optimiser groups


def stop_after(steps: int) -> Callbacks:
    """Callbacks of which one asks to stop once ``steps`` steps were trained."""
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1  # asked before each fleet, and after every step
        return asked > steps

    return Callbacks(stopping=stopping)


class Killed(BaseException):
    """A death that nothing in between catches."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The study that was never interrupted."""
    return terminal.study(tmp_path_factory.mktemp("whole") / "study", "vanilla", *WORDS, seeds="2", note="x")


# Evaluations


@given(st.integers(1, 500), st.integers(1, 60))
def test_evaluations_are_even_and_the_last_is_at_the_end(steps: int, count: int) -> None:
    due = evaluation_steps(steps, count)
    assert len(due) == min(steps, count)
    assert due[-1] == steps
    assert list(due) == sorted(set(due))
    gaps = {later - earlier for earlier, later in zip((0, *due), due, strict=False)}
    assert max(gaps) - min(gaps) <= 1


# Interrupted = uninterrupted


@pytest.mark.parametrize("steps", leading((4, 1, 2, 3, 5, 6)))
def test_a_stop_after_any_step_changes_nothing(folder: Path, whole: Store, steps: int) -> None:
    start(terminal.planned(folder, "vanilla", *WORDS, seeds="2", note="x"), stop_after(steps))
    store = Store(folder)
    assert terminal.finished(store, "0000") == (steps == 6)
    _, rest = checkpoint.read(store.checkpoint("0000"))
    assert rest["step"] == steps
    resume(folder)
    assert terminal.difference(store, whole) is None


@pytest.mark.parametrize("step", leading((4, 1, 3, 5)))
def test_a_death_within_any_step_changes_nothing(
    folder: Path, whole: Store, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Fleet.advance

    def die(fleet: Fleet) -> None:
        if fleet.step == step:
            raise Killed
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", die)
    with pytest.raises(Killed):
        terminal.study(folder, "vanilla", *WORDS, seeds="2", note="x")
    monkeypatch.setattr(Fleet, "advance", advance)
    resume(folder)
    assert terminal.difference(Store(folder), whole) is None


@pytest.mark.parametrize(("after", "where"), crossed((False, True), ("history", "results")))
def test_a_death_between_two_files_changes_nothing(
    folder: Path, whole: Store, where: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = (FleetHistory, "add") if where == "history" else (Store, "write_results")
    write: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def die(store: Any, *words: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2 or where == "results":  # a chunk that its checkpoint never vouched for
            if after:
                write(store, *words, **more)
            raise Killed
        return write(store, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(Killed):
            terminal.study(folder, "vanilla", *WORDS, seeds="2", note="x")
    resume(folder)
    assert terminal.difference(Store(folder), whole) is None


def test_a_chunk_without_its_checkpoint_is_forgotten_even_where_the_next_one_ends_elsewhere(
    folder: Path, whole: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoint.write

    def die(place: Path, tensors: Any, rest: Any) -> None:
        if rest["step"] == 5:
            raise Killed
        write(place, tensors, rest)

    planned = terminal.planned(folder, "vanilla", *WORDS, seeds="2", note="x")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", die)
        with pytest.raises(Killed):
            start(planned, stop_after(5))
    chunks = [path.name for path in sorted((folder / "fleets" / "0000").glob("history-*"))]
    assert chunks == ["history-000000000-000000003.parquet", "history-000000003-000000005.parquet"]
    resume(folder)
    assert terminal.difference(Store(folder), whole) is None
    chunks = [path.name for path in sorted((folder / "fleets" / "0000").glob("history-*"))]
    assert chunks == ["history-000000000-000000003.parquet", "history-000000003-000000006.parquet"]


def test_a_finished_study_is_not_touched_by_resume(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = terminal.study(folder, "vanilla,alpha", seeds="2")
    before = terminal.tree(folder / "fleets")
    monkeypatch.setattr(Fleet, "advance", lambda fleet: pytest.fail("a finished member was trained again"))
    resume(folder)
    assert terminal.tree(folder / "fleets") == before
    assert terminal.difference(store, store) is None


@pytest.mark.slow
def test_finished_fleets_stay_when_others_go_on(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla,alpha", seeds="2"), stop_after(10))
    store = Store(folder)
    assert (terminal.finished(store, "0000"), terminal.finished(store, "0001")) == (True, False)
    before = terminal.tree(store.fleet("0000"))
    resume(folder)
    assert terminal.tree(store.fleet("0000")) == before
    assert terminal.finished(store, "0001")


def test_checkpoints_are_also_written_by_the_clock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_CHECKPOINT_SECONDS", 0.0)
    written: list[int] = []
    write = checkpoint.write

    def note(place: Path, tensors: Any, rest: Any) -> None:
        written.append(rest["step"])
        write(place, tensors, rest)

    monkeypatch.setattr(checkpoint, "write", note)
    terminal.study(folder, "vanilla")
    assert written == [1, 2, 3, 4, 5, 6]


# What is said and recorded


def test_progress_says_that_an_evaluation_begins_and_then_what_it_found(folder: Path) -> None:
    heard: list[Progress] = []
    start(terminal.planned(folder, "vanilla", seeds="2"), Callbacks(progress=heard.append))
    kinds = [(told.step, "before" if told.evaluating else "after" if told.rows else "") for told in heard]
    assert [kind for kind in kinds if kind[1]] == [(3, "before"), (3, "after"), (6, "before"), (6, "after")]
    assert all(told.rate > 0 for told in heard if told.evaluating), "the speed stays in sight"


def test_progress_tells_the_step_the_rate_and_the_best_and_worst(folder: Path) -> None:
    heard: list[Progress] = []
    start(terminal.planned(folder, "vanilla", seeds="3"), Callbacks(progress=heard.append))
    last = heard[-1]
    assert (last.fleet, last.step, last.steps, last.members, last.out) == ("0000", 6, 6, 3, 0)
    assert last.rate > 0
    modes = {run: row["modes"] for run, row in terminal.results(Store(folder)).items()}
    assert last.best is not None
    assert last.worst is not None
    assert last.best[0] == max(modes.values()) == modes[last.best[1]]
    assert last.worst[0] == min(modes.values()) == modes[last.worst[1]]


def test_a_narrow_fleet_is_padded_and_pads_are_nowhere_to_be_seen(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", seeds="5", width=3)
    assert sorted(terminal.results(store)) == [0, 1, 2, 3, 4]
    assert {row["width"] for row in terminal.results(store).values()} == {3}
    counts = store.history().groupby(["run", "name", "step"]).size()
    assert set(counts) == {1}
    assert sorted(store.history()["run"].unique()) == [0, 1, 2, 3, 4]


def test_rows_count_steps_updates_and_images(folder: Path) -> None:
    rows = terminal.results(terminal.study(folder, "wgan-gp", "n_critic=3", "generators=2", "ema=0.5"))
    expected = {"generator_steps": 6, "discriminator_steps": 18, "images_seen": 18 * 32, "weights": "average"}
    assert {name: rows[0][name] for name in expected} == expected
    assert len(rows[0]["modes_by_generator"]) == 2


def test_members_of_a_padded_and_of_a_full_fleet_are_equal_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    padded = terminal.study(folder, "vanilla", seeds="5", width=3)
    full = terminal.study(tmp_path / "full", "vanilla", seeds="4,5,9", width=3)
    one, other = (terminal.checkpoint_of(store, fleet)[0] for store, fleet in ((padded, "0001"), (full, "0000")))
    for name, value in one.items():
        for slot in (0, 1):
            assert value[slot].equal(other[name][slot]), name
