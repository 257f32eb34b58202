"""Progress: one live table on a terminal, plain lines elsewhere, JSON lines or silence when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import typer

from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.progress import Tally, speed
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
        self._tally, self._said = Tally(plan.fleets), 0.0
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
            typer.echo(f"{sum(self._tally.members.values())} members in {len(self._fleets)} fleets -> {self._folder}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def callbacks(self) -> Callbacks:
        """What the executor calls."""
        return Callbacks(progress=self._progress, ended=self._end, stopping=self._stopping)

    def _progress(self, progress: Progress) -> None:
        self._tally.report(progress)
        if self._voice == "json":
            if progress.rate or progress.rows:  # not that a fleet begins
                told = {name: value for name, value in asdict(progress).items() if name != "rows"}
                typer.echo(json.dumps({"progress": told}))
        elif self._live is not None:
            self._live.update(self._table())
        elif self._voice == "table" and self._tally.seconds - self._said >= _PLAIN_SECONDS:
            self._said = self._tally.seconds
            typer.echo(self._tally.line())

    def _end(self, result: FleetResult) -> None:
        self._tally.end(result)
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
            typer.echo(f"fleet {result.fleet}: {result.kind} after {self._tally.seconds:.0f} s")

    def _table(self) -> Any:
        from rich.table import Table

        active = self._tally.active()
        metric = " / ".join(sorted({progress.metric for progress in active if progress.metric}))
        columns = ("fleet", "members", "step", "speed", f"best {metric}".strip(), f"worst {metric}".strip(), "diverged")
        table = Table(*columns, box=None, pad_edge=False)
        table.title, table.title_justify = f"{self._folder}   {self._tally.line().strip()}", "left"
        for progress in active:
            table.add_row(
                progress.fleet,
                str(progress.members),
                f"{progress.step:,} / {progress.steps:,}{', evaluating' if progress.evaluating else ''}",
                speed([progress]).strip(),
                _of(progress.best),
                _of(progress.worst),
                str(progress.out),
            )
        ended = len(self._tally.ended)
        waiting = len(self._fleets) - ended - len(active)
        table.caption = f"{ended} fleets done, {max(0, waiting)} waiting"
        table.caption_justify = "left"
        return table


def _cut_into(store: Store, fleet: FleetPlan | None) -> list[int]:
    """The members of each fleet that a fleet without room was cut into."""
    leaves = [] if fleet is None else store.leaves(fleet)
    return [] if leaves == [fleet] else [len(leaf.runs) for leaf in leaves]


def _of(entry: tuple[float, int] | None) -> str:
    return "" if entry is None else f"{entry[0]:.4g} (run {entry[1]})"
