"""``gantlet run --dry-run``: members, fleets, memory and time, and every resolved value with its source."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
import typer

from gantlet.errors import BadValue
from gantlet.metrics import chosen, split_argument
from gantlet.metrics.feature_metric import lacking_for
from gantlet.requests.resolve import Resolved
from gantlet.studies.measure import FleetTime, busy, makespan, measure
from gantlet.studies.plan import bytes_per_member
from gantlet.studies.planning import PlannedStudy
from gantlet.studies.record import FleetPlan

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Estimate", "show_plan"]

_BUSY = 0.3  # of the machine's cores


@dataclass(frozen=True)
class Estimate:
    """What the training of a fleet takes; None where only the data would say.

    Attributes:
        seconds: Of the whole training: if it goes well, as measured, and if it goes badly.
        seconds_per_step: Measured in a few real steps.
        mebibytes: Of memory.
    """

    steps: int | None
    discriminator_steps: int | None
    seconds: tuple[float, float, float] | None
    seconds_per_step: float
    mebibytes: float


def show_plan(planned: PlannedStudy, *, json: bool, everything: bool = False) -> None:
    """Print what a run would do. The time is measured: a few real steps of one fleet of each kind.

    Arguments:
        planned: The study.
        json: Whether to print one JSON object, which holds every value.
        everything: Whether to print every value, and not only those that differ from the defaults.

    Raises:
        BadValue: It is planned for a GPU, and none is here.
    """
    if planned.device.type == "cuda" and not torch.cuda.is_available():
        raise BadValue("--dry-run measures steps on the device, and no GPU is here. Use it on a node that has one.")
    load = busy()
    times = measure(
        planned.plan,
        planned.samples,
        planned.cache,
        planned.device,
        threads=planned.threads,
        without_data=bool(planned.missing),
    )
    unread = _unread(planned.plan.settings)
    estimates = [_estimate(planned, *pair) for pair in zip(planned.plan.fleets, times, strict=True)]
    each = [estimate.seconds for estimate in estimates if estimate.seconds is not None]
    seconds = None
    if len(each) == len(estimates):  # low, middle, high
        low, middle, high = (makespan([found[place] for found in each], planned.workers) for place in range(3))
        seconds = (low, middle, high)
    if json:
        plan = {
            "settings": [setting.model_dump() for setting in planned.plan.recorded()[0]],
            "members": len(planned.plan.members),
            "fleets": [
                fleet.model_dump() | asdict(estimate) | {"seconds": estimate.seconds and estimate.seconds[1]}
                for fleet, estimate in zip(planned.plan.fleets, estimates, strict=True)
            ],
            "workers": planned.workers,
            "threads": planned.threads,
            "processes": planned.options.processes,
            "device": str(planned.device),
            "seconds": seconds and seconds[1],
            "seconds_range": seconds and [seconds[0], seconds[2]],
            "busy": load,
            "missing": planned.missing,
            "missing_metrics": unread,
        }
        typer.echo(jsonlib.dumps(plan))
        return
    _print(planned, estimates, seconds, everything=everything)
    if unread:
        typer.echo(f"The metrics cannot be computed on this machine: {unread}")
    if load > _BUSY:
        typer.echo(
            f"The machine was busy when it was measured ({load:.0%} of its cores): on a quiet one it takes less."
            + (" On one that stays busy, OMP_NUM_THREADS=1 keeps threads from waiting." if planned.threads > 1 else "")
        )


def _unread(settings: Sequence[Resolved]) -> str:
    """What the extractors that settings name lack here: the run itself would be refused for it; empty where nothing."""
    named = [split_argument(name) for each in settings for name in chosen(each.training.metrics, each.task.metrics)]
    lacking = (lacking_for(argument) for metric, argument in dict.fromkeys(named) if metric == "features")
    return next(filter(None, lacking), "")


def _estimate(planned: PlannedStudy, fleet: FleetPlan, found: FleetTime) -> Estimate:
    resolved, by_run = planned.plan.slots(fleet)[0][0], {member.run: member for member in planned.plan.members}
    open_end = bool(planned.missing) and not resolved.training.steps
    sizes, schedule = found.sheet.sizes, found.sheet.schedule
    total = schedule.total(sizes.steps)
    sample = planned.samples[by_run[fleet.slots[0]].setting]
    return Estimate(
        steps=None if open_end else sizes.steps,
        discriminator_steps=None if open_end else total,
        seconds=None if open_end else (found.low * total, found.update * total, found.high * total),
        seconds_per_step=found.update * schedule.updates(0),
        mebibytes=bytes_per_member(found.sheet, sample) * len(fleet.slots) / 2**20,
    )


def _print(
    planned: PlannedStudy, estimates: list[Estimate], seconds: tuple[float, float, float] | None, *, everything: bool
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    settings, members = planned.plan.settings, planned.plan.members
    console.print(
        f"{len(members)} members: {len(settings)} settings × {len(members) // len(settings)} seeds, in "
        f"{len(estimates)} fleets, {planned.workers} at a time with {planned.threads} threads each on {planned.device}"
    )
    if planned.options.processes > 1:
        console.print(
            f"Each member is trained by {planned.options.processes} processes together, one member after another; times are of "
            f"one process that trains it alone",
            soft_wrap=True,
        )
    if planned.missing:
        console.print(
            f"The data are not on this machine; what depends on them is shown as '?': {planned.missing}", soft_wrap=True
        )
    table = Table("fleet", "setting", "members", "pads", "route", "steps", "MiB", "minutes", box=None, pad_edge=False)
    for estimate, known in zip(estimates, planned.plan.fleets, strict=True):
        labels = sorted({resolved.label for resolved, _ in planned.plan.slots(known)})
        label = labels[0] if len(labels) == 1 else f"{labels[0]} … ({len(labels)} settings)"
        table.add_row(
            known.id,
            label,
            str(len(known.runs)),
            str(known.pads),
            known.route,
            "?" if estimate.steps is None else f"{estimate.steps:,}",
            f"{estimate.mebibytes:.0f}",
            "?" if estimate.seconds is None else f"{estimate.seconds[1] / 60:.1f}",
        )
    console.print(table)
    for note in dict.fromkeys(note for known in planned.plan.fleets for note in known.notes):
        console.print(f"note: {note}")
    if seconds is None:
        console.print(
            f"about {max(estimate.seconds_per_step for estimate in estimates):.3g} s a step; the number of steps depends on the data"
        )
    else:
        console.print(
            f"about {seconds[0] / 60:.1f} to {seconds[2] / 60:.1f} minutes of training in all, without evaluations"
        )
    for resolved in settings:
        _print_values(console, resolved, everything=everything)
    if not everything:
        console.print("Values that are not shown are defaults; --all shows them, too.")


def _print_values(console: Console, resolved: Resolved, *, everything: bool) -> None:
    from rich.table import Table

    table = Table("key", "value", "from", title=resolved.label, title_justify="left", box=None, pad_edge=False)
    for name, value in resolved.values.items():
        default = resolved.parts.keys[name].setting.default
        if everything or (value != default and resolved.sources[name] != "default"):
            table.add_row(name, str(value), resolved.sources[name])
    console.print(table)
