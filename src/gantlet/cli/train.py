"""``gantlet run``, ``resume``, ``extend`` and ``replay``."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gantlet.errors import BadGrid
from gantlet.places import command
from gantlet.stopping import leave_terminal, stop_signals

from .arguments import Trust
from .jobs import Slurm, Wait

if TYPE_CHECKING:
    from gantlet.requests.options import Options
    from gantlet.requests.resolve import Request
    from gantlet.studies.executors.base import Callbacks
    from gantlet.studies.record import FleetPlan, PlanRecord
    from gantlet.studies.store import Store

__all__ = [
    "Trainer",
    "extend_command",
    "replay_command",
    "resume_command",
    "run_command",
    "voice_of",
    "watched_training",
]

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print progress and the result as JSON lines.")]

_Processes = Annotated[
    int, typer.Option(min=1, help="Processes that train each member together, data-parallel; members in turn.")
]

_Minutes = Annotated[
    float,
    typer.Option(help="Plan as many steps as fit into so many minutes here, by measured steps.", show_default=False),
]

_Recorded = Annotated[
    int,
    typer.Option(
        min=-1, help="About how many members get images of their samples; 0: none. [default: 8]", show_default=False
    ),
]


def run_command(  # noqa: PLR0913 - each argument is an option of the command line
    task: Annotated[str, typer.Argument(help="A task, a task on your data such as points:FILE.npy, or a study.toml.")],
    methods: Annotated[str, typer.Argument(help="One or more methods, separated by commas.")] = "",
    grid: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE[,VALUE…]]", help="Settings, such as lr=1e-3; several values make a grid."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="N for seeds 1 to N, a range 6:10, or a list 1,4,9 (7, is the single seed 7).")
    ] = "1",
    out: Annotated[Path | None, typer.Option(help="The study folder. [default: runs/TASK-DATE-TIME]")] = None,
    preset: Annotated[str, typer.Option(help="Named sets of settings, separated by commas.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:i or mps.")] = "auto",
    executor: Annotated[
        str,
        typer.Option(
            help="Where to train: local (worker processes), inline (this process), slurm (a cluster's jobs), or "
            "package.module:Name."
        ),
    ] = "local",
    slurm: Slurm = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0: one per core on a CPU.")] = 0,
    processes: _Processes = 1,
    route: Annotated[
        str,
        typer.Option(
            help="stacked (at once), loop (one by one), static, or captured (recorded and replayed; not on mps); empty: chosen."
        ),
    ] = "",
    width: Annotated[int, typer.Option(min=0, help="Most members trained at once; 0: chosen.")] = 0,
    minutes: _Minutes = 0.0,
    note: Annotated[str, typer.Option(help="Free text that the report shows.")] = "",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard event files too.")] = False,
    tracker: Annotated[str, typer.Option(help="wandb or trackio: every member is a run there, too.")] = "",
    recorded: _Recorded = -1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and for how long.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --dry-run: show defaults, too.")] = False,
    wait: Wait = False,
    quiet: _Quiet = False,
    json: _Json = False,
) -> None:
    """Train METHODS on TASK with every combination of the settings and every seed, and write a report.

    Example: gantlet run ring8 vanilla,alpha alpha_d=0.3,1.0 --seeds 20
    """
    from dataclasses import replace

    from gantlet.requests.options import Options, default_folder
    from gantlet.requests.slurm_options import parse_slurm
    from gantlet.studies.launch import start
    from gantlet.studies.planning import plan_study

    if not (quiet or json):
        _hear_log()
    options = Options(
        out=out,
        device=device,
        executor=executor,
        workers=workers,
        processes=processes,
        route=route or None,  # pyright: ignore[reportArgumentType] - checked by plan_study
        width=width or None,
        note=note,
        tensorboard=tensorboard,
        minutes=minutes,
        slurm=parse_slurm(slurm or ()),
        tracker=tracker,
    )
    request, options = _asked(task, methods, grid or [], seeds, preset, options, recorded)
    if options.out is None and not dry_run:
        options = replace(options, out=default_folder(request.task))
    planned = plan_study(request, options, without_data=dry_run)
    if dry_run:
        from .dry import show_plan

        show_plan(planned, json=json, everything=everything)
        return
    assert options.out is not None
    plan, voice = planned.plan.recorded()[1], voice_of(quiet=quiet, json=json)
    _carry_out(options.out, plan, options.executor, voice, partial(start, planned), wait=wait)


def resume_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    device: Annotated[str, typer.Option(help="Another device than that of the start; bits will differ.")] = "",
    executor: Annotated[str, typer.Option(help="Another executor than that of the start.")] = "",
    processes: Annotated[
        int, typer.Option(min=0, help="Processes that train each member together from now on; 0: as many as before.")
    ] = 0,
    slurm: Slurm = None,
    wait: Wait = False,
    trust: Trust = False,
    quiet: _Quiet = False,
    json: _Json = False,
) -> None:
    """Train the unfinished members of a study; finished members are never run again."""
    from gantlet.requests.slurm_options import slurm_words
    from gantlet.studies.launch import hands_over, resume
    from gantlet.studies.store import Store

    store, given = Store(folder), slurm_words(slurm or ())
    record = store.record()
    if not executor:
        hands_over(record, trust=trust)  # before its executor is looked up
    plan, name = _to_train(store), executor or record.execution.executor
    go = partial(
        resume,
        folder,
        device=device or None,
        executor=executor or None,
        processes=processes or None,
        slurm=given,
        trust=trust,
    )
    _carry_out(folder, plan, name, voice_of(quiet=quiet, json=json), go, wait=wait)


def extend_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[METHOD[,METHOD…]] [KEY=VALUE[,VALUE…]]",
            help="steps=N or epochs=N alone: train for longer. Methods and other settings: more settings.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds that every setting shall have: N, a range 6:10, or a list.")] = "",
    preset: Annotated[str, typer.Option(help="Named sets of settings, of new settings, separated by commas.")] = "",
    device: Annotated[str, typer.Option(help="Another device from now on, which is recorded: bits will differ.")] = "",
    workers: Annotated[int, typer.Option(min=0, help="Worker processes from now on; 0: as many as before.")] = 0,
    route: Annotated[str, typer.Option(help="Of new fleets: stacked, loop, static or captured; empty: chosen.")] = "",
    width: Annotated[int, typer.Option(min=0, help="Most members of new fleets trained at once; 0: chosen.")] = 0,
    wait: Wait = False,
    trust: Trust = False,
    quiet: _Quiet = False,
    json: _Json = False,
) -> None:
    """Add seeds, steps, methods or settings to a study; what is there keeps its numbers.

    Examples: gantlet extend runs/alpha --seeds 20, gantlet extend runs/alpha steps=4000, gantlet extend runs/alpha wgan-gp lr=1e-4
    """
    from gantlet.requests.grid import parse_axis, parse_seeds
    from gantlet.requests.grid import words as names
    from gantlet.requests.options import Options, check_options
    from gantlet.studies.extend import Extension, extend_plan
    from gantlet.studies.launch import resume
    from gantlet.studies.machine import command_line
    from gantlet.studies.store import Store

    if not (quiet or json):
        _hear_log()
    given: Any = route or None
    check_options(Options(route=given))
    asked = Extension(
        methods=tuple(name for word in words or [] if "=" not in word for name in names(word)),
        axes=tuple(parse_axis(word) for word in words or [] if "=" in word),
        seeds=parse_seeds(seeds) if seeds else (),
        presets=names(preset),
        route=given,
        width=width or None,
        workers=workers,
        device=device,
        command=command_line(),
    )
    cache = extend_plan(folder, asked, trust=trust)
    plan, name = _to_train(Store(folder)), Store(folder).record().execution.executor
    voice = voice_of(quiet=quiet, json=json)
    _carry_out(folder, plan, name, voice, partial(resume, folder, cache=cache), wait=wait)


def replay_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`.")],
    trust: Trust = False,
    quiet: _Quiet = False,
) -> None:
    """Train a member's fleet again and compare the result with the checkpoint, bit for bit."""
    from gantlet.studies.replay import replay

    outcome = replay(folder, run, say=(lambda words: None) if quiet else typer.echo, trust=trust)
    typer.echo(outcome)


def _asked(
    task: str, methods: str, grid: list[str], seeds: str, preset: str, options: Options, recorded: int
) -> tuple[Request, Options]:
    """What is asked for, from the words or from a study file, and its options."""
    from dataclasses import replace

    from gantlet.requests.study_file import read_study_file

    said = recorded if recorded >= 0 else None
    if task.endswith(".toml"):
        if more := " ".join([methods, *grid]).strip():
            raise BadGrid(f"{task} already names methods and settings; put '{more}' into the file.")
        seeds = "" if seeds == "1" else seeds
        return read_study_file(Path(task), options, seeds=seeds, preset=preset, recorded=said)
    options = options if said is None else replace(options, recorded=said)
    return _request(task, methods, grid, seeds, preset), options


def _request(task: str, methods: str, grid: list[str], seeds: str, preset: str) -> Request:
    from gantlet.requests.grid import parse_axis, parse_seeds, words
    from gantlet.requests.resolve import Request

    from .slips import check_order

    if "=" in methods:
        raise BadGrid(f"'{methods}' is where the methods belong: gantlet run TASK METHOD[,METHOD…] KEY=VALUE …")
    check_order(task, methods, grid)
    return Request(
        task=task,
        methods=words(methods),
        axes=tuple(parse_axis(word) for word in grid),
        seeds=parse_seeds(seeds),
        presets=words(preset),
    )


def _hear_log() -> None:
    """Show the library's log messages before training, such as images being prepared, on standard error."""
    import logging

    log, handler = logging.getLogger("gantlet"), logging.StreamHandler()
    log.handlers = [handler]
    log.setLevel(logging.INFO)


def _to_train(store: Store) -> PlanRecord:
    """The plan with the fleets that are not finished."""
    from gantlet.studies.launch import unfinished

    return store.record().plan.model_copy(update={"fleets": tuple(unfinished(store))})


def voice_of(*, quiet: bool, json: bool) -> Literal["table", "quiet", "json"]:
    """How much is said while training."""
    return "json" if json else "quiet" if quiet else "table"


def _carry_out(
    folder: Path,
    plan: PlanRecord,
    executor: str,
    voice: Literal["table", "quiet", "json"],
    go: Callable[[Callbacks], Store],
    *,
    wait: bool,
) -> None:
    """Train here under a display, or hand over to a cluster; at the end write the report, unless jobs still have to come."""
    from gantlet.studies.planning import trains_elsewhere

    from .jobs import hand_over

    if trains_elsewhere(executor):
        ended = hand_over(folder, go, voice, wait=wait)
    else:
        ended = watched_training(folder, plan, voice, go)
    if ended is not None:
        from .ending import finish

        finish(*ended, voice)


def watched_training(
    folder: Path,
    plan: PlanRecord,
    voice: Literal["table", "quiet", "json"],
    go: Callable[[Callbacks], Store],
    *,
    onward: str = "resume",
) -> tuple[Store, bool]:
    """Run under a progress display, and say what was found damaged; Ctrl-C, SIGTERM and a lost terminal ask for a clean stop, a second Ctrl-C insists."""
    from .progress import Display

    stopper = _Stopper()
    display = Display(folder, plan, voice, stopping=stopper.asked)
    before = {number: signal.signal(number, stopper) for number in stop_signals()}
    try:
        with display:
            store = go(display.callbacks())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for sentence in (*display.damage, *display.elsewhere):
            typer.echo(f"gantlet: {sentence}", err=True)
    if stopper.asked():
        typer.echo(f"gantlet: stopped and saved. Continue with: {command(onward, folder)}", err=True)
        raise typer.Exit(130)
    return store, bool(display.damage)


class _Stopper:
    def __init__(self) -> None:
        self._came = False

    def __call__(self, number: int, _frame: Any) -> None:
        if number == getattr(signal, "SIGHUP", None):  # comes once from the system and once from the shell
            leave_terminal()
        elif self._came:
            raise KeyboardInterrupt
        self._came = True

    def asked(self) -> bool:
        return self._came


class Trainer:
    """Trains what a search or a table plans under a display, or waits for a cluster to do so.

    Arguments:
        voice: How much is said.
        onward: The command that goes on if it is stopped.

    Attributes:
        used: Whether there was something to train, as yet.
        damaged: Whether something was found damaged, as yet.
    """

    def __init__(self, voice: Literal["table", "quiet", "json"], onward: str) -> None:
        self._voice: Literal["table", "quiet", "json"] = voice
        self._onward = onward
        self.used = self.damaged = False

    def __call__(self, store: Store, fleets: list[FleetPlan], go: Callable[[Callbacks], Store]) -> Store:
        """Train some fleets."""
        from gantlet.studies.planning import trains_elsewhere
        from gantlet.studies.record import PlanRecord

        from .jobs import hand_over

        self.used = True
        begun = (store.folder / "study.json").exists()  # else it is written when training starts
        if begun and trains_elsewhere(store.record().execution.executor):
            hand_over(store.folder, go, self._voice, wait=True)
            return store
        plan = PlanRecord(members=(), fleets=tuple(fleets))
        trained, damaged = watched_training(store.folder, plan, self._voice, go, onward=self._onward)
        self.damaged |= damaged
        return trained
