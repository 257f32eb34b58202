"""Time is measured before it is planned with: a budget of minutes becomes steps, and the steps are what the study keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import gantlet
import terminal
from gantlet.errors import BadGrid, BadValue
from gantlet.reports.read import read_study
from gantlet.reports.remarks import remarks
from gantlet.requests.options import Options
from gantlet.studies import planning
from gantlet.studies.measure import FleetTime, _advance, _evaluation, makespan, steps_within
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.training.update_schedule import UpdateSchedule

TINY = [word for word in terminal.TINY if "steps" not in word]


def fleet(update: float, evaluation: float = 0.0, **schedule: Any) -> FleetTime:
    """A fleet that takes so many seconds per update and evaluation."""
    sheet: Any = SimpleNamespace(schedule=UpdateSchedule(**schedule))
    return FleetTime(sheet, update, update, update, evaluation)


@pytest.mark.parametrize(
    ("times", "workers", "steps"),
    [
        ([fleet(1.0)], 1, 90),
        ([fleet(1.0), fleet(1.0)], 1, 45),
        ([fleet(1.0), fleet(1.0)], 2, 90),
        ([fleet(1.0, evaluation=2.0), fleet(1.0, evaluation=2.0)], 1, 35),
        ([fleet(1.0, n_critic=5)], 1, 18),
        ([fleet(0.5), fleet(0.3), fleet(0.3)], 2, 150),
        # 9,000 updates: 25 + 2 bursts of 100 (steps 500 and 1,000), and 6,300 // 5 others
        ([fleet(0.01, critic_schedule="wgan", n_critic=5)], 1, 27 + 1260),
    ],
    ids=["one", "two in turn", "two at once", "evaluations", "critic", "longest first", "bursts"],
)
def test_as_many_steps_are_planned_as_fit_into_nine_tenths_of_the_time(
    times: list[FleetTime], workers: int, steps: int
) -> None:
    found = steps_within(100.0, times, workers, [5] * len(times))
    assert makespan([each.seconds(found, 5) for each in times], workers) <= 90
    assert makespan([each.seconds(found + 1, 5) for each in times], workers) > 90
    assert found == steps


@dataclass
class Clock:
    """Time that only evaluations and steps take: seconds of a member, and more for each of its samples."""

    fixed: float
    sample: float
    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def evaluate(self, training: Any, metrics: Any, dataset: Any, slots: list[int], count: int) -> None:
        self.now += len(slots) * (self.fixed + self.sample * (count or metrics.samples))


@pytest.mark.parametrize("count", [0, 26_000])
@pytest.mark.parametrize(
    ("fixed", "sample", "most"),
    [(0.5, 0.01, 60.0), (5.0, 1e-3, 70.0), (0.2, 1e-4, 10.0), (1e-3, 1e-6, 1.0)],
    ids=["long", "long whatever its samples", "long for eight members", "short"],
)
def test_a_long_evaluation_is_measured_in_part(
    monkeypatch: pytest.MonkeyPatch, fixed: float, sample: float, most: float, count: int
) -> None:
    """Eight members with 26,000 samples of a DCGAN take a quarter of an hour, and were measured twice, whatever the budget."""
    clock, training = Clock(fixed, sample), SimpleNamespace()
    monkeypatch.setattr("gantlet.studies.measure.time", clock)
    monkeypatch.setattr("gantlet.studies.measure.evaluate", clock.evaluate)
    metrics: Any = SimpleNamespace(samples=26_000)
    found, each = _evaluation(training, metrics, SimpleNamespace(), 8, count)  # pyright: ignore[reportArgumentType]
    assert found == pytest.approx(8 * (fixed + 26_000 * sample), rel=1e-6)
    assert each == pytest.approx(8 * sample, rel=1e-6)
    assert clock.now < most


@pytest.mark.parametrize(("seconds", "steps"), [(0.1, 2), (1.6, 1)])
def test_one_step_warms_up_where_it_is_long(monkeypatch: pytest.MonkeyPatch, seconds: float, steps: int) -> None:
    clock, done = Clock(0, 0), SimpleNamespace(discriminator_steps=0)

    def advance() -> None:
        clock.now += seconds
        done.discriminator_steps += 1

    done.advance = advance
    monkeypatch.setattr("gantlet.studies.measure.time", clock)
    _advance(done, torch.device("cpu"), 2, 0.1, long=1.5)  # pyright: ignore[reportArgumentType]
    assert done.discriminator_steps == steps


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are timed for a moment only."""
    monkeypatch.setattr("gantlet.studies.measure._SECONDS", 0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_a_budget_is_planned_as_steps_and_trains_replays_and_extends_as_these(folder: Path, tmp_path: Path) -> None:
    done = terminal.gantlet("run", "ring8", "vanilla", *TINY, "--minutes", "0.01", "--out", folder)
    assert done.status == 0
    store = Store(folder)
    record = store.record()
    assert record.budget is not None
    steps = record.budget.steps
    assert f"note: 0.01 minutes are planned as {steps:,} steps: a step takes up to " in done.err
    assert (record.budget.minutes, record.settings[0].values["steps"]) == (0.01, steps)
    assert record.settings[0].sources["steps"] == "user (--minutes 0.01)"
    assert min(record.budget.update_seconds["0000"], record.budget.evaluation_seconds["0000"]) > 0
    assert "equal bit for bit" in replay(folder, 0)
    same = terminal.trained(terminal.request("ring8", "vanilla", *TINY, f"steps={steps}"), tmp_path / "same")
    assert terminal.difference(store, same) is None
    shown = terminal.gantlet("show", folder).err
    assert f"planned by time: {steps:,} steps of each setting fill 0.01 minutes (--minutes)" in shown
    update, evaluation = (
        f"{each['0000']:.3g} s" for each in (record.budget.update_seconds, record.budget.evaluation_seconds)
    )
    assert shown.index(update) < shown.index(evaluation)
    assert any(sentence in shown for sentence in remarks(read_study(folder))), "which the report has, too"
    gantlet.extend(folder, "alpha", seeds=2)
    assert Study(folder).runs["generator_steps"].tolist() == [steps] * 4
    assert store.record().budget == record.budget


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(
    ("words", "minutes", "error", "sentence"),
    [
        (["steps=6"], 1, BadGrid, "--minutes and steps= both say how long to train. Keep one."),
        (["epochs=1,2"], 1, BadGrid, "--minutes and epochs= both say how long to train"),
        ([], -1, BadValue, "--minutes -1.* is not a length of time"),
        ([], float("inf"), BadValue, "is not a length of time"),
        ([], 1e-7, BadValue, "is not enough for one step of each fleet with its evaluations"),
    ],
    ids=["steps", "epochs", "negative", "infinite", "too little"],
)
def test_a_budget_that_cannot_be_kept_is_refused_and_nothing_is_written(
    folder: Path, words: list[str], minutes: float, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        terminal.trained(terminal.request("ring8", "vanilla", *TINY, *words), folder, minutes=minutes)
    assert not folder.exists()


@pytest.mark.usefixtures("briefly")
def test_python_has_the_same_budget(folder: Path) -> None:
    small = {"g_width": 8, "d_width": 8, "train_size": 256, "test_size": 256, "samples": 200, "evaluations": 1}
    study = gantlet.run("ring8", "vanilla", out=folder, minutes=0.005, **small)
    record = Store(folder).record()
    assert record.budget is not None
    assert study.runs["generator_steps"].tolist() == [record.budget.steps]
    assert "'minutes': 0.005" in record.command


def test_weights_of_too_many_of_the_steps_that_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "steps_within", lambda *told: 30_000)
    monkeypatch.setattr(planning, "measure", lambda plan, *told, **more: [fleet(1.0) for _ in plan.fleets])
    request = terminal.request("ring8", "vanilla", *TINY, "checkpoints=every:2")
    with pytest.raises(BadValue, match="would keep the weights of 15,000 steps of 30,000"):
        planning.plan_study(request, Options(minutes=1.0))
