"""``gantlet run --dry-run``: members, fleets, memory and time, and every resolved value with its source."""

from __future__ import annotations

import json as jsonlib
import time
from typing import Any

import typer

from gantlet.cpu import threads_set
from gantlet.studies.build import blueprint
from gantlet.studies.plan import bytes_per_member
from gantlet.studies.planning import PlannedStudy
from gantlet.studies.record import FleetPlan
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

__all__ = ["show_plan"]

_WARM, _TIMED = 2, 5  # discriminator updates, in whole steps


def show_plan(planned_study: PlannedStudy, *, json: bool) -> None:
    """Print what a run would do. The time is measured: a few real steps of one fleet of each kind."""
    estimates: dict[tuple[Any, ...], dict[str, Any]] = {}
    fleets: list[dict[str, Any]] = []
    with threads_set(planned_study.threads):
        for fleet in planned_study.plan.fleets:
            kind = (planned_study.plan.slots(fleet)[0][0].label, len(fleet.slots))
            if kind not in estimates:
                estimates[kind] = _estimate(planned_study, fleet)
            fleets.append(fleet.model_dump() | estimates[kind])
    seconds = sum(fleet["seconds"] for fleet in fleets) / planned_study.workers
    if json:
        plan = {
            "settings": [setting.model_dump() for setting in planned_study.plan.recorded()[0]],
            "members": len(planned_study.plan.members),
            "fleets": fleets,
            "workers": planned_study.workers,
            "threads": planned_study.threads,
            "device": str(planned_study.device),
            "seconds": seconds,
        }
        typer.echo(jsonlib.dumps(plan))
        return
    _print(planned_study, fleets, seconds)


def _estimate(planned_study: PlannedStudy, planned: FleetPlan) -> dict[str, Any]:
    slots = planned_study.plan.slots(planned)
    dataset = planned_study.cache.dataset(slots[0][0])
    sheet = blueprint(slots, dataset.specification, Execution(route=planned.route, device=planned_study.device))
    fleet = Fleet(sheet, dataset)
    updates, started = 0, time.perf_counter()
    each = sheet.schedule.updates(0)
    warm, timed = -(-_WARM // each), -(-_TIMED // each)
    for step in range(warm + timed):
        if step == warm:
            updates, started = fleet.discriminator_steps, time.perf_counter()
        fleet.advance()
    spent = time.perf_counter() - started
    done = fleet.discriminator_steps - updates
    total = sheet.schedule.total(sheet.sizes.steps)
    return {
        "steps": sheet.sizes.steps,
        "discriminator_steps": total,
        "seconds": spent / done * total,
        "mebibytes": bytes_per_member(sheet, dataset.specification) * len(slots) / 2**20,
    }


def _print(planned_study: PlannedStudy, fleets: list[dict[str, Any]], seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    settings, members = planned_study.plan.settings, planned_study.plan.members
    console.print(
        f"{len(members)} members: {len(settings)} settings × {len(members) // len(settings)} seeds, in "
        f"{len(fleets)} fleets, {planned_study.workers} at a time with {planned_study.threads} threads each on {planned_study.device}"
    )
    table = Table("fleet", "setting", "members", "pads", "route", "steps", "MiB", "minutes", box=None, pad_edge=False)
    for fleet, planned in zip(fleets, planned_study.plan.fleets, strict=True):
        labels = sorted({resolved.label for resolved, _ in planned_study.plan.slots(planned)})
        label = labels[0] if len(labels) == 1 else f"{labels[0]} … ({len(labels)} settings)"
        table.add_row(
            planned.id,
            label,
            str(len(planned.runs)),
            str(planned.pads),
            planned.route,
            f"{fleet['steps']:,}",
            f"{fleet['mebibytes']:.0f}",
            f"{fleet['seconds'] / 60:.1f}",
        )
    console.print(table)
    for note in dict.fromkeys(note for planned in planned_study.plan.fleets for note in planned.notes):
        console.print(f"note: {note}")
    console.print(f"about {seconds / 60:.1f} minutes of training in all, evaluations apart")
    _print_values(console, planned_study)


def _print_values(console: Any, planned_study: PlannedStudy) -> None:
    from rich.table import Table

    for resolved in planned_study.plan.settings:
        table = Table("key", "value", "from", title=resolved.label, title_justify="left", box=None, pad_edge=False)
        for name, value in resolved.values.items():
            table.add_row(name, str(value), resolved.sources[name])
        console.print(table)
