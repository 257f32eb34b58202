"""The progress display: shares, rates and words, from reports alone."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gantlet.cli.progress import Display
from gantlet.studies import progress
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.record import FleetPlan, Member, PlanRecord
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store

PLAN = PlanRecord(
    members=tuple(Member(run, 0, run) for run in range(5)),
    fleets=(
        FleetPlan(id="0000", slots=(0, 1, 2), notes=("a note",)),
        FleetPlan(id="0001", slots=(3, 4, 3), pads=1, notes=("a note", "another")),
    ),
)


def report(fleet: str = "0000", step: int = 50, **changes: Any) -> Progress:
    told = {
        "steps": 100,
        "members": 3,
        "rate": 30.0,
        "out": 1,
        "metric": "modes",
        "best": (8.0, 1),
        "worst": (2.0, 0),
        **changes,
    }
    return Progress(fleet=fleet, step=step, **told)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def shown(folder: Path, voice: Any, acts: Any) -> str:
    """What a display prints while ``acts`` is given its callbacks."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), Display(folder, PLAN, voice, stopping=lambda: False) as display:
        acts(display.callbacks())
    return out.getvalue()


def test_a_line_is_said_now_and_then(tmp_path: Path, clock: Clock) -> None:
    def acts(told: Callbacks) -> None:
        told.progress(report())
        clock.now = 15.0
        told.progress(report())  # 3 of 5 members are half way: 30 %
        told.progress(report())
        clock.now = 20.0
        told.ended(FleetResult("0000", "finished"))

    assert shown(tmp_path, "table", acts).splitlines() == [
        "note: a note",
        "note: another",
        f"5 members in 2 fleets -> {tmp_path}",
        "30.0%        30 member-steps/s  1 diverged  35 s left",
        "fleet 0000: finished after 20 s",
    ]


@pytest.mark.parametrize(
    ("reports", "share"),
    [
        ([], 0.0),
        ([report(step=100)], 0.6),
        ([report("0001", 50, members=2)], 0.2),
        ([report("0000a", 50, members=2), report("0000b", 100, members=1)], 0.4),  # a fleet that was cut
    ],
)
def test_the_share_counts_members(tmp_path: Path, clock: Clock, reports: list[Progress], share: float) -> None:
    display = Display(tmp_path, PLAN, "quiet", stopping=lambda: False)
    for entry in reports:
        display.callbacks().progress(entry)
    assert display._tally.share() == pytest.approx(share)  # pyright: ignore[reportPrivateUsage]
    display.callbacks().ended(FleetResult("0000", "finished"))
    later = display._tally.share()  # pyright: ignore[reportPrivateUsage]
    assert later == pytest.approx(0.6 + (0.2 if reports and reports[0].fleet == "0001" else 0.0))


@pytest.mark.parametrize(("step", "spent", "words"), [(0, 50.0, "?"), (50, 30.0, "70 s"), (50, 300.0, "11.7 min")])
def test_the_time_left_follows_from_the_share(
    tmp_path: Path, clock: Clock, step: int, spent: float, words: str
) -> None:
    display = Display(tmp_path, PLAN, "quiet", stopping=lambda: False)
    display.callbacks().progress(report(step=step))
    clock.now = spent
    assert display._tally.left() == words  # pyright: ignore[reportPrivateUsage]


def test_the_table_names_best_and_worst(tmp_path: Path, clock: Clock) -> None:
    display = Display(tmp_path, PLAN, "table", stopping=lambda: False)
    display.callbacks().progress(report(best=(8.0, 1), worst=None))
    console = Console(width=160, file=io.StringIO())
    with console.capture() as captured:
        console.print(display._table())  # pyright: ignore[reportPrivateUsage]
    assert all(
        words in captured.get()
        for words in (
            "best modes",
            "worst modes",
            "50 / 100",
            "8 (run 1)",
            "30 member-steps/s",
            "0 fleets done, 1 waiting",
        )
    )


def test_a_live_table_is_drawn_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with contextlib.redirect_stdout(out), Display(tmp_path, PLAN, "table", stopping=lambda: True) as display:
        told = display.callbacks()
        assert told.stopping()
        told.progress(report())
        told.ended(FleetResult("0000", "finished"))
    assert "best" in out.getvalue()
    assert "fleet 0000: finished" not in out.getvalue()


def test_a_cut_fleet_is_told_with_its_widths(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_split(
        "0000",
        [FleetPlan(id="0000a", slots=(0, 1), route="stacked"), FleetPlan(id="0000b", slots=(2,), route="loop")],
        "oom",
    )
    store.write_split(
        "0000a",
        [FleetPlan(id="0000aa", slots=(0,), route="loop"), FleetPlan(id="0000ab", slots=(1,), route="loop")],
        "oom",
    )
    said = shown(tmp_path, "table", lambda told: told.ended(FleetResult("0000", "finished")))
    assert "note: fleet 0000 ran out of memory and was cut into fleets of 1 and 1 and 1 members\n" in said


@pytest.mark.parametrize("voice", ["quiet", "json"])
def test_notes_do_not_disturb_programs(tmp_path: Path, voice: str) -> None:
    assert shown(tmp_path, voice, lambda told: None) == ""


def test_the_table_names_the_metric_and_says_who_is_evaluated(tmp_path: Path, clock: Clock) -> None:
    display, out = Display(tmp_path, PLAN, "quiet", stopping=lambda: False), io.StringIO()
    display.callbacks().progress(report(evaluating=True))
    display.callbacks().progress(report("0001", rate=0.5, members=2))
    Console(file=out, width=160).print(display._table())  # pyright: ignore[reportPrivateUsage]
    text = " ".join(out.getvalue().split())
    assert "best modes worst modes diverged" in text
    assert "0000 3 50 / 100, evaluating 30 member-steps/s 8 (run 1) 2 (run 0) 1" in text
    assert "0001 2 50 / 100 4.0 s/step" in text
