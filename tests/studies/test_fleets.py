"""What fleets share, and a fleet that runs out of memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import terminal
from gantlet.cpu import cores, threads_allowed, threads_set
from gantlet.errors import BadData, Refused
from gantlet.requests.grid import parse_axis
from gantlet.studies.cache import Cache, data_key
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.fleets import recorder_of
from gantlet.studies.launch import resume, start
from gantlet.studies.record import FleetPlan
from gantlet.studies.replay import replay
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.verify import verify_study
from gantlet.tasks.gaussians import RING8
from gantlet.training import checkpoint
from gantlet.training.fleet import Fleet
from thinning import leading

MODES, KL = RING8, replace(RING8, headline="kl")


def resolved(*words: str, task: str = "ring8") -> Any:
    return terminal.resolve(task, "vanilla", *words)[0]


def test_equal_data_are_loaded_once() -> None:
    cache = Cache()
    small = resolved("train_size=200", "test_size=50")
    again = resolved("train_size=200", "test_size=50", "lr=0.5", "batch_size=16")
    assert cache.dataset(small) is cache.dataset(again)
    assert cache.metrics(small) is cache.metrics(again)
    other = resolved("train_size=200", "test_size=50", "data_seed=2")
    assert cache.dataset(other) is not cache.dataset(small)
    assert data_key(small) == data_key(again) != data_key(other)


def test_too_small_a_pool_is_refused() -> None:
    with pytest.raises(BadData, match="training pool of 'ring8' holds 100 samples, fewer than one batch of 128"):
        Cache().dataset(resolved("train_size=100"))


def test_endless_sampling_of_a_mere_pool_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", np.random.default_rng(1).normal(size=(200, 2)))
    with pytest.raises(Refused, match="pool=endless needs a data set whose distribution is known"):
        Cache().dataset(resolved("pool=endless", task=f"points:{tmp_path}/points.npy"))
    assert Cache().dataset(resolved("pool=endless", "train_size=200")).endless is not None


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with threads_set(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("given", "found"), [("3", 3), ("0", 1), ("", None), ("few", None), ("-2", None)])
def test_the_cores_are_those_that_the_environment_names_or_the_system_allows(
    given: str, found: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTLET_CORES", given)
    assert cores() == found if found else 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("task", "extent"), [("ring8", 2.0), ("mixture8", 2.0), ("grid25", 5.0)])
def test_the_window_of_a_named_task_is_its_own(folder: Path, task: str, extent: float) -> None:
    assert recorded_window(folder, task) == ("points", extent)


def test_the_window_of_points_of_ones_own_holds_them_all(folder: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(1).uniform(-1, 1, size=(300, 2))
    points[:, 0] *= 4
    np.save(tmp_path / "flat.npy", points)
    np.save(tmp_path / "deep.npy", np.zeros((300, 3)) + points[:, :1])
    kind, extent = recorded_window(folder, f"points:{tmp_path}/flat.npy")
    assert kind == "points"
    test = Cache().dataset(resolved(task=f"points:{tmp_path}/flat.npy")).test
    assert extent == pytest.approx(1.25 * float(test.abs().max()))
    assert recorded_window(tmp_path / "deep", f"points:{tmp_path}/deep.npy")[0] == "none"


def recorded_window(folder: Path, task: str) -> tuple[str, float]:
    """How samples of a study are drawn: their kind, and half the side of the window."""
    asked = terminal.request(task, "vanilla", "steps=1", "batch_size=16")
    store = Store(start(terminal.plan_study(asked, terminal.Options(out=folder)), executor=FakeExecutor()).folder)
    recorder = recorder_of(store, store.record(), store.record().plan.fleets[0])
    return recorder.kind, recorder.extent


def test_the_best_member_is_the_one_that_the_headline_calls_best(folder: Path) -> None:
    """``modes`` is better higher, ``kl`` lower."""
    for place, name in enumerate(("MODES", "KL")):
        heard: list[Progress] = []
        asked = terminal.request(f"{__name__}:{name}", "vanilla", *terminal.TINY, "lr=0.01", seeds="4")
        planned = terminal.plan_study(asked, terminal.Options(out=folder / name))
        start(planned, Callbacks(progress=heard.append))
        values = [row[name.lower()] for row in terminal.results(Store(folder / name)).values()]
        assert heard[-1].best is not None
        assert heard[-1].worst is not None
        assert (heard[-1].best[0], heard[-1].worst[0]) == ((max(values), min(values)), (min(values), max(values)))[
            place
        ]


# Out of memory

ERRORS = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
]


def run_out(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, beyond: int, after: int = 0) -> None:
    """Fleets wider than ``beyond`` run out of memory in the step after ``after`` steps."""
    advance = Fleet.advance

    def advance_or_fail(fleet: Fleet) -> None:
        if fleet.members > beyond and fleet.step == after:
            raise error
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", advance_or_fail)


@pytest.mark.parametrize("error", leading(ERRORS), ids=["python", "cpu", "cuda"])
def test_a_fleet_without_room_is_cut_in_halves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    run_out(monkeypatch, error, beyond=3, after=4)  # after its first checkpoint
    store = terminal.study(folder, "vanilla", "lr=0.001,0.002", seeds="3")
    parts = store.split(terminal.fleet_of(store, "0000"))
    assert parts is not None
    assert [(part.id, part.slots, part.pads) for part in parts] == [
        ("0000a", (0, 1, 2), 0),
        ("0000b", (3, 4, 5), 0),
    ]
    assert [path.name for path in store.fleet("0000").iterdir()] == ["split.json"]
    assert Study(folder).runs["status"].tolist() == ["finished"] * 6
    assert set(Study(folder).runs["width"]) == {3}
    narrow = terminal.study(tmp_path / "narrow", "vanilla", "lr=0.001,0.002", seeds="3", width=3)
    assert terminal.results(store) == terminal.results(narrow)
    assert replay(folder, 4).startswith("run 4: ")


@pytest.mark.slow
def test_a_longer_plan_without_room_keeps_the_results_and_weights_of_the_shorter_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    planned, (before, _) = terminal.fleet_of(store, "0000"), checkpoint.read(store.checkpoint("0000"))
    rows = store.results(planned)
    extend_plan(folder, Extension(axes=(parse_axis("steps=9"),), command="longer"))
    run_out(monkeypatch, MemoryError(), beyond=1, after=7)
    heard: list[int] = []

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > 4  # in the middle of the first half

    resume(folder, Callbacks(stopping=stopping))
    assert store.split(planned) is not None
    assert verify_study(folder).wrong == (), "the halves are not finished, and were not before"
    resume(folder)
    assert store.results(planned, store.record().lineage) == rows
    after = checkpoint.read(store.checkpoint("0000"))[0]
    assert all(torch.equal(after[name], value) for name, value in before.items())
    runs = Study(folder).runs
    assert (runs["status"].tolist(), runs["generator_steps"].tolist()) == (["finished"] * 2, [9] * 2)
    assert verify_study(folder).wrong == ()
    assert replay(folder, 1).startswith("run 1: ")


@pytest.mark.slow
def test_halves_are_halved_again_down_to_single_members(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError(), beyond=1)
    store = terminal.study(folder, "vanilla", seeds="3")
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["finished"] * 3
    assert (runs["width"].tolist(), runs["route"].tolist()) == ([1] * 3, ["loop"] * 3)
    assert sorted(path.name for path in (folder / "fleets").iterdir()) == ["0000", "0000a", "0000aa", "0000ab", "0000b"]
    whole = FleetPlan(id="0000", slots=(0, 1, 2))
    assert [leaf.runs for leaf in store.leaves(whole)] == [(0,), (1,), (2,)]


@pytest.mark.slow
def test_pads_are_dropped_when_a_fleet_is_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError(), beyond=2)
    store = terminal.study(folder, "vanilla", seeds="5", width=3)
    assert [[part.slots for part in store.leaves(fleet)] for fleet in store.record().plan.fleets] == [
        [(0, 1), (2,)],
        [(3,), (4,)],
    ]
    assert sorted(terminal.results(store)) == [0, 1, 2, 3, 4]


def test_a_single_member_without_room_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError("no room"), beyond=0)
    terminal.study(folder, "vanilla", seeds="2")
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["failed", "failed"]
    assert runs["cause"].tolist() == ["MemoryError: no room"] * 2


def test_another_error_does_not_cut_a_fleet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, RuntimeError("shapes do not match"), beyond=0)
    store = terminal.study(folder, "vanilla", seeds="2")
    assert store.split(terminal.fleet_of(store, "0000")) is None
    assert "shapes do not match" in (store.failure("0000") or "")


@pytest.mark.slow
def test_resume_goes_on_with_the_halves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        run_out(patch, MemoryError(), beyond=2)
        store = terminal.study(folder, "vanilla", seeds="4")
    before = terminal.tree(store.fleet("0000a"))
    (store.fleet("0000b") / "results.json").unlink()
    resume(folder)
    assert terminal.tree(store.fleet("0000a")) == before
    assert Study(folder).runs["status"].tolist() == ["finished"] * 4


def test_resume_refuses_other_data_than_those_of_the_start(folder: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(1).normal(size=(400, 2))
    np.save(tmp_path / "points.npy", points)
    asked = terminal.request(f"points:{tmp_path}/points.npy", "vanilla", "steps=4", "batch_size=16", "evaluations=2")
    store = terminal.trained(asked, folder)
    whole = terminal.results(store)
    for changed in (points[:300], points + 1):
        (store.fleet("0000") / "results.json").unlink(missing_ok=True)
        np.save(tmp_path / "points.npy", changed)
        resume(folder)
        assert "are not those that" in (store.failure("0000") or "")
    np.save(tmp_path / "points.npy", points)
    resume(folder)
    assert terminal.results(store) == whole


@pytest.mark.parametrize(("given", "threads"), [("1", 1), ("2,4", 2), ("many", 5), ("", 5), ("0", 1)])
def test_the_environment_bounds_the_threads(given: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTLET_CORES", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads_allowed() == threads


def test_a_lone_fleet_uses_no_more_threads_than_the_environment_allows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTLET_CORES", "8")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert terminal.planned(folder, "vanilla").threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert terminal.planned(folder, "vanilla").threads == 8
