"""Whoever runs a study from Python is told how far it is, and of every evaluation; an error of theirs loses nothing."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gantlet
import terminal
from gantlet.requests.options import Options
from gantlet.studies import progress
from gantlet.studies.launch import resume
from gantlet.studies.planning import plan_study
from gantlet.studies.progress import Evaluation, Tally, speed
from gantlet.studies.record import FleetPlan
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from thinning import leading

TINY: dict[str, Any] = {name: value for name, _, value in (word.partition("=") for word in terminal.TINY)}


def run(folder: Path, methods: str = "vanilla", workers: int = 1, **more: Any) -> Study:
    return gantlet.run("ring8", methods, out=folder, options={"workers": workers}, **{**TINY, **more})


def report(step: int, rate: float, fleet: str = "0000") -> Progress:
    return Progress(fleet, step=step, steps=100, members=2, rate=rate, out=0)


class Clock:
    """A clock that tests move."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_the_time_left_is_known_from_the_first_report_on_and_counts_no_earlier_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    tally = Tally([FleetPlan(id="0000", slots=(0, 1)), FleetPlan(id="0001", slots=(2, 3))])
    tally.report(report(60, 0.0))  # it was stopped there before
    assert (tally.share(), tally.left()) == (0.3, "?")
    clock.now = 0.25
    tally.report(report(61, 4.0))  # 1 of the 140 steps that are left in the two fleets
    assert tally.left() == "35 s"  # 139 times a quarter of a second
    assert tally.line().split("  ")[-1] == "35 s left"


@pytest.mark.parametrize(
    ("rate", "words"), [(0.0, "0 member-steps/s"), (80.0, "80 member-steps/s"), (0.5, "4.0 s/step")]
)
def test_slow_steps_are_told_in_seconds(rate: float, words: str) -> None:
    assert speed([report(1, rate)]).strip() == words


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("workers", leading([1, 2]))
def test_every_evaluation_is_told_with_its_numbers_and_images(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTLET_CORES", "2")
    told: list[Evaluation] = []
    study = run(folder, "vanilla,alpha", workers, seeds=1, on_evaluation=told.append)
    assert sorted((each.fleet, each.step, each.steps) for each in told) == [
        (fleet, step, 6) for fleet in ("0000", "0001") for step in (3, 6)
    ]
    last = {run: row for each in told if each.step == 6 for run, row in each.rows.items()}
    assert {run: row["modes"] for run, row in last.items()} == dict(enumerate(study.runs["modes"]))
    assert {run for each in told for run in each.images} == {0, 1}
    for each in told:
        for path in each.images.values():
            assert path.stem == f"{each.step:09d}"
            Image.open(path).verify()


def test_an_error_of_the_callable_stops_with_everything_saved_and_is_raised(folder: Path, tmp_path: Path) -> None:
    def wrong(evaluation: Evaluation) -> None:
        raise ZeroDivisionError(f"at step {evaluation.step}")

    with pytest.raises(ZeroDivisionError, match="at step 3"):
        run(folder, seeds=2, on_evaluation=wrong)
    assert Study(folder).runs["status"].tolist() == ["stopped"] * 2
    assert Store(folder).failure("0000") is None
    resume(folder)
    assert terminal.difference(Store(folder), terminal.study(tmp_path / "whole", "vanilla", seeds="2")) is None


@pytest.mark.slow
def test_extend_tells_of_what_it_trains(folder: Path) -> None:
    told: list[Evaluation] = []
    study = run(folder)
    study.extend(seeds=2, on_evaluation=told.append)
    assert [(sorted(each.rows), each.step) for each in told] == [([1], 3), ([1], 6)]
    gantlet.extend(folder, steps=12, on_evaluation=told.append)
    assert sorted(run for each in told[2:] for run in each.rows) == [0, 1]
    assert {each.step for each in told[2:]} == {12}


def test_progress_is_a_line_at_the_end_where_nothing_overwrites_it(folder: Path) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run(folder, progress=True)
        Study(folder).extend(steps=8, progress=True)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["100.0%", "100.0%"]


def test_progress_is_overwritten_on_a_terminal(folder: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with contextlib.redirect_stdout(out):
        run(folder, progress=True)
    first, *_, last = out.getvalue().split("\r")[1:]
    assert (first.split()[0], last.split()[0]) == ("0.0%", "100.0%")
    assert out.getvalue().count("\n") == 1


def test_nothing_is_printed_unasked(folder: Path) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run(folder, on_evaluation=lambda evaluation: None)
    assert out.getvalue() == ""


def test_a_member_that_diverges_between_evaluations_is_told_of(folder: Path) -> None:
    told: list[Evaluation] = []
    run(folder, "wgan-gp", lr=1e30, optimiser="sgd", on_evaluation=told.append)
    assert len(told) == 1
    assert told[0].step < 3


def test_a_notebook_shows_the_summary(tmp_path: Path) -> None:
    asked = terminal.request("ring8", "vanilla,alpha", *terminal.TINY, seeds="2")
    folder = tmp_path / "a<b>"
    terminal.start(plan_study(asked, Options(out=folder, workers=1)))
    shown = Study(folder)._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "a&lt;b&gt;" in shown
    assert "4 finished" in shown
    assert "<b>" not in shown
    assert shown.count("<tr") == 3
