"""``gantlet tune``: a search with a budget."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantlet.errors import BadGrid
from gantlet.places import command

from .arguments import Trust
from .ending import finish_part
from .jobs import Slurm
from .train import Trainer, voice_of

if TYPE_CHECKING:
    from gantlet.api.tune import Search

__all__ = ["tune_command"]


def tune_command(  # noqa: PLR0913 - each argument is an option of the command line
    task: Annotated[str, typer.Argument(help="A task, or the folder of a search to go on with.")],
    method: Annotated[str, typer.Argument(help="One method.")] = "",
    space: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=LOW..HIGH[:log]] [KEY=A,B]", help="What is searched; KEY=VALUE fixes a setting instead."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Settings to try, the defaults among them. [default: 32]")] = 0,
    seeds: Annotated[str, typer.Option(help="Seeds that judge a trial: N, a range, or a list.")] = "4",
    fresh_seeds: Annotated[int, typer.Option(help="Further seeds that compare the best with the defaults.")] = 8,
    minutes: Annotated[float, typer.Option(help="After which no further trials begin; 0: no limit.")] = 0.0,
    metric: Annotated[str, typer.Option(help="The column to search by. [default: the task's headline]")] = "",
    sampler: Annotated[str, typer.Option(help="random, or tpe (extra [tune]).")] = "random",
    batch: Annotated[int, typer.Option(help="Trials at a time; 0: chosen.")] = 0,
    random_state: Annotated[int, typer.Option(min=0, help="Seed of the sampler.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The study folder. [default: runs/TASK-DATE-TIME]")] = None,
    preset: Annotated[str, typer.Option(help="Named sets of settings, separated by commas.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:i or mps.")] = "auto",
    executor: Annotated[
        str, typer.Option(help="Where to train: local, inline, slurm, or package.module:Name.")
    ] = "local",
    slurm: Slurm = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0: one per core on a CPU.")] = 0,
    trust: Trust = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print progress and the result as JSON lines.")] = False,
) -> None:
    """Search settings of METHOD on TASK with a budget: trials judged over seeds and trained at once, the best confirmed on fresh seeds.

    Examples: gantlet tune ring8 wgan-gp lr=1e-5..1e-2:log penalty_weight=1..100:log --trials 32, gantlet tune runs/x --trials 64
    """
    from gantlet.api.tune import Search, clock
    from gantlet.requests.grid import parse_seeds, words
    from gantlet.requests.options import Options, default_folder
    from gantlet.requests.slurm_options import parse_slurm
    from gantlet.studies.launch import create
    from gantlet.studies.machine import command_line
    from gantlet.studies.search.loop import Budget, enlarge, plan_search, search
    from gantlet.studies.store import Store
    from gantlet.studies.study import Study

    time_is_up, given = clock(minutes), [method, *(space or [])] if method else []
    if not given:
        folder = Path(task)
        if not (folder / "study.json").exists():
            raise BadGrid(
                f"'{task}' is no folder of a search. Begin one with: gantlet tune TASK METHOD KEY=LOW..HIGH …"
            )
        kept = (seeds, fresh_seeds, metric, sampler, batch, random_state, out, preset, device, executor, workers, slurm)
        if kept != ("4", 8, "", "random", 0, 0, None, "", "auto", "local", 0, None):
            raise BadGrid(
                "A search that goes on keeps its seeds, metric, sampler and executor; give --trials or --minutes alone."
            )
        if trials:
            enlarge(Store(folder), trials=trials)
    else:
        if "=" in method or "," in method:
            raise BadGrid(f"'{method}' is where one method belongs: gantlet tune TASK METHOD KEY=LOW..HIGH …")
        folder = out or default_folder(task)
        options = Options(
            out=folder,
            device=device,
            executor=executor,
            workers=workers,
            slurm=parse_slurm(slurm or ()),
            command=command_line(),
        )
        budget = Budget(trials or 32, parse_seeds(seeds), fresh_seeds, batch, minutes)
        how: dict[str, Any] = {"sampler": sampler, "metric": metric, "random_state": random_state}
        create(plan_search(task, method, space or [], options, budget, presets=words(preset), **how))
    train = Trainer(voice_of(quiet=quiet, json=json), "tune")
    state = search(folder, train, time_is_up=time_is_up, command=command_line(), trust=trust)
    _finish(Search(state, Study(folder)), train.damaged, quiet=quiet, json=json)


def _finish(found: Search, damaged: bool, *, quiet: bool, json: bool) -> None:
    """Write the report, say what was found, and set the exit status: members that diverged belong to a search."""
    from gantlet.reports.page import write_report

    page = write_report([found.study.folder])
    if json:
        typer.echo(json_text.dumps(found.record(), default=str))
    elif quiet:
        typer.echo(str(found.study.folder))
    else:
        _print(found)
        typer.echo(f"report: {page}")
    finish_part(found.state.runs, damaged, command("tune", found.study.folder))


def _print(found: Search) -> None:
    """The ten best trials, the chosen one, and what fresh seeds say of it."""
    from rich.console import Console
    from rich.table import Table

    search, chosen = found.state.search, found.state.chosen
    trials = found.trials.sort_values(
        ["seeds", search.metric], ascending=[False, search.better == "lower"], na_position="last", kind="stable"
    )
    table = Table(title=f"{found.study.folder}: {len(trials)} trials by {search.metric}, {search.better} is better")
    names = [name for name in trials.columns if name != "best_so_far"]
    for name in names:
        table.add_column(name, justify="left" if name == "trial" else "right")
    for _, row in trials.head(10).iterrows():
        table.add_row(
            *(_cell(row[name]) for name in names), style="bold" if chosen and row["trial"] == chosen.place else ""
        )
    Console().print(table)
    if chosen is None:
        typer.echo("No trial has a value over all its seeds yet.")
        return
    typer.echo(
        f"chosen: trial {chosen.place}, {search.metric} {chosen.mean(search.seeds):.4g} on the seeds of the search"
    )
    confirmed = found.confirmed
    if chosen.place == 0:
        typer.echo("The defaults were not beaten.")
    elif confirmed is not None:
        gain = confirmed.difference
        typer.echo(
            f"on {confirmed.n} fresh seeds: {confirmed.mean_a:.4g}, the defaults {confirmed.mean_b:.4g}; difference "
            f"{gain.estimate:+.4g} [{gain.low:.4g}, {gain.high:.4g}], p = {confirmed.p_value:.3g}"
        )
    typer.echo(f"again: {found.command}")


def _cell(value: object) -> str:
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return "yes" if str(value) == "True" else ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
