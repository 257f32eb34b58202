"""Files of history are joined while a fleet is trained: few at any time, no row lost or twice, whichever checkpoint is the good one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import terminal
from chaos import killed_at, resumed
from damaging import flip
from gantlet.files import file_digest
from gantlet.studies import fleet_history, runner
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.fleet_history import LOST, FleetHistory
from gantlet.studies.history_table import joined_history
from gantlet.studies.launch import resume, start
from gantlet.studies.repair import repair_study
from gantlet.studies.store import Store
from gantlet.studies.verify import verify_study
from gantlet.training import checkpoint
from gantlet.training.history import Rows
from thinning import covering, leading

WORDS = ("steps=12", "evaluations=4")
STATE: dict[str, Any] = {"format": 1, "exits": {}, "history_counts": {}, "stopped": {}}


class Killed(BaseException):
    """A death that nothing in between catches."""


class Saved:
    """A fleet that writes a checkpoint after each of some stretches, with a row per step."""

    def __init__(self, folder: Path) -> None:
        self.history, self.chunks, self.step, self.written = FleetHistory(folder), dict[str, str](), 0, 0
        self.most = 0

    def on(self, steps: int, *, empty: bool = False) -> None:
        """Train so many steps and save."""
        begin, self.step = self.step, self.step + steps
        if not empty:
            rows = [(0, step, "loss", step / 7) for step in range(begin + 1, self.step + 1)] or [(0, begin, "x", 1.0)]
            self.chunks = self.history.add(self.chunks, begin, self.step, rows_of(rows), {0: 3})
        self.write()

    def write(self) -> None:
        """Write the checkpoint, and let go of what no checkpoint names."""
        state = {**STATE, "step": self.step, "discriminator_steps": self.step, "chunks": self.chunks}
        checkpoint.write(self.history.folder / "checkpoint", {"a": torch.zeros(1)}, state)
        self.history.tidy(self.chunks)
        self.most = max(self.most, len(names(self.history.folder)))

    def table(self, *, finished: bool = True) -> pd.DataFrame:
        """What is read of it."""
        return joined_history(self.history.tables(finished=finished))


def rows_of(entries: Sequence[tuple[int, int, str, float]]) -> Rows:
    return Rows(*(list(column) for column in zip(*entries, strict=True)))  # pyright: ignore[reportArgumentType]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("history-*"))


def size_of(name: str) -> int:
    begin, end = name.removesuffix(".parquet").split("-")[1:]
    return int(end) - int(begin)


def end_of(path: Path) -> int:
    return int(path.stem.split("-")[2])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step, and files that are joined as soon as there are three."""
    monkeypatch.setattr(runner, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Store:
    """A finished study of one fleet with a checkpoint after each step, none of whose files were joined."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "_CHECKPOINT_SECONDS", 0.0)
        patch.setattr(fleet_history, "_MOST_FILES", 1000)
        store = terminal.study(tmp_path_factory.mktemp("whole") / "study", "vanilla", *WORDS, seeds="2")
    assert len(names(store.fleet("0000"))) == 12
    return store


# Few files, each row once


def test_a_run_of_many_checkpoints_leaves_few_files_and_rewrites_each_row_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, written, count = Saved(tmp_path), list[Path](), 120

    def digest(path: Path) -> str:  # of each file that was written
        written.append(path)
        return file_digest(path)

    monkeypatch.setattr(fleet_history, "file_digest", digest)
    for _ in range(count):
        saved.on(1)
    assert saved.most <= 7
    assert len(saved.chunks) <= 6
    assert count < sum(size_of(path.name) for path in written) <= 6 * count
    assert saved.table().equals(expected(count))


def expected(steps: int) -> pd.DataFrame:
    numbers = list(range(1, steps + 1))
    return pd.DataFrame({"run": 3, "step": numbers, "name": "loss", "value": [step / 7 for step in numbers]})


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=9), st.integers(1, 3))
def test_whatever_the_lengths_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, stretches: list[tuple[int, bool]], most: int
) -> None:
    tables: list[pd.DataFrame] = []
    for files in (most, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fleet_history, "_MOST_FILES", files)
            saved = Saved(tmp_path_factory.mktemp("fleet"))
            for steps, empty in stretches:
                saved.on(steps, empty=empty)
            tables.append(saved.table())
            saved.history.check(saved.chunks)
    assert tables[0].equals(tables[1])


def test_files_of_full_size_are_not_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Saved(tmp_path)
    saved.on(2000)
    monkeypatch.setattr(fleet_history, "_FULL", (tmp_path / names(tmp_path)[0]).stat().st_size)
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)
    for _ in range(9):
        saved.on(1)
    assert names(tmp_path)[0] == "history-000000000-000002000.parquet"
    assert len(saved.chunks) <= 3
    assert saved.table().equals(expected(2009))


def test_a_study_of_joined_files_is_the_unjoined_one(folder: Path, whole: Store, often: None) -> None:
    store = terminal.study(folder, "vanilla", *WORDS, seeds="2")
    assert len(names(store.fleet("0000"))) <= 3
    assert terminal.difference(store, whole) is None
    assert verify_study(folder).wrong == verify_study(folder).notes == ()


# Stops and deaths


DEATHS: dict[str, Any] = {"add": FleetHistory, "write": checkpoint, "tidy": FleetHistory, "write_results": Store}


@pytest.mark.parametrize(("after", "name"), covering(list(product((False, True), DEATHS)), lambda case: case[0]))
def test_a_death_around_a_join_changes_nothing(
    folder: Path, whole: Store, often: None, name: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = DEATHS[name]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def die(*words: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5 or owner is Store:
            if after:
                original(*words, **more)
            raise Killed
        return original(*words, **more)

    planned = terminal.planned(folder, "vanilla", *WORDS, seeds="2")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(Killed):
            start(planned)
    assert not any(fleet.damage for fleet in verify_study(folder).fleets)
    resume(folder)
    store = Store(folder)
    assert terminal.difference(store, whole) is None
    assert verify_study(folder).wrong == ()
    assert len(names(store.fleet("0000"))) <= 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks where other threads are
def test_a_kill_before_each_change_of_files_loses_nothing(folder: Path, tmp_path: Path, often: None) -> None:
    words = ("vanilla", "steps=6", "evaluations=1")
    whole, asked, place = terminal.study(tmp_path / "whole", *words, seeds="2"), iter(range(100)), 0
    half = start(terminal.planned(folder, *words, seeds="2"), Callbacks(stopping=lambda: next(asked) >= 4)).folder
    assert [size_of(name) for name in names(Store(half).fleet("0000"))] == [3, 1]
    while True:
        place += 1
        copy = tmp_path / f"study-{place}"
        shutil.copytree(half, copy)
        if not killed_at(place, copy, changes=True):
            assert terminal.difference(Store(copy), whole) is None
            break
        assert not any(fleet.damage for fleet in verify_study(copy).fleets), place
        assert resumed(copy) == 0
        for lock in (copy / "fleets").glob("*.lock"):
            lock.unlink()
        assert terminal.difference(Store(copy), whole) is None, place
        assert verify_study(copy).wrong == (), place
        assert not list(copy.glob("fleets/*/checkpoint.gone")), place
    assert place > 40


def test_a_join_whose_checkpoint_was_never_written_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)
    saved = Saved(tmp_path)
    for _ in range(2):
        saved.on(3)
    before = names(tmp_path)
    saved.history.add(saved.chunks, 6, 9, rows_of([(0, 9, "loss", 1.0)]), {0: 3})
    assert names(tmp_path) != before
    assert saved.table(finished=False).equals(expected(6))
    saved.history.drop_after(6)
    assert names(tmp_path) == before


# Damage


def joined_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """A fleet whose last checkpoint names one file in the place of the three that the one before it names."""
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 3)
    saved = Saved(tmp_path)
    for _ in range(4):
        saved.on(2)
    assert [size_of(name) for name in names(tmp_path)] == [2, 8, 2, 2]
    assert list(saved.chunks) == ["history-000000000-000000008.parquet"]
    return saved


def test_the_checkpoint_before_a_join_finds_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = joined_then(tmp_path, monkeypatch)
    checkpoint.set_aside(tmp_path / "checkpoint")
    rest = checkpoint.read_state(tmp_path / "checkpoint")
    saved.history.drop_after(rest["step"])
    saved.history.check(rest["chunks"])
    assert saved.table().equals(expected(6))


def test_where_the_joined_file_is_damaged_what_it_took_in_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    saved = joined_then(tmp_path, monkeypatch)
    flip(tmp_path / "history-000000000-000000008.parquet")
    assert saved.table().equals(expected(6))
    assert caplog.text.count("is left out") == 1


@pytest.mark.parametrize("place", ["history-000000000-000000002.parquet", "history-000000004-000000006.parquet"])
def test_damage_to_what_was_joined_is_neither_told_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    saved = joined_then(tmp_path, monkeypatch)
    flip(tmp_path / place)
    assert saved.table().equals(expected(8))
    assert not caplog.text
    saved.on(2)
    assert place not in names(tmp_path)
    assert saved.table().equals(expected(10))


def test_files_that_a_killed_process_did_not_delete_are_not_read_twice_and_go_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    saved = joined_then(tmp_path, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(FleetHistory, "tidy", lambda *words: None)
        saved.on(2)
    assert len(names(tmp_path)) == 5
    assert saved.table().equals(expected(10))
    assert not caplog.text
    (tmp_path / "checkpoint").rename(tmp_path / "elsewhere")
    (tmp_path / "checkpoint.old").rename(tmp_path / "elsewhere.old")
    assert saved.table().equals(expected(10)), "without a checkpoint, each step is read once"
    (tmp_path / "elsewhere").rename(tmp_path / "checkpoint")
    saved.on(2)
    assert sorted(map(size_of, names(tmp_path))) == [2, 2, 8]


def test_a_damaged_file_is_never_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows would get a checksum that fits."""
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 3)
    saved = Saved(tmp_path)
    for _ in range(2):
        saved.on(2)
    bad = names(tmp_path)[1]
    flip(tmp_path / bad)
    for _ in range(20):
        saved.on(2)
    assert bad in saved.chunks
    assert [path.name for path, _ in saved.history.damaged(saved.chunks)] == [bad]
    assert len(saved.chunks) <= 5
    steps = saved.table()["step"].tolist()
    assert steps == [step for step in range(1, 45) if step not in (3, 4)]


def test_what_is_known_to_be_lost_stays_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)
    saved = Saved(tmp_path)
    saved.on(2)
    lost = tmp_path / names(tmp_path)[0]
    lost.rename(lost.with_name(lost.name + LOST))
    for _ in range(6):
        saved.on(2)
    assert lost.with_name(lost.name + LOST).exists()
    assert lost.name in saved.chunks
    saved.history.check(saved.chunks)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the last checkpoint": lambda fleet: flip(fleet / "checkpoint" / "tensors.safetensors"),
    "the longest file": lambda fleet: flip(max(fleet.glob("history-*"), key=lambda path: size_of(path.name))),
    "the last file is missing": lambda fleet: max(fleet.glob("history-*"), key=end_of).unlink(),
    "every file": lambda fleet: [path.write_bytes(b"PAR1") for path in fleet.glob("history-*")],
}


@pytest.mark.parametrize("by_hand", leading([True, False]))
@pytest.mark.parametrize("damage", leading(list(DAMAGES)))
@pytest.mark.parametrize("steps", leading([5, 6, 7]))
def test_a_damaged_study_of_joined_files_ends_as_if_it_had_not_been(
    folder: Path, whole: Store, often: None, steps: int, damage: str, by_hand: bool
) -> None:
    asked = iter(range(100))
    start(
        terminal.planned(folder, "vanilla", *WORDS, seeds="2"),
        Callbacks(stopping=lambda: next(asked) >= steps),
    )
    store, ended = Store(folder), list[FleetResult]()
    DAMAGES[damage](store.fleet("0000"))
    assert verify_study(folder).wrong
    if by_hand:
        repair_study(folder)
        assert verify_study(folder).wrong == ()
    resume(folder, Callbacks(ended=ended.append))
    assert [bool(result.damage) for result in ended] == [not by_hand]
    assert terminal.difference(store, whole) is None
    assert verify_study(folder).wrong == ()


# Readers meanwhile


def test_who_reads_while_files_are_joined_reads_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)
    saved = Saved(tmp_path)
    for _ in range(2):
        saved.on(2)
    read, calls = fleet_history.read_rows, list[Path]()

    def slow(path: Path) -> Any:
        calls.append(path)
        if len(calls) == 2:  # the first file was read; the second is joined and deleted meanwhile
            for _ in range(3):
                saved.on(2)
        return read(path)

    monkeypatch.setattr(fleet_history, "read_rows", slow)
    assert saved.table(finished=False).equals(expected(10))
    assert not caplog.text


def test_what_cannot_be_deleted_is_said_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 1)

    def refused(path: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    saved = Saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fleet_history, "clear_away", refused)
        for _ in range(3):
            saved.on(2)
    assert "history that is needed no more stays" in caplog.text
    saved.on(2)
    assert len(names(tmp_path)) == 2
    assert saved.table().equals(expected(8))
