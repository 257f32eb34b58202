"""``gantlet.tune``: a search with a budget, judged over seeds and confirmed on fresh ones."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from gantlet.catalogue import refuse_while_importing
from gantlet.errors import BadValue, UnknownName
from gantlet.places import user_path
from gantlet.requests.grid import method_names, parse_seeds, words
from gantlet.requests.options import Options, default_folder
from gantlet.requests.slurm_options import parse_slurm
from gantlet.statistics.comparisons import Paired
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import create
from gantlet.studies.progress import watched
from gantlet.studies.record import FleetPlan
from gantlet.studies.search.loop import Budget, enlarge, plan_search, search
from gantlet.studies.search.state import SearchState
from gantlet.studies.store import Store
from gantlet.studies.study import Study

__all__ = ["Search", "clock", "tune"]


@dataclass(frozen=True)
class Search:
    """A search, finished or not.

    Attributes:
        state: How far it has come.
    """

    state: SearchState
    study: Study

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial: its point, the mean of the metric over the search's seeds, whether it was left as hopeless."""
        return self.state.table()

    @property
    def best(self) -> dict[str, Any] | None:
        """The chosen point by dimension; None before a trial has all seeds."""
        chosen = self.state.chosen
        if chosen is None:
            return None
        names = (dimension.name for dimension in self.state.search.dimensions)
        return dict(zip(names, self.state.point(chosen), strict=True))

    @property
    def confirmed(self) -> Paired | None:
        """The chosen setting minus the defaults over fresh seeds, with its interval; None before it is known."""
        return self.state.confirmed

    @property
    def command(self) -> str | None:
        """The command that runs the chosen setting again on the fresh seeds; None before it is known."""
        chosen, search = self.state.chosen, self.state.search
        if chosen is None:
            return None
        point = [f"{name}={value}" for name, value in (self.best or {}).items()] if chosen.place else []
        seeds = ",".join(map(str, search.fresh)) + ("," if len(search.fresh) == 1 else "")
        presets = ["--preset", ",".join(search.presets)] if search.presets else []
        return shlex.join(["gantlet", "run", *search.request, *point, *presets, "--seeds", seeds])

    def record(self) -> dict[str, Any]:
        """What ``gantlet tune --json`` prints."""
        chosen, confirmed, search = self.state.chosen, self.confirmed, self.state.search
        said: dict[str, Any] = {
            "folder": str(self.study.folder),
            "metric": search.metric,
            "better": search.better,
            "trials": len(self.state.trials),
            "hopeless": sum(trial.hopeless for trial in self.state.trials),
            "best": self.best,
            "trial": None if chosen is None else chosen.place,
            "on_search_seeds": None if chosen is None else chosen.mean(search.seeds),
            "on_fresh_seeds": None if confirmed is None else confirmed.mean_a,
            "defaults_on_fresh_seeds": None if confirmed is None else confirmed.mean_b,
            "command": self.command,
        }
        if confirmed is not None:
            gain = confirmed.difference
            said["gain"] = {"value": gain.estimate, "low": gain.low, "high": gain.high, "p_value": confirmed.p_value}
            said["gain"] = {name: value if math.isfinite(value) else None for name, value in said["gain"].items()}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in said.items()
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the trials."""
        return f"<p>{escape(repr(self))}</p>{self.trials.to_html(index=False, na_rep='')}"

    def __repr__(self) -> str:
        return f"Search({str(self.study.folder)!r}, {len(self.state.trials)} trials, best {self.best})"


def tune(  # noqa: PLR0913 - as many as the command line has options
    task: str,
    method: Any = None,
    *,
    trials: int | None = None,
    seeds: int | str | Sequence[int] = 4,
    fresh_seeds: int = 8,
    minutes: float = 0.0,
    metric: str = "",
    sampler: str = "random",
    batch: int = 0,
    random_state: int = 0,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    preset: str | Sequence[str] = (),
    trust: bool = False,
    progress: bool = False,
    **space: Any,
) -> Search:
    """Search the settings of a method with a budget; each trial is judged over several seeds.

    Example: ``gantlet.tune("ring8", "wgan-gp", lr=(1e-5, 1e-2, "log"), penalty_weight=(1, 100, "log"), trials=32)``

    Arguments:
        task: A task's name, perhaps with a file behind a colon; without a method, the folder of a search to go on with.
        method: One method.
        trials: Settings that are tried, the method's defaults among them; 32 if None, or those of the search that goes on.
        seeds: By which trials are judged: a number N for seeds 1..N, or a list. The first half decides which trials are
            hopeless (paired t test against the leader) and do not get the second half.
        fresh_seeds: How many further seeds compare the chosen setting with the defaults in the end.
        minutes: After which no further trials begin; 0: no limit.
        metric: A column; the task's headline if empty.
        sampler: ``random``, or ``tpe`` (extra ``[tune]``).
        batch: Trials that are drawn and trained at a time; 0: all with random draws and no limit of time, else 8.
        random_state: The seed of the sampler.
        out: The study folder; ``runs/<task>-<date>-<time>`` if None.
        options: ``device``, ``executor``, ``workers``, ``route``, ``width``, ``note``, as on the command line.
        preset: Named sets of settings.
        trust: Whether parts of the study's author's own may run here.
        progress: Whether to print a line of progress.
        space: ``(low, high)``, ``(low, high, "log")`` or ``"LOW..HIGH:log"`` for a range, a list for choices, one value to fix.

    Raises:
        UsageError: Whatever is wrong with the request; nothing is written then.
        StoreError: The folder cannot be written, holds no search, or another process trains it.
    """
    refuse_while_importing("gantlet.tune")
    started = clock(minutes)
    if method is None:
        folder = Path(task)
        if space:
            raise BadValue(
                f"{folder} has its search space; give trials=N to go on with it, or a method to begin another."
            )
        if trials is not None:
            enlarge(Store(folder), trials=trials)
    else:
        names = method_names(method)
        if len(names) != 1:
            raise BadValue(f"One method is searched at a time; came {', '.join(names)}.")
        budget = Budget(32 if trials is None else trials, parse_seeds(seeds), fresh_seeds, batch, minutes)
        folder = default_folder(task) if out is None else user_path(out)
        chosen = _options(task, folder, options or {})
        described = [_word(name, value) for name, value in space.items()]
        said: dict[str, Any] = {
            "presets": words(preset),
            "sampler": sampler,
            "metric": metric,
            "random_state": random_state,
        }
        create(plan_search(task, names[0], described, chosen, budget, **said))

    def train(store: Store, fleets: list[FleetPlan], go: Callable[[Callbacks], Store]) -> Store:
        return watched(store, fleets, go, progress=progress, on_evaluation=None)

    state = search(folder, train, time_is_up=started, command="gantlet.tune", trust=trust)
    return Search(state, Study(folder))


def _options(task: str, folder: Path, options: Mapping[str, Any]) -> Options:
    known = {field.name for field in fields(Options)} - {"out"}
    for name in options:
        if name not in known:
            raise UnknownName("option", name, known)
    given: dict[str, Any] = {"command": f"gantlet.tune({task!r}, …)", **options}
    if isinstance(given.get("slurm"), Mapping):
        given["slurm"] = parse_slurm(given["slurm"])
    return Options(out=folder, **given)


def clock(minutes: float) -> Callable[[], bool]:
    """Whether the time is up, from now on; never with 0 minutes."""
    end = time.monotonic() + 60 * minutes
    return lambda: minutes > 0 and time.monotonic() >= end


def _word(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        if len(value) not in (2, 3) or (len(value) == 3 and value[2] != "log"):
            raise BadValue(f"{name}={value!r} is not (LOW, HIGH) or (LOW, HIGH, 'log'); choices are given as a list.")
        return f"{name}={value[0]}..{value[1]}{':log' if len(value) == 3 else ''}"
    if isinstance(value, list):
        return f"{name}={','.join(str(item) for item in value)}"
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"
