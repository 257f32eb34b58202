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

from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.record import FleetPlan, PlanRecord
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store

__all__ = ["Display"]

_PLAIN_SECONDS = 15.0


class Display:
    """Shows the progress of a study.

    Arguments:
        folder: The study's folder.
        plan: The plan in study.json.
        voice: ``table``, ``quiet`` or ``json``.
        stopping: Whether a stop was asked for.
    """

    def __init__(
        self,
        folder: Path,
        plan: PlanRecord,
        voice: Literal["table", "quiet", "json"],
        *,
        stopping: Callable[[], bool],
    ) -> None:
        self._folder, self._voice, self._stopping = folder, voice, stopping
        self._notes = list(dict.fromkeys(note for fleet in plan.fleets for note in fleet.notes))
        self._fleets = {fleet.id: fleet for fleet in plan.fleets}
        self._members = {fleet.id: len(fleet.runs) for fleet in plan.fleets}
        self._latest: dict[str, Progress] = {}
        self._ended: dict[str, FleetResult] = {}
        self._started, self._said = time.monotonic(), time.monotonic()
        self._live: Any = None
        self.damage: list[str] = []
        self.elsewhere: list[str] = []  # a sentence for each fleet that another process trains

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

    def callbacks(self) -> Callbacks:
        """What the executor calls."""
        return Callbacks(progress=self._progress, ended=self._end, stopping=self._stopping)

    def _progress(self, progress: Progress) -> None:
        self._latest[progress.fleet] = progress
        if self._voice == "json":
            typer.echo(json.dumps({"progress": asdict(progress)}))
        elif self._live is not None:
            self._live.update(self._table())
        elif self._voice == "table" and time.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = time.monotonic()
            typer.echo(self._line())

    def _end(self, result: FleetResult) -> None:
        self._ended[result.fleet] = result
        self.damage += result.damage
        if result.kind == "elsewhere":
            self.elsewhere.append(f"{result.error}; its members are left to it.")
        sizes = _cut_into(Store(self._folder), self._fleets.get(result.fleet))
        if sizes and self._voice == "table":
            widths = " and ".join(map(str, sizes))
            typer.echo(f"note: fleet {result.fleet} ran out of memory and was cut into fleets of {widths} members")
        if self._voice == "json":
            typer.echo(json.dumps({"fleet": result.fleet, "outcome": result.kind, "error": result.error}))
        elif self._live is not None:
            self._live.update(self._table())
        elif self._voice == "table":
            typer.echo(f"fleet {result.fleet}: {result.kind} after {time.monotonic() - self._started:.0f} s")

    def _active(self) -> list[Progress]:
        return [progress for name, progress in self._latest.items() if name[:4] not in self._ended]

    def _share(self) -> float:
        """How much of the work is done, by members."""
        done = sum(self._members.get(name, 0) for name in self._ended)
        done += sum(progress.members * progress.step / progress.steps for progress in self._active())
        return done / max(1, sum(self._members.values()))

    def _eta(self) -> str:
        share, spent = self._share(), time.monotonic() - self._started
        if share < 0.01:
            return "?"
        left = spent * (1 - share) / share
        return f"{left / 60:.1f} min" if left > 90 else f"{left:.0f} s"

    def _line(self) -> str:
        rate = sum(progress.rate for progress in self._active())
        out = sum(progress.out for progress in self._latest.values())
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
        for progress in self._active():
            table.add_row(
                progress.fleet,
                str(progress.members),
                f"{progress.step:,} / {progress.steps:,}",
                f"{progress.rate:,.0f}",
                _of(progress.best),
                _of(progress.worst),
                str(progress.out),
            )
        waiting = len(self._members) - len(self._ended) - len(self._active())
        table.caption = f"{len(self._ended)} fleets done, {max(0, waiting)} waiting"
        table.caption_justify = "left"
        return table


def _cut_into(store: Store, fleet: FleetPlan | None) -> list[int]:
    """The members of each fleet that a fleet without room was cut into."""
    leaves = [] if fleet is None else store.leaves(fleet)
    return [] if leaves == [fleet] else [len(leaf.runs) for leaf in leaves]


def _of(entry: tuple[float, int] | None) -> str:
    return "" if entry is None else f"{entry[0]:.4g} (run {entry[1]})"
