"""``gantlet run``, ``resume`` and ``replay``."""

from __future__ import annotations

import signal
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gantlet.errors import BadGrid, BadValue

if TYPE_CHECKING:
    from gantlet.studies.executors import Watcher
    from gantlet.studies.spec import Request
    from gantlet.studies.study import Options, Study

__all__ = ["replay_command", "resume_command", "run_command"]

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print progress and the result as JSON lines.")]


def run_command(  # noqa: PLR0913 - each argument is an option of the command line
    task: Annotated[str, typer.Argument(help="A task, FILE-bound tasks as points:FILE.npy, or a study.toml.")],
    methods: Annotated[str, typer.Argument(help="One or more methods, separated by commas.")] = "",
    grid: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE[,VALUE…]]", help="Settings; several values make a grid."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="N for seeds 1..N, or a list: 1,4,9 (7, is the single seed 7).")] = "1",
    out: Annotated[Path | None, typer.Option(help="The study folder. [default: runs/TASK-DATE-TIME]")] = None,
    preset: Annotated[str, typer.Option(help="Named sets of settings, separated by commas.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core on a CPU.")] = 0,
    route: Annotated[str, typer.Option(help="loop or stacked; chosen when empty.")] = "",
    width: Annotated[int, typer.Option(min=0, help="Members trained at once; 0: chosen.")] = 0,
    note: Annotated[str, typer.Option(help="A remark for the report.")] = "",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard event files too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and train nothing.")] = False,
    quiet: _Quiet = False,
    json: _Json = False,
) -> None:
    """Train METHODS on TASK, over a grid of settings and many seeds at once, and report.

    Examples: gantlet run ring8 vanilla,alpha alpha_d=0.3,1.0 --seeds 20
    """
    from gantlet.studies.record import plan_to_record
    from gantlet.studies.study import Options, prepare, start

    _check_route(route)
    if not (quiet or json):
        _hear_log()
    options = Options(
        out=out,
        device=device,
        workers=workers,
        route=route or None,  # pyright: ignore[reportArgumentType] - checked above
        width=width or None,
        note=note,
        tensorboard=tensorboard,
    )
    if task.endswith(".toml"):
        more = " ".join([methods, *(grid or [])]).strip()
        given = {"seeds": "" if seeds == "1" else seeds, "preset": preset}
        request, options = _from_file(Path(task), more, given, options)
    else:
        request = _request(task, methods, grid or [], seeds, preset)
    if options.out is None and not dry_run:
        from dataclasses import replace

        from gantlet.studies.study import default_folder

        options = replace(options, out=default_folder(request.task))
    prepared = prepare(request, options)
    if dry_run:
        from .dry import show_plan

        show_plan(prepared, json=json)
        return
    assert options.out is not None
    voice, plan = _voice(quiet=quiet, json=json), plan_to_record(prepared.plan)
    _finish(_watched(options.out, plan, voice, partial(start, prepared)), voice)


def resume_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")], quiet: _Quiet = False, json: _Json = False
) -> None:
    """Continue whatever is unfinished in a study; finished members are never run again."""
    from gantlet.studies.store import Store
    from gantlet.studies.study import resume

    plan = Store(folder).record()["plan"]
    voice = _voice(quiet=quiet, json=json)
    _finish(_watched(folder, plan, voice, partial(resume, folder)), voice)


def replay_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`.")],
    quiet: _Quiet = False,
) -> None:
    """Train a member's fleet again and compare it with the record, bit for bit."""
    from gantlet.studies.replay import replay

    outcome = replay(folder, run, say=(lambda words: None) if quiet else typer.echo)
    typer.echo(outcome)


def _request(task: str, methods: str, grid: list[str], seeds: str, preset: str) -> Request:
    from gantlet.studies.grid import parse_axis, parse_seeds
    from gantlet.studies.spec import Request

    if "=" in methods:
        raise BadGrid(f"'{methods}' stands where the methods belong: gantlet run TASK METHOD[,METHOD…] KEY=VALUE …")
    return Request(
        task=task,
        methods=_words(methods),
        axes=tuple(parse_axis(word) for word in grid),
        seeds=parse_seeds(seeds),
        presets=_words(preset),
    )


def _from_file(path: Path, more: str, given: dict[str, str], options: Options) -> tuple[Request, Options]:
    """A request from TOML; what the command line says too is refused, so that neither wins in silence.

    ``out`` is the exception: the same file may be run again into another folder.
    """
    from dataclasses import replace

    from gantlet.studies.grid import axes_from_mapping, parse_seeds
    from gantlet.studies.spec import Request
    from gantlet.studies.study import Options

    if more:
        raise BadGrid(f"{path} already names methods and settings; put '{more}' into the file.")
    content = _read_toml(path)
    typed = [name for name in _OPTIONS if getattr(options, name) != getattr(Options(), name)]
    twice = sorted({*typed, *(name for name, value in given.items() if value)} & set(content))
    if twice:
        raise BadGrid(f"{path} already says {', '.join(twice)}. Drop it there, or on the command line.")
    request = Request(
        task=content["task"],
        methods=_words(content["methods"]),
        axes=tuple(axes_from_mapping(content.get("settings", {}))),
        seeds=parse_seeds(content.get("seeds", given["seeds"] or 1)),
        presets=_words(content.get("preset", given["preset"])),
    )
    _check_route(content.get("route", ""))
    chosen = {name: content[name] for name in _OPTIONS if content.get(name)}
    if "out" in content and options.out is None:
        chosen["out"] = Path(content["out"])
    return request, replace(options, **chosen)


_OPTIONS = ("device", "workers", "route", "width", "note", "tensorboard")
_KINDS: dict[str, tuple[type, ...]] = {
    "task": (str,),
    "methods": (str, list),
    "seeds": (int, str, list),
    "preset": (str, list),
    "settings": (dict,),
    "out": (str,),
    "device": (str,),
    "workers": (int,),
    "route": (str,),
    "width": (int,),
    "note": (str,),
    "tensorboard": (bool,),
}


def _read_toml(path: Path) -> dict[str, Any]:
    """What a study file holds, each entry of its type."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadValue(f"{path} cannot be read as TOML: {error}.") from error
    strange = sorted(set(content) - set(_KINDS))
    if strange or "task" not in content or "methods" not in content:
        raise BadValue(
            f"{path} must hold task and methods, and may hold {', '.join(sorted(set(_KINDS) - {'task', 'methods'}))}"
            + (f"; it holds {', '.join(strange)}." if strange else ".")
        )
    for name, value in content.items():
        if type(value) not in _KINDS[name]:
            wanted = " or ".join(kind.__name__ for kind in _KINDS[name])
            raise BadValue(f"{name} in {path} is of the type {type(value).__name__}; expected {wanted}.")
    return content


def _words(text: str | list[Any]) -> tuple[str, ...]:
    words = text.split(",") if isinstance(text, str) else map(str, text)
    return tuple(word.strip() for word in words if word.strip())


def _check_route(route: str) -> None:
    if route not in ("", "loop", "stacked"):
        raise BadValue(f"--route {route} is not loop or stacked.")


def _hear_log() -> None:
    """What the library logs while it works before training goes to standard error, such as pictures being prepared."""
    import logging

    log, handler = logging.getLogger("gantlet"), logging.StreamHandler()
    log.handlers = [handler]
    log.setLevel(logging.INFO)


def _voice(*, quiet: bool, json: bool) -> Literal["table", "quiet", "json"]:
    return "json" if json else "quiet" if quiet else "table"


def _watched(
    folder: Path,
    plan: dict[str, Any],
    voice: Literal["table", "quiet", "json"],
    go: Callable[[Watcher], Study],
) -> Study:
    """Run under a progress display; Ctrl-C and SIGTERM ask for a clean stop, a second Ctrl-C insists."""
    from .progress import Display

    stopper = _Stopper()
    before = {number: signal.signal(number, stopper) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Display(folder, plan, voice, stopping=stopper.asked) as display:
            study = go(display.watcher())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopper.asked():
        typer.echo(f"gantlet: stopped and saved. Continue with: gantlet resume {folder}", err=True)
        raise typer.Exit(130)
    return study


class _Stopper:
    def __init__(self) -> None:
        self._came = False

    def __call__(self, _signal: int, _frame: Any) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True

    def asked(self) -> bool:
        return self._came


def _finish(study: Study, voice: Literal["table", "quiet", "json"]) -> None:
    """Write the report, print the summary, and set the exit status."""
    from gantlet.reports.page import write_report

    from .look import print_summary

    page = write_report([study.folder])
    runs = study.runs
    bad = runs[runs["status"] != "finished"]
    if voice == "json":
        import json as jsonlib

        counts = {str(name): int(count) for name, count in runs["status"].value_counts().items()}
        typer.echo(jsonlib.dumps({"folder": str(study.folder), "report": str(page), "status": counts}))
    elif voice == "quiet":
        typer.echo(str(study.folder))
    else:
        print_summary(study.folder)
        typer.echo(f"report: {page}")
    for status, group in bad.groupby("status"):
        first = group.iloc[0]
        typer.echo(
            f"gantlet: {len(group)} of {len(runs)} members {status}; run {first['run']}: {first['cause']}",
            err=True,
        )
    if len(bad):
        raise typer.Exit(3)
