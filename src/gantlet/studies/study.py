"""A study: plan it, run it, resume it, read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from gantlet.cpu import cores, threads_allowed
from gantlet.errors import BadValue
from gantlet.metrics.compose import joined
from gantlet.training.stack import Route

from .events import check_tensorboard
from .executors import Outcome, Watcher, in_this_process, in_workers
from .parts import find_task
from .plan import Limits, Plan, longest_first, make_plan
from .record import (
    command_line,
    facts_of_machine,
    git_commit,
    now,
    plan_from_record,
    plan_to_record,
    versions,
)
from .spec import Request, expand
from .store import Store
from .workshop import Workshop, leaves

__all__ = [
    "Options",
    "Prepared",
    "Study",
    "choose_device",
    "default_folder",
    "prepare",
    "resume",
    "runs_table",
    "start",
    "write_views",
]


@dataclass(frozen=True)
class Options:
    """How a request is carried out.

    Attributes:
        out: The study folder; None for ``runs/<task>-<date>-<time>``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.
        workers: Processes side by side; 0 for one per core on a CPU and one on a GPU.
        route: ``loop`` or ``stacked``; None to choose.
        width: Members of a fleet; None to choose.
        note: Free text that the report shows.
        tensorboard: Whether event files are written too.
        command: The command to record; None for this process's own.
    """

    out: Path | None = None
    device: str = "auto"
    workers: int = 0
    route: Route | None = None
    width: int | None = None
    note: str = ""
    tensorboard: bool = False
    command: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A request, resolved and planned; nothing is written yet."""

    request: Request
    options: Options
    plan: Plan
    device: torch.device
    workers: int
    threads: int
    workshop: Workshop


@dataclass(frozen=True)
class Study:
    """A study on disk.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def runs(self) -> pd.DataFrame:
        """One row per member: status, settings, final metrics."""
        return runs_table(Store(self.folder))

    @property
    def history(self) -> pd.DataFrame:
        """The long table run, step, name, value."""
        return Store(self.folder).history()

    def summary(self) -> pd.DataFrame:
        """Rates and means with 95 % intervals, one row per setting."""
        from gantlet.statistics.summary import summarise

        runs = self.runs
        names = [name for name in Store(self.folder).record()["metrics"] if name in runs.columns]
        numeric = [name for name in names if name not in ("success", "failure") and _is_numeric(runs[name])]
        return summarise(runs, metrics=numeric)

    def __repr__(self) -> str:
        counts = self.runs["status"].value_counts().to_dict()
        return f"Study({str(self.folder)!r}, {', '.join(f'{count} {status}' for status, count in counts.items())})"


def prepare(request: Request, options: Options) -> Prepared:
    """Resolve and plan a request; everything wrong with it is found here, before anything is written.

    Raises:
        UsageError: Whatever is wrong.
    """
    settings = expand(request)
    if options.tensorboard:
        check_tensorboard()
    if options.out is not None:
        Store(options.out).check_free()
    device = choose_device(options.device)
    workshop = Workshop()
    datasets = [workshop.dataset(resolved) for resolved in settings]
    members = len(settings) * len(request.seeds)
    workers = options.workers or (cores() if device.type == "cpu" else 1)
    workers = max(1, min(workers, members))
    limits = Limits(device=device, route=options.route, width=options.width, workers=workers)
    plan = make_plan(settings, request.seeds, datasets, limits)
    workers = min(workers, len(plan.fleets))
    threads = max(1, min(cores() // workers, threads_allowed()))
    return Prepared(request, options, plan, device, workers, threads, workshop)


def start(prepared: Prepared, watcher: Watcher | None = None) -> Study:
    """Write ``study.json`` and train everything.

    Raises:
        FolderInUse: The output folder holds something.
        StoreError: It cannot be written.
    """
    folder = prepared.options.out or default_folder(prepared.request.task)
    store = Store(folder)
    store.create(_record(prepared))
    return _carry_on(store, watcher or Watcher(), prepared.workshop)


def resume(folder: Path, watcher: Watcher | None = None) -> Study:
    """Train whatever is unfinished in a study; finished members are never run again.

    Raises:
        StoreError: There is no study.
    """
    return _carry_on(Store(folder), watcher or Watcher(), None)


def choose_device(name: str) -> torch.device:
    """The device behind ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.

    Raises:
        BadValue: No such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadValue(f"--device {name} is not auto, cpu, cuda or cuda:i.") from None
    if device.type not in ("cpu", "cuda"):
        raise BadValue(f"--device {name} is not supported: give auto, cpu, cuda or cuda:i.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise BadValue(f"--device {name} was asked for, but torch sees {count} CUDA devices here. Use --device cpu.")
    return device


def default_folder(task: str) -> Path:
    """``runs/<task>-<date>-<time>``."""
    stem = "".join(mark if mark.isalnum() else "-" for mark in Path(task.partition(":")[0]).name)
    return Path("runs") / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"


def runs_table(store: Store) -> pd.DataFrame:
    """The merged table of members; those without results are ``failed``, ``stopped`` or still ``running``."""
    plan = plan_from_record(store.record())
    by_run = {member.run: member for member in plan.members}
    rows: list[dict[str, Any]] = []
    for planned in plan.fleets:
        failure = store.failure(planned.id)
        for fleet in leaves(store, planned):
            if store.finished(fleet.id):
                rows += store.results(fleet.id)
                continue
            for run in fleet.runs:
                resolved = plan.settings[by_run[run].setting]
                rows.append(
                    {
                        "run": run,
                        "task": resolved.task,
                        "method": resolved.method,
                        "setting": resolved.label,
                        "seed": by_run[run].seed,
                        "status": "failed" if failure else "stopped",
                        "cause": failure.strip().splitlines()[-1] if failure else None,
                    }
                )
    return _typed(rows).sort_values("run", ignore_index=True)


def _typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table; whole numbers and truth values stay such in columns that not every row has.

    Where one method's key is a number and another's of that name a word, the column is one of words.
    """
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values: list[Any] = [row.get(name) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        if str in kinds and len(kinds) > 1:
            values = [value if value is None else str(value) for value in values]
        dtype = "Int64" if kinds == {int} else "boolean" if kinds == {bool} else None
        columns[name] = pd.array(values, dtype=dtype) if dtype else values
    return pd.DataFrame(columns)


def write_views(store: Store) -> None:
    """Rewrite ``runs.parquet`` and ``history.parquet`` from the fleets' files."""
    store.write_frame("runs.parquet", runs_table(store))
    store.write_frame("history.parquet", store.history())


def _carry_on(store: Store, watcher: Watcher, workshop: Workshop | None) -> Study:
    record = store.record()
    plan = plan_from_record(record)
    fleets = [fleet for fleet in plan.fleets if not all(store.finished(leaf.id) for leaf in leaves(store, fleet))]
    unfinished = [fleet.id for fleet in longest_first(plan, fleets)]

    def ended(outcome: Outcome) -> None:
        write_views(store)
        watcher.ended(outcome)

    told = replace(watcher, ended=ended)
    for fleet in unfinished:
        (store.fleet(fleet) / "failure.json").unlink(missing_ok=True)
    workers = int(record["execution"]["workers"])
    if workers > 1 and len(unfinished) > 1:
        in_workers(store, unfinished, told, workers=workers)
    else:
        in_this_process(store, unfinished, told, workshop=workshop)
    write_views(store)
    return Study(store.folder)


def _record(prepared: Prepared) -> dict[str, Any]:
    first = prepared.plan.settings[0]
    task, _ = find_task(first.task)
    metric = joined(prepared.workshop.metric(resolved) for resolved in prepared.plan.settings)
    dataset = prepared.workshop.dataset(first)
    recorded = plan_to_record(prepared.plan)
    return {
        "gantlet": versions()["gantlet"],
        "command": prepared.options.command or command_line(),
        "created": now(),
        "task": {"name": task.name, "summary": task.summary, "paper": task.paper, "headline": task.headline},
        "note": prepared.options.note,
        "tensorboard": prepared.options.tensorboard,
        "members": len(prepared.plan.members),
        "settings": recorded.pop("settings"),
        "plan": recorded,
        "execution": {
            "device": str(prepared.device),
            "workers": prepared.workers,
            "threads": prepared.threads,
        },
        "metrics": {column.name: {"help": column.help, "better": column.better} for column in metric.columns},
        "facts": {"data": dict(dataset.facts), "metrics": dict(metric.facts)},
        "versions": versions(),
        "machine": facts_of_machine(prepared.device) | {"threads": prepared.threads, "workers": prepared.workers},
        "git": git_commit(),
    }


def _is_numeric(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column)
