"""The command line in this process and in others, tiny studies for it to run, and what two studies must share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from gantlet.cli import main
from gantlet.data.specification import SampleSpec
from gantlet.requests.grid import parse_axis, parse_seeds
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.studies.cache import Cache
from gantlet.studies.launch import start
from gantlet.studies.plan import Limits, Plan, make_plan
from gantlet.studies.planning import PlannedStudy, plan_study
from gantlet.studies.record import (
    ExecutionRecord,
    FleetPlan,
    Member,
    PlanRecord,
    SettingRecord,
    StudyRecord,
    TaskRecord,
)
from gantlet.studies.store import Store
from gantlet.training import checkpoint

__all__ = [
    "TINY",
    "Done",
    "checkpoint_of",
    "difference",
    "gantlet",
    "launch",
    "parameter_gap",
    "plan_of",
    "planned",
    "request",
    "resolve",
    "results",
    "study",
    "study_record",
    "trained",
    "tree",
]

TINY = (
    *("g_width=8", "d_width=8", "g_depth=1", "d_depth=1", "batch_size=32"),
    *("steps=6", "train_size=256", "test_size=256", "samples=200", "evaluations=2"),
)
"""Settings of ring8 with which a member takes milliseconds."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What stands on standard error."""
        return self.err.splitlines()


def gantlet(*words: object) -> Done:
    """Run the command line here, through the same ``main`` as the console script."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["gantlet", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


_LAUNCH = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
from gantlet.cli import main
main()
"""


def launch(*words: object, cwd: Path) -> subprocess.Popen[str]:
    """Start the command line in a process (and process group) of its own, on one core."""
    return subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


# Requests


def request(task: str, methods: str, *words: str, seeds: str = "1", preset: str = "") -> Request:
    """What ``gantlet run TASK METHODS WORD…`` asks for."""
    names = tuple(preset.split(",")) if preset else ()
    return Request(task, tuple(methods.split(",")), tuple(map(parse_axis, words)), parse_seeds(seeds), names)


def resolve(task: str, methods: str, *words: str, preset: str = "") -> list[Resolved]:
    """The settings of a request."""
    return expand(request(task, methods, *words, preset=preset))


def planned(folder: Path, methods: str, *words: str, seeds: str = "1", **options: Any) -> PlannedStudy:
    """A tiny study of ring8, planned."""
    asked = request("ring8", methods, *_tiny(words), seeds=seeds)
    return plan_study(asked, Options(**{"out": folder, "workers": 1, **options}))


def study(folder: Path, methods: str, *words: str, seeds: str = "1", **options: Any) -> Store:
    """A tiny study of ring8, trained."""
    return Store(start(planned(folder, methods, *words, seeds=seeds, **options)).folder)


def trained(asked: Request, folder: Path, **options: Any) -> Store:
    """The study of a request, trained by one worker."""
    return Store(start(plan_study(asked, Options(**{"out": folder, "workers": 1, **options}))).folder)


def study_record(**changes: Any) -> StudyRecord:
    """A record of one member that nobody trained; ``changes`` are fields."""
    record = StudyRecord(
        **{
            "gantlet": "0.2.0",
            "command": "gantlet run ring8 vanilla",
            "created": "2026-02-03T10:00:00+00:00",
            "task": TaskRecord(name="ring8", headline="modes", pictures="points"),
            "members": 1,
            "settings": (SettingRecord(task="ring8", method="vanilla", label="vanilla"),),
            "plan": PlanRecord(members=(Member(0, 0, 1),), fleets=(FleetPlan(id="0000", slots=(0,)),)),
            "execution": ExecutionRecord(),
            "sample": SampleSpec((2,), pool=256),
            **changes,
        }
    )
    return record.model_copy(update={"digest": record.seal})


def plan_of(methods: str, *words: str, seeds: str = "1", limits: Limits | None = None) -> Plan:
    """The plan of a tiny grid of ring8."""
    settings, cache = resolve("ring8", methods, *_tiny(words)), Cache()
    samples = [cache.dataset(resolved).specification for resolved in settings]
    return make_plan(settings, parse_seeds(seeds), samples, limits or Limits())


def _tiny(words: Sequence[str]) -> list[str]:
    """The words of TINY that these do not change, and these."""
    changed = {parse_axis(word).keys for word in words}
    return [*(word for word in TINY if parse_axis(word).keys not in changed), *words]


# Results


def finished(store: Store, fleet: str) -> bool:
    """Whether a planned fleet is finished."""
    return store.finished(fleet_of(store, fleet))


def fleet_of(store: Store, fleet: str) -> FleetPlan:
    """A planned fleet by its id."""
    return next(planned for planned in store.record().plan.fleets if planned.id == fleet)


def results(store: Store) -> dict[int, dict[str, Any]]:
    """The rows of every finished fleet by run, without the seconds."""
    leaves = [leaf for fleet in store.record().plan.fleets for leaf in store.leaves(fleet)]
    rows = [row for leaf in leaves if store.finished(leaf) for row in store.results(leaf)]
    return {row["run"]: {name: value for name, value in row.items() if name != "seconds"} for row in rows}


def checkpoint_of(store: Store, fleet: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A fleet's checkpoint, without the seconds and what ties it to its own study and files."""
    tensors, rest = checkpoint.read(store.checkpoint(fleet))
    own = ("seconds", "study", "chunks", "seal", "tensors_sha256")
    return tensors, {name: value for name, value in rest.items() if name not in own}


def difference(one: Store, other: Store) -> str | None:
    """Where two studies of one plan differ, in words; None when they agree bit for bit, times apart."""
    names = [sorted(path.name for path in (store.folder / "fleets").iterdir()) for store in (one, other)]
    if names[0] != names[1]:
        return f"fleets: {names}"
    for fleet in names[0]:
        if (one.folder / "fleets" / fleet / "split.json").exists():
            continue
        (tensors, rest), (others, rest_too) = (checkpoint_of(store, fleet) for store in (one, other))
        if json.dumps(rest, sort_keys=True) != json.dumps(rest_too, sort_keys=True):
            return f"state of fleet {fleet}"
        if list(tensors) != list(others):
            return f"tensors of fleet {fleet}"
        for name, value in tensors.items():
            if value.dtype != others[name].dtype or value.numpy().tobytes() != others[name].numpy().tobytes():
                return f"{name} of fleet {fleet}"
    if json.dumps(results(one), sort_keys=True) != json.dumps(results(other), sort_keys=True):
        return "results"
    if not _same_frame(one.history(), other.history()):
        return "history"
    views = [pd.read_parquet(store.folder / "runs.parquet").drop(columns="seconds") for store in (one, other)]
    return None if _same_frame(*views) else "runs.parquet"


def parameter_gap(one: Store, other: Store) -> float:
    """Of two studies' first fleets, the relative 2-norm difference of the players' parameters, averages and running statistics, the largest of these."""
    tensors, others = (checkpoint_of(store, "0000")[0] for store in (one, other))
    assert tensors.keys() == others.keys()
    found = list[float]()
    for kind in (
        "generator/parameter",
        "discriminator/parameter",
        "average/",
        "generator/buffer",
        "discriminator/buffer",
    ):
        names = [name for name in tensors if name.startswith(kind)]
        if names:
            mine, theirs = (torch.cat([held[n].double().flatten() for n in names]) for held in (tensors, others))
            found.append(float((mine - theirs).norm() / theirs.norm()))
    return max(found)


def _same_frame(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    same_columns = list(one.columns) == list(other.columns) and list(one.dtypes) == list(other.dtypes)
    return same_columns and one.equals(other)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was written, and its bytes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 60.0) -> None:
    """Wait for something that a process does; its early end or the time running out is a failure."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            out, err = process.communicate()
            pytest.fail(f"The process ended early with {process.returncode}:\n{out}\n{err}")
        if time.monotonic() > end:
            process.kill()
            pytest.fail(f"Nothing happened within {seconds:g} s.")
        time.sleep(0.002)


def children_of(process: int) -> Sequence[int]:
    """The processes that a process started, and theirs."""
    import psutil

    return [child.pid for child in psutil.Process(process).children(recursive=True)]
