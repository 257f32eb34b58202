"""``gantlet reproduce``: a published table at a budget."""

from __future__ import annotations

import json as json_text
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantlet.places import command

from .ending import finish_part
from .train import Trainer, voice_of

if TYPE_CHECKING:
    from gantlet.api.reproduce import Reproduction

__all__ = ["reproduce_command"]

_WIDE = 76
"""From so many columns of a terminal words are not broken in the table."""


def reproduce_command(
    name: Annotated[
        str,
        typer.Argument(
            help="A table, or TABLE:FOLDER with its data, or the folder of one that was begun; none: list them."
        ),
    ] = "",
    budget: Annotated[str, typer.Option(help="90s, 5m, 1h, 2d, or paper: the published seeds and length.")] = "5m",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="The study folder; a study that is there is only compared, several (--out A --out B) together. "
            "[default: runs/TABLE-DATE-TIME]"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:i or mps.")] = "auto",
    executor: Annotated[str, typer.Option(help="Where to train: local or inline.")] = "local",
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0: one per core on a CPU.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print progress and the result as JSON lines.")] = False,
) -> None:
    """Train a published table as far as a budget goes, and compare with the published numbers; the same folder again goes on.

    Examples: gantlet reproduce alpha-ring --budget 1h, gantlet reproduce runs/alpha-ring --budget 8h,
    gantlet reproduce stackelberg-mixture8 --out runs/mixture8 (a study that is there is compared as it stands; several
    of other seeds, --out A --out B, as one)
    """
    from gantlet.api.reproduce import advance
    from gantlet.studies.machine import command_line
    from gantlet.studies.published import TABLES
    from gantlet.studies.published.budgets import parse_budget
    from gantlet.studies.store import Store
    from gantlet.studies.views import read_runs

    if not name:
        for table in TABLES.values():
            typer.echo(f"{table.name:<22} {table.title} ({table.seeds} seeds; {table.source})")
        return
    seconds = parse_budget(budget)
    given: dict[str, Any] = {"device": device, "executor": executor, "workers": workers, "command": command_line()}
    train = Trainer(voice_of(quiet=quiet, json=json), "reproduce")
    found = advance(name, seconds, given, out or [], train, (lambda line: None) if quiet or json else typer.echo)
    if json:
        rows = json_text.loads(found.frame().to_json(orient="records"))
        typer.echo(json_text.dumps({"folder": str(found.study.folder), "table": found.table.name, "cells": rows}))
    elif quiet:
        typer.echo(str(found.study.folder))
    else:
        _print(found)
    if train.used:
        finish_part(read_runs(Store(found.study.folder)), train.damaged, command("reproduce", found.study.folder))


def _print(found: Reproduction) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from gantlet.studies.published.reproduce import FACT
    from gantlet.studies.store import Store

    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    whole = console.width >= _WIDE
    for name in ("setting", "column", "published", "own", "own - published", "runs", "verdict"):
        justify = "left" if name in ("setting", "column", "verdict") else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=whole and name in ("column", "verdict"))
    whys, before = dict[str, int](), ""
    for each in found.cells:
        cell, against = each.cell, each.against
        scale, unit = (100, " %") if cell.kind == "rate" else (1, "")
        number = f" ({whys.setdefault(each.why, len(whys) + 1)})" if each.why else ""
        limits = f"[{scale * against.low:+.3g}, {scale * against.high:+.3g}]" if isfinite(against.low) else ""
        table.add_row(
            cell.setting if cell.setting != before else "",
            cell.column,
            f"{scale * cell.value:.4g}{unit}" if isfinite(cell.value) else "a figure",
            f"{scale * against.own:.4g}{unit}" if against.n else "",
            limits,
            str(against.n),
            f"{each.verdict}{number}",
        )
        before = cell.setting
    typer.echo(f"{found.table.title}; {found.table.source}")
    console.print(table)
    for why, count in whys.items():
        typer.echo(f"({count}) {why}")
    for note in found.table.notes:
        typer.echo(f"note: {note}")
    folder = found.study.folder
    if found.others:
        return
    if FACT in Store(folder).record().facts:
        typer.echo(f"continue with: {command('reproduce', folder)} --budget TIME")
    else:
        typer.echo(f"continue with: {command('resume', folder)}, or {command('extend', folder)} --seeds N")
