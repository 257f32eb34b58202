"""Experiment trackers, by a double of the shape that they share: every point once, and never a training held up or lost."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import terminal
from gantlet.errors import MissingExtra, UnknownName
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume, start
from gantlet.studies.store import Store
from gantlet.studies.trackers import TRACKERS, TrackedRun, Tracker, check_tracker
from gantlet.training.history import Rows


class Double(ModuleType):
    """A tracker's package: ``init`` gives runs that note what they are told; ``fault`` is called before each note."""

    def __init__(self, fault: Any = lambda: None) -> None:
        super().__init__("trackio")
        self.fault, self.runs = fault, list[Any]()
        self.__spec__ = object()  # found, as an installed package is

    def init(self, *, project: str, name: str, config: dict[str, Any]) -> Any:
        run = Run(self, project, name, config)
        self.runs.append(run)
        return run


class Run:
    def __init__(self, owner: Double, project: str, name: str, config: dict[str, Any]) -> None:
        self.owner, self.project, self.name, self.config = owner, project, name, config
        self.points: list[tuple[int | None, dict[str, float]]] = []
        self.finished = False

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        self.owner.fault()
        self.points.append((step, dict(values)))

    def finish(self) -> None:
        self.owner.fault()
        self.finished = True


def installed(monkeypatch: pytest.MonkeyPatch, fault: Any = lambda: None) -> Double:
    double = Double(fault)
    monkeypatch.setitem(sys.modules, "trackio", double)
    return double


def history(folder: Path) -> list[tuple[int, int, str, float]]:
    table = Store(folder).history()
    return sorted(table[["run", "step", "name", "value"]].itertuples(index=False, name=None))


def told(double: Double) -> list[tuple[int, int, str, float]]:
    return sorted(
        (run.config["run"], step, name, value)
        for run in double.runs
        for step, values in run.points
        if step is not None
        for name, value in values.items()
    )


def test_every_point_of_the_history_is_told_once_also_after_a_stop(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = installed(monkeypatch)
    asked = iter([False] * 5 + [True] * 100)
    planned = terminal.planned(folder, "vanilla", seeds="3", width=2, tracker="trackio")
    start(planned, Callbacks(stopping=lambda: next(asked)))
    resume(folder)
    assert told(double) == history(folder)
    assert all(run.finished for run in double.runs)
    first = double.runs[0]
    assert first.project == "gantlet-ring8"
    assert first.name == "study 0 vanilla seed 1"
    assert (first.config["lr_g"], first.config["seed"]) == (0.0001, 1)
    final = {
        name: value
        for run in double.runs
        for step, values in run.points
        if step is None
        for name, value in values.items()
    }
    assert "final/modes" in final


def raising() -> None:
    raise ConnectionError("the server is gone")


@pytest.mark.parametrize("fault", [raising, lambda: sys.exit(3)], ids=["raises", "exits"])
def test_a_tracker_that_fails_costs_one_warning_and_no_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    installed(monkeypatch, fault)
    plain = terminal.study(folder.with_name("plain"), "vanilla", seeds="2")
    with caplog.at_level(logging.WARNING, logger="gantlet"):
        start(terminal.planned(folder, "vanilla", seeds="2", tracker="trackio"))
    assert history(folder) == history(plain.folder)
    assert sum("trackio is left alone" in record.message for record in caplog.records) == 1


def test_a_tracker_that_hangs_is_left_alone_after_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    installed(monkeypatch, lambda: release.wait(30))
    tracker = Tracker("trackio", "p", {0: TrackedRun("a", {})}, patience=0.2)
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="gantlet"):
        for step in range(3000):
            tracker.log(Rows([0], [step], ["loss"], [1.0]))
        tracker.finish([{"modes": 8}])
    assert time.monotonic() - begun < 20  # release would take 30
    assert [record.message for record in caplog.records if "left alone" in record.message]
    release.set()


def test_a_checkpoint_with_more_points_than_the_queue_has_places_is_told_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A checkpoint hands over hundreds of points of each member at once, before the package is even imported."""
    double = installed(monkeypatch)
    members, steps = 12, 200
    tracker = Tracker("trackio", "p", {slot: TrackedRun(str(slot), {}) for slot in range(members)})
    pairs = [(slot, step) for step in range(steps) for slot in range(members)]
    tracker.log(
        Rows([slot for slot, _ in pairs], [step for _, step in pairs], ["loss"] * len(pairs), [1.0] * len(pairs))
    )
    tracker.finish()
    assert sum(len(run.points) for run in double.runs) == members * steps
    assert all(run.finished for run in double.runs)


def test_trackers_are_off_by_default_and_checked_before_a_study(folder: Path) -> None:
    assert TRACKERS == ("wandb", "trackio")
    check_tracker("")
    with pytest.raises(UnknownName, match="There is no tracker called 'mlflow'"):
        check_tracker("mlflow")
    ended = terminal.gantlet("run", "ring8", "vanilla", "--tracker", "trackio", "--out", folder)
    assert ended.status == 2
    assert "pip install 'gantlet[trackio]'" in ended.err
    assert not folder.exists()
    with pytest.raises(MissingExtra):
        check_tracker("wandb")
