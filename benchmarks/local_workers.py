"""What worker processes bring and cost: one study by one thread of this process, and by two workers with a thread each.

The rate is of training alone, which each fleet's results have in seconds; what the executor costs is processor time, in which
neither waiting nor other programs count, with the start of the processes told apart by a study of one step.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gantlet.requests.grid import parse_axis
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request
from gantlet.studies.executors.inline import InlineExecutor
from gantlet.studies.executors.local import LocalExecutor
from gantlet.studies.launch import start
from gantlet.studies.planning import plan_study
from gantlet.studies.store import Store
from gantlet.studies.views import runs_table

from .sections import Section, goal, spread

__all__ = ["Trained", "compare", "trained"]

_WIDTH, _FLEETS = 4, 2


@dataclass(frozen=True)
class Trained:
    """What a study took.

    Attributes:
        rate: Member-steps per second of training.
        cpu: Processor seconds of this process and its children.
    """

    rate: float
    cpu: float


def compare(*, rounds: int, steps: int) -> Section:
    """Two workers against one, on the ring's networks.

    Arguments:
        rounds: How often both are trained, in turn.
        steps: Generator updates of a member; 12,000 are about a minute.
    """
    ratios, costs, starts = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        one, two = trained(steps, workers=1), trained(steps, workers=_FLEETS)
        started = trained(1, workers=_FLEETS).cpu - trained(1, workers=1).cpu
        ratios.append(two.rate / one.rate)
        costs.append((two.cpu - one.cpu - started) / one.cpu)
        starts.append(started)
    return Section(
        "workers",
        ("two workers of one thread", "median (range)"),
        [
            ("member-steps/s against one worker", spread(ratios)),
            ("further processor time, without the start", spread([100 * cost for cost in costs], 1) + " %"),
            ("start of two processes, in processor seconds", spread(starts, 1)),
        ],
        [
            goal("Against one worker", median(ratios), least=1.7),
            goal("Further processor time in percent", 100 * median(costs), most=2),
            f"{_FLEETS} fleets of {_WIDTH} members, {steps:,} steps of the ring's networks.",
        ],
        {"ratio": ratios, "cost": costs, "start": starts},
    )


def trained(steps: int, *, workers: int) -> Trained:
    """Train the study once, by this process or by so many workers."""
    with tempfile.TemporaryDirectory() as place, _cores(workers):
        axes = (parse_axis(f"steps={steps}"), parse_axis("evaluations=1"))
        request = Request("ring8", ("vanilla",), axes, tuple(range(1, _WIDTH * _FLEETS + 1)))
        options = Options(out=Path(place, "study"), workers=workers, width=_WIDTH, recorded=0)
        planned, before = plan_study(request, options), _cpu()
        executor: Any = LocalExecutor() if workers > 1 else InlineExecutor()
        store = Store(start(planned, executor=executor).folder)
        spent = _cpu() - before
        runs = runs_table(store)
    seconds = runs.groupby(runs["run"] // _WIDTH)["seconds"].sum()  # each member has its share of its fleet's
    took = seconds.max() if workers > 1 else seconds.sum()
    return Trained(_WIDTH * _FLEETS * steps / took, spent)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _cores(count: int) -> Generator[None]:
    """As many cores are shared out as there are workers."""
    before = os.environ.get("GANTLET_CORES")
    os.environ["GANTLET_CORES"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("GANTLET_CORES")
        if before is not None:
            os.environ["GANTLET_CORES"] = before
