"""The progress display: shares, rates and words, from pulses alone."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gantlet.cli import progress
from gantlet.cli.progress import Display
from gantlet.studies.executors.base import Outcome
from gantlet.studies.plan import FleetPlan
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store

PLAN = {
    "fleets": [
        {"id": "0000", "slots": [0, 1, 2], "pads": 0, "notes": ["a note"]},
        {"id": "0001", "slots": [3, 4, 3], "pads": 1, "notes": ["a note", "another"]},
    ]
}


def pulse(fleet: str = "0000", step: int = 50, **changes: Any) -> Progress:
    told = {"steps": 100, "members": 3, "rate": 30.0, "out": 1, "best": (8.0, 1), "worst": (2.0, 0), **changes}
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
    """What a display prints while ``acts`` is given its watcher."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), Display(folder, PLAN, voice, stopping=lambda: False) as display:
        acts(display.watcher())
    return out.getvalue()


def test_a_line_is_said_now_and_then(tmp_path: Path, clock: Clock) -> None:
    def acts(watcher: Any) -> None:
        watcher.pulse(pulse())
        clock.now = 15.0
        watcher.pulse(pulse())  # 3 of 5 members are half way: 30 %
        watcher.pulse(pulse())
        clock.now = 20.0
        watcher.ended(Outcome("0000", "finished"))

    assert shown(tmp_path, "table", acts).splitlines() == [
        "note: a note",
        "note: another",
        f"5 members in 2 fleets -> {tmp_path}",
        "30.0%        30 member-steps/s  1 diverged  35 s left",
        "fleet 0000: finished after 20 s",
    ]


@pytest.mark.parametrize(
    ("pulses", "share"),
    [
        ([], 0.0),
        ([pulse(step=100)], 0.6),
        ([pulse("0001", 50, members=2)], 0.2),
        ([pulse("0000a", 50, members=2), pulse("0000b", 100, members=1)], 0.4),  # a fleet that was cut
    ],
)
def test_the_share_counts_members(tmp_path: Path, clock: Clock, pulses: list[Progress], share: float) -> None:
    display = Display(tmp_path, PLAN, "quiet", stopping=lambda: False)
    for entry in pulses:
        display.watcher().pulse(entry)
    assert display._share() == pytest.approx(share)  # pyright: ignore[reportPrivateUsage]
    display.watcher().ended(Outcome("0000", "finished"))
    later = display._share()  # pyright: ignore[reportPrivateUsage]
    assert later == pytest.approx(0.6 + (0.2 if pulses and pulses[0].fleet == "0001" else 0.0))


@pytest.mark.parametrize(("step", "spent", "words"), [(0, 50.0, "?"), (50, 30.0, "70 s"), (50, 300.0, "11.7 min")])
def test_the_time_left_follows_from_the_share(
    tmp_path: Path, clock: Clock, step: int, spent: float, words: str
) -> None:
    display = Display(tmp_path, PLAN, "quiet", stopping=lambda: False)
    display.watcher().pulse(pulse(step=step))
    clock.now = spent
    assert display._eta() == words  # pyright: ignore[reportPrivateUsage]


def test_the_table_names_best_and_worst(tmp_path: Path, clock: Clock) -> None:
    display = Display(tmp_path, PLAN, "table", stopping=lambda: False)
    display.watcher().pulse(pulse(best=(8.0, 1), worst=None))
    console = Console(width=160, file=io.StringIO())
    with terminal.capture() as captured:
        terminal.print(display._table())  # pyright: ignore[reportPrivateUsage]
    assert all(words in captured.get() for words in ("50 / 100", "8 (run 1)", "0 fleets done, 1 waiting"))


def test_a_live_table_is_drawn_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with contextlib.redirect_stdout(out), Display(tmp_path, PLAN, "table", stopping=lambda: True) as display:
        watcher = display.watcher()
        assert watcher.stopping()
        watcher.pulse(pulse())
        watcher.ended(Outcome("0000", "finished"))
    assert "best" in out.getvalue()
    assert "fleet 0000: finished" not in out.getvalue()


def test_a_cut_fleet_is_told_with_its_widths(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_split("0000", [FleetPlan("0000a", (0, 1), 0, "stacked"), FleetPlan("0000b", (2,), 0, "loop")], "oom")
    store.write_split("0000a", [FleetPlan("0000aa", (0,), 0, "loop"), FleetPlan("0000ab", (1,), 0, "loop")], "oom")
    said = shown(tmp_path, "table", lambda watcher: watcher.ended(Outcome("0000", "finished")))
    assert "note: fleet 0000 ran out of memory and was cut into fleets of 1 and 1 and 1 members\n" in said


@pytest.mark.parametrize("voice", ["quiet", "json"])
def test_notes_do_not_disturb_programs(tmp_path: Path, voice: str) -> None:
    assert shown(tmp_path, voice, lambda watcher: None) == ""
