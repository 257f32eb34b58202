"""How a request is run: where, on what device, by which executor."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Literal

from gantlet import catalogue
from gantlet.errors import BadValue, UnknownName

from .slurm_options import SlurmOptions

__all__ = ["Options", "check_options", "default_folder"]


def _recorded() -> int:
    given = os.environ.get("GANTLET_RECORDED", "").strip()
    if given and not (given.isascii() and given.isdecimal()):
        raise BadValue(f"GANTLET_RECORDED is '{given}'; expected a number of members, such as 8, or 0 for none.")
    return int(given) if given else 8


@dataclass(frozen=True)
class Options:
    """How a request is run.

    Attributes:
        out: The study folder; None for ``runs/<task>-<date>-<time>``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.
        executor: What trains the fleets: ``local``, ``inline``, a third party's name, or ``package.module:Name``.
        workers: Worker processes; 0 for one per core on a CPU and one on a GPU.
        processes: Processes that train each member together, data-parallel; 1: members are trained in one process, at once.
        route: ``loop``, ``stacked``, ``static`` or ``captured`` (recorded and replayed); None to choose.
        width: Members of a fleet; None to choose.
        note: Free text that the report shows.
        tensorboard: Whether event files are written too.
        tracker: ``wandb`` or ``trackio``, which gets every member as a run; empty for none.
        recorded: About how many members' samples are drawn at evaluations; 0: none. By default
            ``$GANTLET_RECORDED``, else 8.
        minutes: Wall time for which steps are planned, the same for all settings; 0: the settings say how long.
        command: The command to record; None for this process's own.
        slurm: What the jobs of the executor ``slurm`` ask for.
    """

    out: Path | None = None
    device: str = "auto"
    executor: str = "local"
    workers: int = 0
    processes: int = 1
    route: Literal["loop", "stacked", "static", "captured"] | None = None
    width: int | None = None
    note: str = ""
    tensorboard: bool = False
    tracker: str = ""
    recorded: int = field(default_factory=_recorded)
    minutes: float = 0.0
    command: str | None = None
    slurm: SlurmOptions = field(default_factory=SlurmOptions)


def check_options(options: Options) -> None:
    """Check the options.

    Raises:
        BadValue: A route that does not exist, no process, a negative number of workers, recorded members or minutes, a width below 1.
        UnknownName: There is no such executor.
    """
    if options.route not in (None, "loop", "stacked", "static", "captured"):
        raise BadValue(f"--route {options.route} is not loop, stacked, static or captured.")
    if options.workers < 0:
        raise BadValue(f"--workers {options.workers} is negative; 0 means one per core.")
    if options.processes < 1:
        raise BadValue(f"--processes {options.processes} is not at least 1.")
    if options.width is not None and options.width < 1:
        raise BadValue(f"--width {options.width} is not at least 1.")
    if options.recorded < 0:
        raise BadValue(f"--recorded {options.recorded} is negative; 0 means none.")
    if not 0 <= options.minutes < math.inf:
        raise BadValue(f"--minutes {options.minutes} is not a length of time; give a number of minutes above 0.")
    if not catalogue.is_path(options.executor) and options.executor not in catalogue.names("executor"):
        raise UnknownName("executor", options.executor, catalogue.names("executor"))
    if options.slurm != SlurmOptions() and options.executor != "slurm":
        raise BadValue(f"--slurm is for --executor slurm, and the executor is {options.executor}.")


def default_folder(task: str) -> Path:
    """``runs/<task>-<date>-<time>``, with a number behind it where another study began in the same second."""
    stem = "".join(mark if mark.isalnum() else "-" for mark in Path(task.partition(":")[0]).name)
    first = Path("runs") / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"
    others = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(folder for folder in chain([first], others) if not folder.exists())
