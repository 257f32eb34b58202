"""``gantlet show``, ``report``, ``sample`` and ``animate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantlet.errors import BadValue

from .arguments import Step, Trust

if TYPE_CHECKING:
    from gantlet.reports.read import StudyData

__all__ = ["animate_command", "print_games", "print_summary", "report_command", "sample_command", "show_command"]

_MANY = 100  # samples, from which on a bar says how many are drawn


def show_command(  # noqa: PLR0913 - each argument is an option of the command line
    folders: Annotated[list[Path], typer.Argument(help="A study folder, or several to pool.")],
    format: Annotated[str, typer.Option(help="table, csv, json, markdown or latex.")] = "table",
    runs: Annotated[bool, typer.Option("--runs", help="One row per member instead of the summary.")] = False,
    paired: Annotated[
        bool, typer.Option("--paired", help="Only the paired comparisons, corrected; csv and json have them in full.")
    ] = False,
    against: Annotated[str, typer.Option(help="The setting to compare with. [default: the first]")] = "",
    aggregate: Annotated[str, typer.Option(help="mean, or iqm: interquartile means.")] = "mean",
    metrics: Annotated[str, typer.Option(help="Only these columns, such as success,modes. [default: all]")] = "",
    jobs: Annotated[
        bool, typer.Option("--jobs", help="One row per fleet instead: its state, its job on a cluster, and its log.")
    ] = False,
    games: Annotated[
        bool, typer.Option("--games", help="Methods on the same random architectures: scores, areas and winners.")
    ] = False,
    metric: Annotated[str, typer.Option(help="With --games: the column that decides. [default: the headline]")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Put values with different cards into one column, which is marked.")
    ] = False,
) -> None:
    """Print the tables of a study: rates and means with 95 % intervals, paired comparisons with corrected p values, and jobs."""
    from .jobs import print_jobs

    _check_words(format, aggregate)
    if games or metric:
        if not games or runs or paired or against or jobs or metrics or format == "latex" or aggregate != "mean":
            raise BadValue(
                "--games prints one table and goes with --metric and --format table, csv, json or markdown alone."
            )
        print_games(*folders, format=format, metric=metric)
        return
    if runs and (paired or against or format == "latex"):
        raise BadValue("--runs prints members; it goes with none of --paired, --against and --format latex.")
    if len(folders) > 1 and (runs or paired or against or jobs or format == "latex"):
        raise BadValue(
            "Several studies are pooled in one summary; --runs, --paired, --against, --jobs and latex need one study."
        )
    if against and not paired and format not in ("table", "latex"):
        raise BadValue(f"--against names what --paired compares with; give --paired, too, for --format {format}.")
    if metrics and (runs or jobs):
        raise BadValue(
            "--metrics chooses columns of the summary and of --paired; it goes with neither --runs nor --jobs."
        )
    only = [name.strip() for name in metrics.split(",") if name.strip()]
    if jobs:
        if format == "latex":
            raise BadValue("--jobs has no --format latex; expected table, csv, json or markdown.")
        print_jobs(folders[0], format=format, every=True)
        return
    if format == "latex":
        _print_latex(folders[0], against=against, aggregate=aggregate, only=only)
        return
    from gantlet.reports.read import read_study

    studies = [read_study(folder).narrowed(only) for folder in folders]
    if runs or not paired:
        print_summary(*studies, format=format, runs=runs, aggregate=aggregate, force=force)
    if paired or (format == "table" and not runs and len(folders) == 1):
        _print_paired(studies[0], format=format, against=against, alone=paired)
    if format == "table" and len(folders) == 1:
        print_jobs(folders[0])


def print_summary(
    *studies: StudyData, format: str = "table", runs: bool = False, aggregate: str = "mean", force: bool = False
) -> None:
    """Print a study's table, or that of several together, with the cards of their values."""
    from gantlet.reports.pooled import pooled_table
    from gantlet.reports.remarks import remarks
    from gantlet.reports.tables import render

    if runs:
        typer.echo(render(studies[0].runs, format).rstrip())  # pyright: ignore[reportArgumentType] - checked by the caller
        return
    pooled = pooled_table(studies, aggregate=aggregate, force=force)  # pyright: ignore[reportArgumentType] - checked
    if format == "json":
        typer.echo(pooled.json())
        return
    typer.echo(render(pooled.frame, format).rstrip())  # pyright: ignore[reportArgumentType] - checked by the caller
    if format == "table":
        typer.echo("\n" + "\n".join(pooled.lines()))
    for remark in [sentence for study in studies for sentence in remarks(study)] if format == "table" else ():
        typer.echo(f"note: {remark}", err=True)


def _check_words(format: str, aggregate: str) -> None:
    if format not in ("table", "csv", "json", "markdown", "latex"):
        raise BadValue(f"--format {format} is not one of table, csv, json, markdown, latex.")
    if aggregate not in ("mean", "iqm"):
        raise BadValue(f"--aggregate {aggregate} is not one of mean, iqm.")


def print_games(*folders: Path, format: str, metric: str) -> None:
    """Print how the methods of studies did on the same random architectures."""
    from gantlet.reports.games import games_of, games_table
    from gantlet.reports.paired import paired_table
    from gantlet.reports.read import read_study
    from gantlet.reports.tables import render

    every = [games_of(read_study(folder), metric) for folder in folders]
    typer.echo(render(games_table(every), format).rstrip())  # pyright: ignore[reportArgumentType] - checked by the caller
    for games in every if format in ("table", "markdown") else ():
        table = paired_table(games.compared, ()).rename(columns={"setting": "method", "pairs": "games"})
        mark = r"\*" if format == "markdown" else "*"
        typer.echo(f"\n{games.task}: each method minus {games.compared[0].against}, game by game:\n")
        typer.echo(f"{render(table, format).rstrip()}\n\n{games.note(mark)}")  # pyright: ignore[reportArgumentType] - checked


def _print_latex(folder: Path, *, against: str, aggregate: str, only: Sequence[str]) -> None:
    from gantlet.reports.latex import latex_table
    from gantlet.reports.paired import compared_with
    from gantlet.reports.read import read_study
    from gantlet.reports.tables import floors_in, summary_table

    study = read_study(folder).narrowed(only)
    summary = summary_table(study, aggregate)  # pyright: ignore[reportArgumentType] - checked
    typer.echo(latex_table(study, summary, compared_with(study, against), floors=floors_in(summary)).rstrip())


def _print_paired(study: StudyData, *, format: str, against: str, alone: bool) -> None:
    from gantlet.reports.paired import compared_with, criterion_note, paired_table
    from gantlet.reports.tables import render
    from gantlet.statistics import comparison_rows

    compared = compared_with(study, against)
    if format in ("csv", "json"):
        typer.echo(render(comparison_rows(compared), format).rstrip())  # pyright: ignore[reportArgumentType]
    elif compared:
        table = render(paired_table(compared, study.rates), format).rstrip()  # pyright: ignore[reportArgumentType]
        note = criterion_note(compared, mark=r"\*" if format == "markdown" else "*")
        typer.echo(f"\nEach setting minus {compared[0].against}, seed by seed:\n\n{table}\n\n{note}")
    elif alone:
        typer.echo(f"{study.folder} has one setting; a comparison needs two.")


def report_command(
    folders: Annotated[list[Path], typer.Argument(help="One or more study folders.")],
    out: Annotated[Path | None, typer.Option(help="FILE.html. [default: report.html in the first folder]")] = None,
) -> None:
    """Write one self-contained HTML report about one study, or several to compare."""
    from gantlet.reports.page import write_report

    typer.echo(str(write_report(folders, out)))


def sample_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder, or a model folder.")],
    run: Annotated[
        int | None, typer.Argument(help="The member's number in the column `run`; of several, it must be named.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="FILE.png (a grid), FILE.npy, FILE.csv (a table), or a folder for single PNGs.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many samples.")] = 25,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 1,
    by_generator: Annotated[
        bool, typer.Option("--by-generator", help="n samples of each generator of a team.")
    ] = False,
    latents: Annotated[
        Path | None, typer.Option(help="FILE.npy or FILE.csv with latents, one in each row, instead of drawn ones.")
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(help="Keep each coordinate of drawn latents within ± this: more typical, less varied."),
    ] = None,
    step: Step = None,
    trust: Trust = False,
) -> None:
    """Draw samples from a trained member, in the units of its data; the training data are not needed."""
    from gantlet.api.sampler import write_samples

    from .data import images_bar

    with images_bar("drawing samples", quiet=n < _MANY) as notify:
        made = write_samples(
            folder,
            run,
            out=out,
            n=n,
            seed=seed,
            by_generator=by_generator,
            latents=latents,
            truncation=truncation,
            step=step,
            trust=trust,
            notify=notify,
        )
    typer.echo(str(made))


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
