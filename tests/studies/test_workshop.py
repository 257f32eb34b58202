"""What fleets share, and a fleet that runs out of memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import console
from gantlet.cpu import cores, threads_allowed, threads_set
from gantlet.errors import BadData, Refused
from gantlet.studies.plan import FleetPlan
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.study import Options, Study, prepare, resume, start
from gantlet.studies.workshop import (
    Workshop,
    album_of,
    data_key,
    headline_of,
    leaves,
)
from gantlet.tasks.gaussians import GRID25, RING8
from gantlet.training.fleet import Fleet


def resolved(*words: str, task: str = "ring8") -> Any:
    return console.resolve(task, "vanilla", *words)[0]


def test_equal_data_are_loaded_once() -> None:
    workshop = Workshop()
    small = resolved("train_size=200", "test_size=50")
    again = resolved("train_size=200", "test_size=50", "lr=0.5", "batch_size=16")
    assert workshop.dataset(small) is workshop.dataset(again)
    assert workshop.metric(small) is workshop.metric(again)
    named = resolved("train_size=200", "test_size=50", "metrics=mixture")
    assert workshop.dataset(small) is workshop.dataset(named)
    assert workshop.metric(small) is not workshop.metric(named)
    other = resolved("train_size=200", "test_size=50", "data_seed=2")
    assert workshop.dataset(other) is not workshop.dataset(small)
    assert data_key(small) == data_key(again) != data_key(other)


def test_too_small_a_pool_is_refused() -> None:
    with pytest.raises(BadData, match="training pool of 'ring8' holds 100 samples, fewer than one batch of 128"):
        Workshop().dataset(resolved("train_size=100"))


def test_endless_sampling_of_a_mere_pool_is_refused(tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "points.npy", np.random.default_rng(1).normal(size=(200, 2)))
    with pytest.raises(Refused, match="pool=endless needs a data set whose distribution is known"):
        Workshop().dataset(resolved("pool=endless", task=f"points:{tmp_path}/points.npy"))
    assert Workshop().dataset(resolved("pool=endless", "train_size=200")).endless is not None


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with threads_set(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_the_headline_knows_which_way_is_up() -> None:
    metric = Workshop().metric(resolved("train_size=200", "test_size=50"))
    assert headline_of(RING8, metric) == ("modes", True)
    assert headline_of(replace(RING8, headline="kl"), metric) == ("kl", False)
    distances = Workshop().metric(resolved("train_size=200", "test_size=50", "metrics=two-sample"))
    assert headline_of(RING8, distances) == ("energy_distance", False)
    assert headline_of(RING8, Workshop().metric(resolved("metrics=none"))) == ("modes", True)


def test_the_window_of_pictures_fits_the_task(finished: Store) -> None:
    from gantlet.data.base import Dataset
    from gantlet.studies.record import plan_from_record

    plan = plan_from_record(finished.record())
    flat = Dataset(torch.zeros(4, 2), torch.tensor([[1.0, -4.0], [0.0, 2.0]]))
    deep = Dataset(torch.zeros(4, 3), torch.zeros(4, 3))
    assert album_of(finished, plan, RING8, flat).extent == 2.0
    assert album_of(finished, plan, GRID25, flat).extent == 5.0
    own = replace(RING8, name="points", extent=0.0)
    assert (album_of(finished, plan, own, flat).extent, album_of(finished, plan, own, flat).kind) == (5.0, "points")
    assert album_of(finished, plan, own, deep).kind == "none"


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


@pytest.mark.parametrize("error", ERRORS, ids=["python", "cpu", "cuda"])
def test_a_fleet_without_room_is_cut_in_halves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    run_out(monkeypatch, error, beyond=3, after=4)  # after its first checkpoint
    store = console.study(folder, "vanilla", "lr=0.001,0.002", seeds="3")
    parts = store.split("0000")
    assert parts is not None
    assert [(part["id"], part["slots"], part["pads"]) for part in parts] == [
        ("0000a", [0, 1, 2], 0),
        ("0000b", [3, 4, 5], 0),
    ]
    assert [path.name for path in store.fleet("0000").iterdir()] == ["split.json"]
    assert Study(folder).runs["status"].tolist() == ["finished"] * 6
    assert set(Study(folder).runs["width"]) == {3}
    narrow = console.study(tmp_path / "narrow", "vanilla", "lr=0.001,0.002", seeds="3", width=3)
    assert console.results(store) == console.results(narrow)
    assert replay(folder, 4).startswith("run 4: ")


def test_halves_are_halved_again_down_to_single_members(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError(), beyond=1)
    store = console.study(folder, "vanilla", seeds="3")
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["finished"] * 3
    assert (runs["width"].tolist(), runs["route"].tolist()) == ([1] * 3, ["loop"] * 3)
    assert sorted(path.name for path in (folder / "fleets").iterdir()) == ["0000", "0000a", "0000aa", "0000ab", "0000b"]
    whole = FleetPlan("0000", (0, 1, 2), 0, "stacked")
    assert [leaf.runs for leaf in leaves(store, whole)] == [(0,), (1,), (2,)]


def test_pads_are_dropped_when_a_fleet_is_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError(), beyond=2)
    store = console.study(folder, "vanilla", seeds="5", width=3)
    assert [[part["slots"] for part in store.split(fleet) or []] for fleet in ("0000", "0001")] == [
        [[0, 1], [2]],
        [[3], [4]],
    ]
    assert sorted(console.results(store)) == [0, 1, 2, 3, 4]


def test_a_single_member_without_room_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, MemoryError("no room"), beyond=0)
    console.study(folder, "vanilla", seeds="2")
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["failed", "failed"]
    assert runs["cause"].tolist() == ["MemoryError: no room"] * 2


def test_another_error_does_not_cut_a_fleet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_out(monkeypatch, RuntimeError("shapes do not match"), beyond=0)
    store = console.study(folder, "vanilla", seeds="2")
    assert store.split("0000") is None
    assert "shapes do not match" in (store.failure("0000") or "")


def test_resume_goes_on_with_the_halves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        run_out(patch, MemoryError(), beyond=2)
        store = console.study(folder, "vanilla", seeds="4")
    before = console.tree(store.fleet("0000a"))
    (store.fleet("0000b") / "results.json").unlink()
    resume(folder)
    assert console.tree(store.fleet("0000a")) == before
    assert Study(folder).runs["status"].tolist() == ["finished"] * 4


def test_resume_refuses_other_data_than_those_of_the_start(folder: Path, tmp_path: Path) -> None:
    import numpy as np

    points = np.random.default_rng(1).normal(size=(400, 2))
    np.save(tmp_path / "points.npy", points)
    asked = console.request(f"points:{tmp_path}/points.npy", "vanilla", "steps=4", "batch_size=16", "evaluations=2")
    store = Store(start(prepare(asked, Options(out=folder, workers=1))).folder)
    whole = console.results(store)
    for changed in (points[:300], points + 1):
        (store.fleet("0000") / "results.json").unlink(missing_ok=True)
        np.save(tmp_path / "points.npy", changed)
        resume(folder)
        assert "The data are not those that" in (store.failure("0000") or "")
    np.save(tmp_path / "points.npy", points)
    resume(folder)
    assert console.results(store) == whole


@pytest.mark.parametrize(("given", "threads"), [("1", 1), ("2,4", 2), ("many", cores()), ("", cores()), ("0", 1)])
def test_the_environment_bounds_the_threads(given: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads_allowed() == threads


def test_a_lone_fleet_uses_no_more_threads_than_the_environment_allows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantlet.studies.study.cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert console.prepared(folder, "vanilla").threads == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("gantlet.studies.study.threads_allowed", lambda: 64)
    assert console.prepared(folder, "vanilla").threads == 8
