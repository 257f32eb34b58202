"""``gantlet compare``: scores between two sets of images."""

from __future__ import annotations

import json as json_text
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantlet.errors import BadValue

from .arguments import Trust

if TYPE_CHECKING:
    from gantlet.api.compare import Comparison

__all__ = ["compare_command"]


def compare_command(  # noqa: PLR0913 - each argument is an option of the command line
    reference: Annotated[
        str,
        typer.Argument(help="Real images: a folder, archive, array, KIND:PATH, mu/sigma .npz or .pt, or STUDY:RUN."),
    ],
    judged: Annotated[str, typer.Argument(help="The images to judge, likewise.")],
    train: Annotated[str, typer.Option(help="Images the model was trained on: for memorisation.")] = "",
    metrics: Annotated[str, typer.Option(help="Scores, such as fd,kid,precision. [default: all that can be had]")] = "",
    features: Annotated[
        str, typer.Option(help="The extractor: a name, file.py:Name or FILE.onnx.")
    ] = "efficientnet-lite0",
    n: Annotated[int, typer.Option("--n", min=0, help="Images of a set, at most; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the latents, of a study's samples.")] = 1,
    save_statistics: Annotated[
        Path | None,
        typer.Option(help="Write mu and sigma of the reference to FILE.npz, or FILE.pt for torch-fidelity."),
    ] = None,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    trust: Trust = False,
) -> None:
    """Compare two sets of images: Fréchet and kernel distances, precision, recall, … with intervals and the real-real floor."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TaskID

    from gantlet.api.compare import compare_sets

    if format not in ("table", "json"):
        raise BadValue(f"--format {format} is not one of table, json.")
    asked = [name.strip() for name in metrics.split(",") if name.strip()]
    console = Console(stderr=True)
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def notify(source: str, done: int, count: int) -> None:
            if source not in tasks:
                tasks[source] = bars.add_task(source)
            bars.update(tasks[source], completed=done, total=count)

        found = compare_sets(
            reference,
            judged,
            train=train,
            metrics=asked,
            extractor=features,
            most=n,
            seed=seed,
            trust=trust,
            save=save_statistics,
            notify=notify,
        )
    if json or format == "json":
        typer.echo(json_text.dumps(found.record(), indent=1, ensure_ascii=False))
    else:
        _print(found)


def _print(found: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("score", "value", "95 % interval", "floor", "better", box=None, pad_edge=False)
    for entry in found.record().values():
        interval = "" if entry["low"] is None else f"{_short(entry['low'])} … {_short(entry['high'])}"
        table.add_row(
            entry["card"]["name"],
            _short(entry["value"]),
            interval,
            _short(entry["floor"]),
            entry["card"]["better"] or "",
        )
    Console().print(table)
    for title, facts in found.sets.items():
        words = facts.get("between") or f"{facts['source']}, {facts['count'] or 'statistics alone'}"
        typer.echo(f"{title:10} {words}")
    typer.echo(
        f"{'extractor':10} {found.card.name}, SHA-256 {found.card.sha256[:16] or 'unknown'}, {found.card.resizer}"
    )


def _short(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"
