"""``gantlet cancel``, and what ``run``, ``resume`` and ``show`` say of a study that a cluster trains."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gantlet.places import command

if TYPE_CHECKING:
    from gantlet.studies.executors.base import Callbacks
    from gantlet.studies.fleet_states import StudyState
    from gantlet.studies.store import Store

__all__ = ["Slurm", "Wait", "cancel_command", "hand_over", "print_jobs"]

Slurm = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="What Slurm's jobs ask for: partition, time, gpus, cpus, mem, account, qos, constraint, nodelist, exclude, per_job, "
        "workers, max_jobs, grace, setup (a line of shell), sbatch (an option of it). May be repeated.",
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Follow the jobs of a cluster until all have ended; Ctrl-C leaves them.")
]

_POLL = (
    1.0,
    1.0,
    2.0,
    3.0,
    5.0,
)  # seconds between two looks at a study: the first ones, and then the last again and again
_MOST_ROWS = 12


def cancel_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
) -> None:
    """Cancel the Slurm jobs of a study; those that run save first, and resume goes on from there."""
    from gantlet.studies.cancel import cancel_study

    cancelled = cancel_study(folder)
    many = f"{len(cancelled)} fleet{'s' * (len(cancelled) > 1)}"
    if cancelled:
        typer.echo(f"the jobs of {many} were cancelled. Continue with: {command('resume', folder)}")
    else:
        typer.echo(f"no job of {folder} waits or runs; nothing was done")


def hand_over(
    folder: Path,
    go: Callable[[Callbacks], Store],
    voice: Literal["table", "quiet", "json"],
    *,
    wait: bool,
) -> tuple[Store, bool] | None:
    """Submit a study, say so, and follow it if asked; None where it is left to its jobs."""
    from gantlet.studies.executors.base import Callbacks
    from gantlet.studies.fleet_states import follow, study_state

    store = go(Callbacks())
    state = study_state(store)
    if voice == "json":
        typer.echo(jsonlib.dumps({"folder": str(folder), "fleets": state.counts}))
    elif voice == "table":
        typer.echo(state.line())
        typer.echo(f"how they go: {command('show', folder)}   stop them: {command('cancel', folder)}")
    elif not wait:
        typer.echo(str(folder))
    if not wait:
        done = state.counts["finished"] == len(state.fleets)
        return (store, False) if done else None
    try:
        follow(store, lambda look: _POLL[min(look, len(_POLL) - 1)], lambda state: _say_state(state, voice))
    except KeyboardInterrupt:
        typer.echo(f"gantlet: the jobs go on. How they go: {command('show', folder)}", err=True)
        raise typer.Exit(130) from None
    return store, False


def _say_state(state: StudyState, voice: Literal["table", "quiet", "json"]) -> None:
    if voice != "quiet":
        typer.echo(jsonlib.dumps({"fleets": state.counts}) if voice == "json" else state.line())


def print_jobs(folder: Path, *, format: str = "table", every: bool = False) -> None:
    """What of a study waits, runs, is done or failed, and where the logs are.

    Arguments:
        folder: A study folder.
        format: ``table``, ``csv``, ``json`` or ``markdown``.
        every: Every fleet, and those of studies that no cluster trains; else what is not finished of those that one does.
    """
    from gantlet.reports.tables import render
    from gantlet.studies.fleet_states import study_state
    from gantlet.studies.store import Store
    from gantlet.studies.submissions import submissions

    store = Store(folder)
    if not every and not submissions(store):
        return
    state = study_state(store)
    rows = state.table()
    if every and format != "table":
        typer.echo(render(rows, format).rstrip())  # pyright: ignore[reportArgumentType] - checked by the caller
        return
    shown = rows if every else rows[rows["state"] != "finished"].head(_MOST_ROWS)
    typer.echo(f"{'' if every else chr(10)}{state.line()}")
    if len(shown):
        used = [str(name) for name in shown if name in ("fleet", "state") or shown[name].astype(bool).any()]
        typer.echo(_aligned([used, *([str(word) for word in row] for row in shown[used].to_numpy().tolist())]))
    if left := len(rows) - state.counts["finished"] - len(shown) if not every else 0:
        typer.echo(f"and {left} more: {command('show', folder)} --jobs")
    if state.unknown:
        typer.echo(f"gantlet: {state.unknown} What waits or runs is not known.", err=True)


def _aligned(rows: list[list[str]]) -> str:
    """Columns that are as wide as their widest entry; a path at the end stays in one piece."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{word:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
