"""How commands that train end: with the report, the summary, and an exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import typer

from gantlet.places import command

if TYPE_CHECKING:
    import pandas as pd

    from gantlet.studies.store import Store

__all__ = ["finish", "finish_part"]


def finish(store: Store, damaged: bool, voice: Literal["table", "quiet", "json"]) -> None:
    """Write the report, print the summary, and set the exit status."""
    from gantlet.reports.page import write_report
    from gantlet.reports.read import read_study
    from gantlet.studies.views import read_runs

    from .look import print_summary

    symptoms: list[str] = []
    page, runs = write_report([store.folder], on_findings=symptoms.extend), read_runs(store)
    if voice == "json":
        import json as jsonlib

        counts = {str(name): int(count) for name, count in runs["status"].value_counts().items()}
        typer.echo(jsonlib.dumps({"folder": str(store.folder), "report": str(page), "status": counts}))
    elif voice == "quiet":
        typer.echo(str(store.folder))
    else:
        print_summary(read_study(store.folder))
        typer.echo(f"report: {page}")
        if symptoms:
            typer.echo(
                f"gantlet: signs of {', '.join(symptoms)}; what to do says: {command('doctor', store.folder)}", err=True
            )
        if (onward := store.onward) != "resume":
            typer.echo(f"continue with: {command(onward, store.folder)}")
    _exit(runs, runs["status"] != "finished", damaged)


def finish_part(runs: pd.DataFrame, damaged: bool, onward: str) -> None:
    """Say how many members of a search or a table failed or were left, and set the exit status; those that diverged belong to it.

    Arguments:
        runs: One row per member.
        damaged: Whether something was found damaged.
        onward: The command that goes on.
    """
    _exit(runs, runs["status"].isin(("failed", "stopped")), damaged, f". Go on with: {onward}")


def _exit(runs: pd.DataFrame, missing: pd.Series[bool], damaged: bool, then: str = "") -> None:
    """Say how many members are missing from what was asked for, and leave with the status that tells it."""
    for status, group in runs[missing].groupby("status"):
        first = group.iloc[0]
        cause = f"; run {first['run']}: {first['cause']}" if isinstance(first["cause"], str) else ""
        typer.echo(f"gantlet: {len(group)} of {len(runs)} members {status}{cause}{then}", err=True)
    if missing.any():
        raise typer.Exit(3)
    if damaged:
        raise typer.Exit(1)
