"""A search: what it plans next follows from the folder alone, hopeless trials get no further seeds, the gain is of fresh seeds."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gantlet
import terminal
from gantlet.api.tune import Search
from gantlet.errors import BadGrid, BadValue, MissingExtra, StoreError, UnknownName, Untrusted
from gantlet.files import locked
from gantlet.requests.grid import Axis
from gantlet.requests.options import Options
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.launch import create, unfinished
from gantlet.studies.search import samplers
from gantlet.studies.search.loop import Budget, enlarge, next_extension, plan_search, search
from gantlet.studies.search.state import SearchState, read_search
from gantlet.studies.store import Store
from gantlet.training.fleet import Fleet

TINY = [*(word for word in terminal.TINY if not word.startswith("evaluations")), "evaluations=1"]
SPACE = ["lr=1e-5..1e-1:log", "beta1=0.0..0.9"]


def _begin(folder: Path, *, sampler: str = "random", space: list[str] = SPACE, **budget: Any) -> Store:
    chosen = Budget(**({"trials": 5, "seeds": (1, 2, 3, 4), "fresh": 2} | budget))
    options = Options(out=folder, recorded=0, executor="inline")
    return create(plan_search("ring8", "vanilla", [*space, *TINY], options, chosen, sampler=sampler, metric="jsd"))


def _search(folder: Path, *, most: int = 1000) -> SearchState:
    """Carry a search on for at most so many rounds of training."""
    rounds = 0

    def train(store: Store, fleets: Any, go: Any) -> None:
        nonlocal rounds
        rounds += 1
        go(Callbacks(stopping=lambda: rounds > most))

    return search(folder, train)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> SearchState:
    folder = tmp_path_factory.mktemp("search") / "study"
    _begin(folder)
    return _search(folder)


def test_every_trial_has_the_first_seeds_and_finalists_the_fresh_ones(done: SearchState) -> None:
    assert len(done.trials) == 5
    seeds = {trial.place: set(trial.by_seed) for trial in done.trials}
    chosen = done.chosen
    assert chosen is not None
    assert all({1, 2} <= given for given in seeds.values())
    for trial in done.trials:
        expected = {1, 2} | (set() if trial.hopeless else {3, 4})
        expected |= {5, 6} if trial.place in (0, chosen.place) else set()
        assert seeds[trial.place] == expected
    assert next_extension(done) is None


@pytest.mark.slow
def test_it_is_an_ordinary_study(done: SearchState, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    _begin(folder)
    state = _search(folder)
    study = gantlet.Study(folder)
    assert terminal.gantlet("verify", folder).status == 0
    assert set(study.runs["status"]) == {"finished"}
    assert study.summary()["seeds"].sum() == len(study.runs)
    pd.testing.assert_frame_equal(state.table(), done.table())  # the same request, the same search


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(done: SearchState, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    _begin(folder)
    _search(folder, most=1)
    assert unfinished(Store(folder))
    pd.testing.assert_frame_equal(_search(folder).table(), done.table())
    assert done.confirmed == read_search(Store(folder)).confirmed


def test_the_gain_is_the_paired_difference_over_fresh_seeds(done: SearchState) -> None:
    assert done.chosen is not None
    assert done.chosen.place > 0
    runs = done.runs.set_index(["setting", "seed"])[done.search.metric].astype(float)
    expected = [runs[done.chosen.label, seed] - runs[done.trials[0].label, seed] for seed in (5, 6)]
    assert done.confirmed is not None
    assert done.confirmed.difference.estimate == pytest.approx(np.mean(expected))


def test_a_hopeless_trial_gets_no_further_seeds(tmp_path: Path) -> None:
    """Results are put in by hand: trial 2 is worse by the same amount on both first seeds."""
    folder = tmp_path / "study"
    _begin(folder, trials=3)
    state = read_search(Store(folder))
    first = next_extension(state)
    assert first is not None
    assert len(first.points) == 2
    assert first.seeds == (1, 2)
    extend_plan(folder, first)
    record = Store(folder).record()
    by_setting = {0: {1: 0.2, 2: 0.3}, 1: {1: 0.2, 2: 0.4}, 2: {1: 0.5, 2: 0.6}}
    rows = [
        {"run": member.run, "status": "finished", "jsd": by_setting[member.setting][member.seed]}
        for member in record.plan.members
    ]
    judged = SearchState(record, state.search, pd.DataFrame(rows))
    assert [trial.hopeless for trial in judged.trials] == [False, False, True]
    following = next_extension(judged)
    assert following is not None
    assert (following.only, following.seeds) == ((0, 1), (3, 4))


@pytest.mark.slow
def test_no_further_trials_begin_when_the_time_is_up(tmp_path: Path) -> None:
    _begin(tmp_path / "study", trials=9, batch=3)
    calls: list[int] = []

    def up() -> bool:
        calls.append(1)
        return len(calls) > 1

    state = search(tmp_path / "study", lambda store, fleets, go: go(Callbacks()), time_is_up=up)
    assert len(state.trials) == 4  # the defaults, and the first three
    assert state.confirmed is not None


@pytest.mark.slow
def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    _begin(tmp_path / "study", space=["beta1=0.1,0.5"], trials=9, fresh=1)
    state = _search(tmp_path / "study")
    assert sorted(str(state.point(trial)[0]) for trial in state.trials[1:]) == ["0.1", "0.5"]


def test_draws_depend_on_the_number_of_the_trial_alone(done: SearchState) -> None:
    """Three at a time are what five at a time begin with."""
    five = SearchState(
        done.record.model_copy(update={"settings": done.record.settings[:1]}), done.search, done.runs[:0]
    )
    points = samplers.points(five, 4)
    assert samplers.points(five, 2) == points[:2]
    assert [tuple(map(float, point)) for point in points] == [done.point(trial) for trial in done.trials[1:]]


@pytest.mark.slow
def test_the_estimator_draws_near_what_was_good(tmp_path: Path) -> None:
    """Of twenty told trials those with a small beta1 were good: of eight more, most have a small one."""
    folder = tmp_path / "study"
    _begin(folder, sampler="tpe", trials=40, batch=20, space=["beta1=0.0..0.9"])
    state = read_search(Store(folder))
    first = next_extension(state)
    assert first is not None
    extend_plan(folder, first)
    record = Store(folder).record()
    rows = [
        {
            "run": each.run,
            "status": "finished",
            "jsd": float(record.settings[each.setting].values["beta1"]),
        }
        for each in record.plan.members
    ]
    found = samplers.points(SearchState(record, state.search, pd.DataFrame(rows)), 8)
    assert sum(float(point[0]) < 0.45 for point in found) >= 6


def test_a_missing_estimator_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"gantlet\[tune\]"):
        _begin(tmp_path / "study", sampler="tpe")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["steps=5"], BadGrid, "Nothing was given to search"),
        (["lr=1e-4..1e-2", "lr=1e-3"], BadGrid, "both fixed and searched"),
        (["lr=1e-4..1e-2", "nonsense=3"], UnknownName, "nonsense"),
    ],
)
def test_a_request_that_is_wrong_writes_nothing(
    words: list[str], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        create(plan_search("ring8", "vanilla", words, Options(out=tmp_path / "study"), Budget()))
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "budget", [{"trials": 1}, {"fresh": 0}, {"batch": -1}, {"minutes": -1.0}, {"minutes": float("inf")}]
)
def test_a_budget_out_of_range_is_refused(budget: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=f"--{'fresh-seeds' if 'fresh' in budget else next(iter(budget))}"):
        Budget(**budget).check()


def test_a_study_is_no_search(finished: Store) -> None:
    with pytest.raises(StoreError, match="no search"):
        read_search(finished)


@pytest.mark.slow
def test_the_command_line_and_python_do_the_same(done: SearchState, tmp_path: Path) -> None:
    said = terminal.gantlet(
        "tune", "ring8", "vanilla", *SPACE, *TINY, "--trials", "5", "--fresh-seeds", "2", "--executor", "inline", "--metric", "jsd",
        "--out", str(tmp_path / "study"), "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    told = json.loads(said.out.strip().splitlines()[-1])
    fixed = {name: int(value) for name, _, value in (word.partition("=") for word in TINY)}
    found = gantlet.tune(
        "ring8",
        "vanilla",
        lr=(1e-5, 1e-1, "log"),
        beta1=(0.0, 0.9),
        trials=5,
        fresh_seeds=2,
        metric="jsd",
        out=tmp_path / "python",
        options={"executor": "inline"},
        **fixed,
    )
    pd.testing.assert_frame_equal(found.trials, done.table())
    assert found.record()["gain"] == told["gain"]
    assert told["command"].startswith("gantlet run ring8 vanilla g_width=8")
    assert told["command"].endswith("--seeds 5,6")
    larger = gantlet.tune(str(tmp_path / "python"), trials=6)
    pd.testing.assert_frame_equal(larger.trials[:5], done.table())
    assert len(larger.trials) == 6


@pytest.mark.slow
def test_a_job_that_still_makes_its_tables_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a cluster the results are there before the job that made them has ended."""
    monkeypatch.setattr("gantlet.studies.search.loop.hands_over", lambda record, *, trust: True)
    store = _begin(tmp_path / "study", trials=2, fresh=1, seeds=(1,))

    def ending(begun: threading.Event) -> None:
        with locked(store.study_lock, shared=True):
            begun.set()
            time.sleep(0.3)

    with ThreadPoolExecutor() as pool:

        def train(_store: Store, _fleets: Any, go: Any) -> None:
            go(Callbacks())
            pool.submit(ending, begun := threading.Event())
            assert begun.wait(5)

        assert search(store.folder, train).confirmed is not None


def _tune(folder: Path) -> terminal.Done:
    words = ("beta1=0.1,0.5", *TINY, "--trials", "3", "--seeds", "1", "--fresh-seeds", "1", "--executor", "inline")
    return terminal.gantlet("tune", "ring8", "vanilla", *words, "--out", folder)


def test_members_that_failed_are_said_and_set_the_status(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(fleet: Fleet) -> None:
        raise ValueError("no step")

    monkeypatch.setattr(Fleet, "advance", breaks)
    done = _tune(folder)
    assert done.status == 3
    assert "gantlet: 3 of 3 members failed; run 0: ValueError: no step" in done.err


@pytest.mark.slow
def test_a_search_that_was_stopped_says_how_it_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Fleet.advance

    def advance_and_signal(fleet: Fleet) -> None:
        advance(fleet)
        if fleet.step == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "advance", advance_and_signal)
        done = _tune(folder)
    assert (done.status, done.err) == (130, f"gantlet: stopped and saved. Continue with: gantlet tune {folder}\n")
    assert terminal.gantlet("tune", folder).status == 0
    assert read_search(Store(folder)).confirmed is not None


@pytest.mark.parametrize("trials", [1, 0, 100_001])
def test_a_search_is_not_made_one_that_cannot_be_read(trials: int, tmp_path: Path) -> None:
    store = _begin(tmp_path / "study")
    with pytest.raises(BadValue, match="out of range"):
        enlarge(store, trials=trials)
    assert read_search(store).search.trials == 5


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["lr=1e-4..1e-2", "lr_g=1e-3"], BadGrid, "lr_g is both fixed and searched"),
        (["lr_d=1e-4..1e-2", "learning_rate=1e-3"], BadGrid, "lr_d is both fixed and searched"),
        (["network=mlp,nonsense"], UnknownName, "nonsense"),
        (["init_from=../nowhere", "lr=1e-4..1e-2"], BadValue, "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_found_before_anything_is_written(
    words: list[str], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        create(plan_search("ring8", "vanilla", words, Options(out=tmp_path / "study"), Budget()))
    assert not (tmp_path / "study").exists()


def test_the_command_names_the_presets(tmp_path: Path) -> None:
    asked = plan_search("ring8", "vanilla", SPACE, Options(out=tmp_path / "study"), Budget(fresh=1), presets=["quick"])
    store = create(asked)
    state = read_search(store)
    rows = [{"run": each.run, "status": "finished", "modes": 8} for each in state.record.plan.members]
    judged = SearchState(
        state.record, state.search.model_copy(update={"rest": (), "metric": "modes"}), pd.DataFrame(rows)
    )
    assert Search(judged, gantlet.Study(store.folder)).command == "gantlet run ring8 vanilla --preset quick --seeds 5,"


def test_settings_that_were_added_for_other_reasons_are_no_trials(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    store = _begin(folder, trials=3)
    first = next_extension(read_search(store))
    assert first is not None
    extend_plan(folder, first)
    extend_plan(folder, Extension(methods=("wgan",)))
    extend_plan(folder, Extension(methods=("vanilla",), axes=(Axis(("ema",), ("0.9",)),)))
    state = read_search(store)
    assert len(state.record.settings) > 3
    assert [trial.place for trial in state.trials] == [0, 1, 2]


def test_defaults_of_several_values_are_not_taken_for_one_of_them(tmp_path: Path) -> None:
    """The keys of ``lr`` differ by default here, so both choices are settings of their own."""
    folder = tmp_path / "study"
    options = Options(out=folder, recorded=0, executor="inline")
    budget = Budget(trials=3, seeds=(1,), fresh=1)
    planned = plan_search("ring8", "alpha", ["alpha=0.3,0.5", *TINY], options, budget, presets=[], sampler="tpe")
    setting = planned.plan.settings[0]
    values = {"alpha_d": 0.3, "alpha_g": 0.5}
    state = read_search(create(planned))
    told = state.record.settings[0].model_copy(update={"values": {**setting.values, **values}})
    rows = [{"run": each.run, "status": "finished", state.search.metric: 1.0} for each in state.record.plan.members]
    split = SearchState(state.record.model_copy(update={"settings": (told,)}), state.search, pd.DataFrame(rows))
    assert split.point(split.trials[0]) == (None,)
    assert sorted(samplers.points(split, 2)) == [("0.3",), ("0.5",)]


@pytest.mark.parametrize("space", [["steps=10,20"], ["epochs=1,2"], ["network=mlp,stackelberg-mixture"]])
def test_settings_in_which_other_values_follow_are_trials(space: list[str], tmp_path: Path) -> None:
    options = Options(out=tmp_path / "study", recorded=0, executor="inline")
    store = create(plan_search("ring8", "vanilla", space, options, Budget(trials=3, fresh=1), presets=["quick"]))
    first = next_extension(read_search(store))
    assert first is not None
    extend_plan(store.folder, first)
    state = read_search(store)
    assert len(state.trials) == len(state.record.settings) > 1


@pytest.mark.parametrize("place", ["method", "executor"])
def test_a_search_of_a_strangers_runs_nothing_of_theirs(tmp_path: Path, place: str) -> None:
    store, mark, part = _begin(tmp_path / "study"), tmp_path / "executed", tmp_path / f"{place}_of_theirs.py"
    part.write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Mine:\n    pass\n")
    record = store.record()
    if place == "executor":
        more: dict[str, Any] = {"execution": record.execution.model_copy(update={"executor": f"{part}:Mine"})}
    else:
        more = {"settings": (record.settings[0].model_copy(update={"method": f"{part}:Mine"}),)}
    store.update(record.model_copy(update=more))
    with pytest.raises(Untrusted, match=f"{place}_of_theirs"):
        _search(store.folder)
    done = terminal.gantlet("tune", store.folder)
    assert (done.status, "part of its author's own" in done.err) == (2, True)
    assert not mark.exists()


@pytest.mark.parametrize("words", [("--seeds", "8"), ("--metric", "kl"), ("--sampler", "tpe"), ("--fresh-seeds", "3")])
def test_what_a_search_keeps_is_refused_when_it_goes_on(tmp_path: Path, words: tuple[str, str]) -> None:
    store = _begin(tmp_path / "study")
    done = terminal.gantlet("tune", store.folder, *words)
    assert (done.status, "keeps its seeds" in done.err) == (2, True)


def test_whatever_meets_a_search_says_how_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_report: None
) -> None:
    """resume trains what is planned and plans no further trials; nothing said so."""
    store = _begin(tmp_path / "s")
    on = f"gantlet tune {store.folder}"
    again = terminal.gantlet("run", "ring8", "vanilla", *TINY, "--out", store.folder)
    assert again.err.endswith(f"nothing was written. Continue it with: {on}\n")
    done = terminal.gantlet("resume", store.folder)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == f"continue with: {on}"
    before = (store.folder / "study.json").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=f"No space left on device.*then use: {on}$"):
            enlarge(store, trials=9)
        with pytest.raises(StoreError, match=r"No space left on device.*then start again\.$"):
            _begin(tmp_path / "other")
    assert (store.folder / "study.json").read_bytes() == before
    assert not (tmp_path / "other" / "study.json").exists()


def test_damage_that_a_search_met_is_in_its_status(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    _begin(folder, trials=2)
    _search(folder)
    (folder / "fleets" / "0000" / "results.json").write_text("")
    again = terminal.gantlet("tune", folder, "-q")
    assert (again.status, "results.json cannot be read" in again.err) == (1, True), again.err
