"""Progress: one live table on a terminal, plain lines elsewhere, JSON lines or silence when asked."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import typer

from gantlet.studies.executors import Outcome, Watcher
from gantlet.studies.runner import Pulse
from gantlet.studies.store import Store

__all__ = ["Display"]

_PLAIN_SECONDS = 15.0


class Display:
    """Shows how a study goes.

    Arguments:
        folder: The study's folder.
        plan: The plan as it stands in study.json.
        voice: ``table``, ``quiet`` or ``json``.
        stopping: Whether a stop was asked for.
    """

    def __init__(
        self,
        folder: Path,
        plan: dict[str, Any],
        voice: Literal["table", "quiet", "json"],
        *,
        stopping: Callable[[], bool],
    ) -> None:
        self._folder, self._voice, self._stopping = folder, voice, stopping
        self._notes = list(dict.fromkeys(note for fleet in plan["fleets"] for note in fleet["notes"]))
        self._members = {fleet["id"]: len(fleet["slots"]) - fleet["pads"] for fleet in plan["fleets"]}
        self._pulses: dict[str, Pulse] = {}
        self._ended: dict[str, Outcome] = {}
        self._started, self._said = time.monotonic(), time.monotonic()
        self._live: Any = None

    def __enter__(self) -> Display:
        for note in self._notes if self._voice == "table" else ():
            typer.echo(f"note: {note}")
        if self._voice == "table" and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(self._table(), refresh_per_second=4, transient=True)
            self._live.start()
        elif self._voice == "table":
            typer.echo(f"{sum(self._members.values())} members in {len(self._members)} fleets -> {self._folder}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def watcher(self) -> Watcher:
        """What the executor tells, and asks."""
        return Watcher(pulse=self._pulse, ended=self._end, stopping=self._stopping)

    def _pulse(self, pulse: Pulse) -> None:
        self._pulses[pulse.fleet] = pulse
        if self._voice == "json":
            typer.echo(json.dumps({"pulse": asdict(pulse)}))
        elif self._live is not None:
            self._live.update(self._table())
        elif self._voice == "table" and time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            typer.echo(self._line())

    def _end(self, outcome: Outcome) -> None:
        self._ended[outcome.fleet] = outcome
        sizes = _cut_into(Store(self._folder), outcome.fleet)
        if sizes and self._voice == "table":
            widths = " and ".join(map(str, sizes))
            typer.echo(f"note: fleet {outcome.fleet} ran out of memory and was cut into fleets of {widths} members")
        if self._voice == "json":
            typer.echo(json.dumps({"fleet": outcome.fleet, "outcome": outcome.kind, "error": outcome.error}))
        elif self._live is not None:
            self._live.update(self._table())
        elif self._voice == "table":
            typer.echo(f"fleet {outcome.fleet}: {outcome.kind} after {time.monotonic() - self._started:.0f} s")

    def _active(self) -> list[Pulse]:
        return [pulse for name, pulse in self._pulses.items() if name[:4] not in self._ended]

    def _share(self) -> float:
        """How much of the work is done, by members."""
        done = sum(self._members.get(name, 0) for name in self._ended)
        done += sum(pulse.members * pulse.step / pulse.steps for pulse in self._active())
        return done / max(1, sum(self._members.values()))

    def _eta(self) -> str:
        share, spent = self._share(), time.monotonic() - self._started
        if share < 0.01:
            return "?"
        left = spent * (1 - share) / share
        return f"{left / 60:.1f} min" if left > 90 else f"{left:.0f} s"

    def _line(self) -> str:
        rate = sum(pulse.rate for pulse in self._active())
        out = sum(pulse.out for pulse in self._pulses.values())
        return f"{self._share():5.1%}  {rate:8,.0f} member-steps/s  {out} diverged  {self._eta()} left"

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(
            "fleet",
            "members",
            "step",
            "steps/s × members",
            "best",
            "worst",
            "diverged",
            box=None,
            pad_edge=False,
        )
        table.title, table.title_justify = f"{self._folder}   {self._line().strip()}", "left"
        for pulse in self._active():
            table.add_row(
                pulse.fleet,
                str(pulse.members),
                f"{pulse.step:,} / {pulse.steps:,}",
                f"{pulse.rate:,.0f}",
                _of(pulse.best),
                _of(pulse.worst),
                str(pulse.out),
            )
        waiting = len(self._members) - len(self._ended) - len(self._active())
        table.caption = f"{len(self._ended)} fleets done, {max(0, waiting)} waiting"
        table.caption_justify = "left"
        return table


def _cut_into(store: Store, fleet: str) -> list[int]:
    """The members of each fleet that a fleet without room was cut into."""
    parts = store.split(fleet) or []
    return [size for part in parts for size in _cut_into(store, part["id"]) or [len(part["slots"]) - part["pads"]]]


def _of(entry: tuple[float, int] | None) -> str:
    return "" if entry is None else f"{entry[0]:.4g} (run {entry[1]})"
