"""``gantlet show``, ``report``, ``sample`` and ``animate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantlet.errors import BadValue

from .arguments import Step, Trust

__all__ = ["animate_command", "print_summary", "report_command", "sample_command", "show_command"]


def show_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    format: Annotated[str, typer.Option(help="table, csv, json or markdown.")] = "table",
    runs: Annotated[bool, typer.Option("--runs", help="One row per member instead of the summary.")] = False,
) -> None:
    """Print the summary table of a study: rates and means with 95 % intervals."""
    if format not in ("table", "csv", "json", "markdown"):
        raise BadValue(f"--format {format} is not one of table, csv, json, markdown.")
    print_summary(folder, format=format, runs=runs)


def print_summary(folder: Path, *, format: str = "table", runs: bool = False) -> None:
    """Print a study's table."""
    from gantlet.reports.read import read_study
    from gantlet.reports.remarks import remarks
    from gantlet.reports.tables import render, summary_table

    study = read_study(folder)
    frame = study.runs if runs else summary_table(study)
    typer.echo(render(frame, format).rstrip())  # pyright: ignore[reportArgumentType] - checked by the caller
    for remark in remarks(study) if format == "table" else ():
        typer.echo(f"note: {remark}", err=True)


def report_command(
    folders: Annotated[list[Path], typer.Argument(help="One or more study folders.")],
    out: Annotated[Path | None, typer.Option(help="FILE.html. [default: report.html in the first folder]")] = None,
) -> None:
    """Write one self-contained HTML report about one study, or several to compare."""
    from gantlet.reports.page import write_report

    typer.echo(str(write_report(folders, out)))


def sample_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`.")],
    out: Annotated[
        Path | None, typer.Option(help="FILE.png (a grid), FILE.npy, FILE.csv (a table), or a folder for single PNGs.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many samples.")] = 25,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 1,
    by_generator: Annotated[
        bool, typer.Option("--by-generator", help="n samples of each generator of a team.")
    ] = False,
    step: Step = None,
    trust: Trust = False,
) -> None:
    """Draw samples from a trained member, in the units of its data; the training data are not needed."""
    from gantlet.api.sampler import write_samples

    path = write_samples(folder, run, out=out, count=n, seed=seed, by_generator=by_generator, step=step, trust=trust)
    typer.echo(str(path))


def animate_command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`.")],
    out: Annotated[
        Path | None, typer.Option(help="FILE.gif, FILE.webp or FILE.mp4. [default: animation.gif beside the images]")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each frame is shown.")] = 0.2,
    hold: Annotated[float, typer.Option(help="How long the last frame is shown, in seconds.")] = 2.0,
    step: Annotated[str | None, typer.Option(help="Where it ends: last, best, or a step. [default: last]")] = None,
) -> None:
    """Make an animation of a member's training from the images of its evaluations."""
    from gantlet.api.animate import animate

    if context.info_name == "film":
        typer.echo("note: film is read as animate", err=True)
    typer.echo(str(animate(folder, run, out=out, seconds=seconds, hold=hold, step=step)))
