"""What a search does next, and doing it until it has ended.

The study first has the method's defaults as its only setting, and none of it trained. Then, again and again: whatever is
planned is trained; trials with hope get their further seeds; new trials join, as many as are asked at a time; and when there
are as many as were asked for, or the time is up, the best one and the defaults get the fresh seeds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gantlet.errors import BadGrid, BadValue, StoreError, UnknownName
from gantlet.files import locked
from gantlet.requests.grid import Axis
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, expand
from gantlet.requests.search_space import Dimension, check_space, parse_dimension, point_values, real_keys

from ..cache import Cache
from ..executors.base import Callbacks
from ..extend import Extension, extend_plan
from ..fleet_states import follow
from ..launch import hands_over, resume, unfinished
from ..planning import PlannedStudy, plan_study
from ..record import FleetPlan
from ..store import Store
from .samplers import check_sampler, points
from .state import FACT, MOST_TRIALS, SearchRecord, SearchState, read_search

__all__ = ["Budget", "Train", "enlarge", "next_extension", "plan_search", "search"]

_LOG = logging.getLogger("gantlet")
_LOOK_SECONDS = 5.0  # between two looks at the jobs of a cluster
_BATCH = 8  # trials at a time, where what comes next depends on what came before, or on the time

Train = Callable[[Store, list[FleetPlan], Callable[[Callbacks], Store]], object]
"""Trains a study's unfinished fleets: called with the study, these, and what trains them when it is given whom to tell."""


@dataclass(frozen=True)
class Budget:
    """How much is spent on a search.

    Attributes:
        trials: Settings that are tried, the defaults among them.
        seeds: By which each is judged; the first half decides which trials get the second.
        fresh: How many further seeds compare the chosen setting with the defaults in the end.
        batch: Trials at a time; 0: all at once with random draws, else 8.
        minutes: After which no further trials begin; 0: no limit.
    """

    trials: int = 32
    seeds: tuple[int, ...] = (1, 2, 3, 4)
    fresh: int = 8
    batch: int = 0
    minutes: float = 0.0

    def check(self) -> None:
        """Check the numbers.

        Raises:
            BadValue: One is out of range.
        """
        _check_trials(self.trials)
        if not 1 <= self.fresh <= 10_000:
            raise BadValue(f"--fresh-seeds {self.fresh} is out of range: expected 1 ≤ fresh-seeds ≤ 10000.")
        if self.batch < 0:
            raise BadValue(f"--batch {self.batch} is negative; 0 means chosen.")
        if not 0 <= self.minutes < float("inf"):
            raise BadValue(
                f"--minutes {self.minutes:g} is out of range: expected a number of minutes ≥ 0; 0: no limit."
            )


def plan_search(  # noqa: PLR0913 - as many as a search has
    task: str,
    method: str,
    words: Sequence[str],
    options: Options,
    budget: Budget,
    *,
    presets: Sequence[str] = (),
    sampler: str = "random",
    metric: str = "",
    random_state: int = 0,
) -> PlannedStudy:
    """Resolve and plan a search; everything wrong with it is found here, before anything is written.

    Arguments:
        task: A task's name, perhaps with a file behind a colon.
        method: One method.
        words: ``KEY=LOW..HIGH[:log]`` or ``KEY=A,B`` to search, ``KEY=VALUE`` to fix.
        options: How it is carried out.
        budget: How much is spent.
        presets: Named sets of settings.
        sampler: ``random`` or ``tpe``.
        metric: A column to search by; empty: the task's headline.
        random_state: The seed of the sampler.

    Raises:
        UsageError: Whatever is wrong.
    """
    budget.check()
    if sampler not in ("random", "tpe"):
        raise BadValue(f"--sampler {sampler} is not one of random, tpe.")
    check_sampler(sampler)
    parsed = [parse_dimension(word) for word in words]
    space = [each for each in parsed if isinstance(each, Dimension)]
    fixed = tuple(each for each in parsed if isinstance(each, Axis))
    if not space:
        raise BadGrid("Nothing was given to search. Write for example lr=1e-5..1e-2:log or network=A,B.")
    half = -(-len(budget.seeds) // 2)
    request = Request(task, (method,), fixed, budget.seeds[:half], tuple(presets))
    planned = plan_study(request, options)
    check_space(space, planned.plan.settings[0].parts.keys)
    keys = planned.plan.settings[0].parts.keys
    held = {real for axis in fixed for real in real_keys(Dimension(axis.keys), keys)}
    for dimension in space:
        if both := held.intersection(real_keys(dimension, keys)):
            raise BadGrid(f"{min(both)} is both fixed and searched. Keep one.")
    _check_choices(request, space)
    name, better = _metric(planned, metric)
    after = 1 + max(budget.seeds)
    record = SearchRecord(
        request=(task, method, *(word for word, each in zip(words, parsed, strict=True) if isinstance(each, Axis))),
        presets=tuple(presets),
        space=tuple(dimension.text for dimension in space),
        sampler="tpe" if sampler == "tpe" else "random",
        random_state=random_state,
        trials=budget.trials,
        batch=budget.batch or (0 if sampler == "random" and not budget.minutes else _BATCH),
        first=budget.seeds[:half],
        rest=budget.seeds[half:],
        fresh=tuple(range(after, after + budget.fresh)),
        metric=name,
        better="higher" if better == "higher" else "lower",
    )
    return replace(planned, facts={FACT: record.model_dump(mode="json")})


def _check_trials(trials: int) -> None:
    if not 2 <= trials <= MOST_TRIALS:
        raise BadValue(
            f"--trials {trials} is out of range: expected 2 ≤ trials ≤ {MOST_TRIALS}, the defaults being one."
        )


def _check_choices(request: Request, space: Sequence[Dimension]) -> None:
    """Make sure that each choice can be trained, with the lower ends of the ranges; later nobody would be there to be told.

    Raises:
        UsageError: One cannot.
    """
    ends = [Axis(each.keys, (f"{each.low:.17g}",)) for each in space if not each.choices]
    choices = [each for each in space if each.choices]
    for each in choices:
        others = [Axis(other.keys, other.choices[:1]) for other in choices if other is not each]
        for choice in each.choices:
            expand(replace(request, axes=(*request.axes, *ends, *others, Axis(each.keys, (choice,)))))


def _metric(planned: PlannedStudy, asked: str) -> tuple[str, str]:
    """The column to search by, and its direction.

    Raises:
        BadValue: The task has no headline, or the column has no direction.
        UnknownName: No such column.
    """
    first = planned.plan.settings[0]
    columns = {column.name: column.better for column in planned.cache.metrics(first).columns}
    name = asked or first.task.headline
    if not name:
        raise BadValue("The task has no headline metric; name a column with --metric.")
    if name not in columns:
        raise UnknownName("metric column", name, [each for each, better in columns.items() if better])
    better = columns[name]
    if better is None:
        raise BadValue(f"--metric {name} has no better direction, so nothing can be searched by it.")
    return name, better


def enlarge(store: Store, *, trials: int) -> None:
    """Have a search go on to more trials.

    Raises:
        BadValue: There are as many already, or more than a search may have.
        StoreError: There is no search, or another process trains it.
    """
    _check_trials(trials)
    read_search(store)  # before a lock is written into a folder that is not a search
    with locked(store.study_lock, wait=False) as holder:
        if holder is not None:
            raise StoreError(f"{store.folder} is in use by {holder}. Stop it or wait until it has ended.")
        state = read_search(store)
        if trials < len(state.trials):
            raise BadValue(f"--trials {trials} is less than the {len(state.trials)} trials that {store.folder} has.")
        search = state.search.model_copy(update={"trials": trials})
        facts = {**state.record.facts, FACT: search.model_dump(mode="json")}
        store.update(state.record.model_copy(update={"facts": facts}))


def next_extension(state: SearchState, *, time_is_up: bool = False) -> Extension | None:
    """What a search, all of whose members have ended, plans next; None where it has ended.

    Arguments:
        state: How far it has come.
        time_is_up: Whether no further trials shall begin.

    Raises:
        UsageError: A part of the study does not exist here, or is of a stranger's own.
    """
    search, trials = state.search, state.trials
    planned = {(member.setting, member.seed) for member in state.record.plan.members}
    with_hope = [trial.place for trial in trials if not trial.hopeless]
    missing = tuple(place for place in with_hope if any((place, seed) not in planned for seed in search.rest))
    if missing and len(trials) > 1:
        return Extension(seeds=search.rest, only=missing)
    wanted = search.trials - len(trials)
    if wanted > 0 and not (time_is_up and len(trials) > 1):
        found = points(state, min(wanted, search.batch or wanted))
        if found:
            new = tuple(point_values(search.dimensions, point, state.keys) for point in found)
            return Extension(points=new, seeds=search.first)
        _LOG.warning("note: the search space has no further settings; %d were tried", len(trials))
    chosen = state.chosen
    if chosen is None:
        return None
    finalists = tuple(
        place
        for place in dict.fromkeys((0, chosen.place))
        if any((place, seed) not in planned for seed in search.fresh)
    )
    return Extension(seeds=search.fresh, only=finalists) if finalists else None


def search(
    folder: Path,
    train: Train,
    *,
    time_is_up: Callable[[], bool] = lambda: False,
    command: str = "",
    trust: bool = False,
) -> SearchState:
    """Carry a search on until it has ended.

    Arguments:
        folder: That of its study.
        train: Trains what is planned.
        time_is_up: Asked before new trials begin.
        command: How it was asked for.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        UsageError: A part of the study does not exist here, or is of a stranger's own.
        StoreError: There is no search, it is damaged, or another process trains it.
    """
    store, cache = Store(folder), Cache()
    while True:
        state = read_search(store)
        elsewhere = hands_over(state.record, trust=trust)
        fleets = unfinished(store)
        if fleets and len(state.trials) > 1:
            train(store, fleets, partial(resume, folder, cache=cache, trust=trust))
            if elsewhere:
                follow(store, lambda look: _LOOK_SECONDS)
                with locked(store.study_lock):  # a job whose fleets have ended makes the tables before it ends itself
                    pass
            if unfinished(store) and not _failed(store):
                return read_search(store)  # stopped
            state = read_search(store)
        asked = next_extension(state, time_is_up=time_is_up())
        if asked is None:
            return state
        cache = extend_plan(folder, replace(asked, command=command), trust=trust)
        if store.record().seal == state.record.seal:
            raise StoreError(
                f"{folder} cannot go on: its next trials are settings that it has already, and are no trials."
            )


def _failed(store: Store) -> bool:
    """Whether what is unfinished has failed, which training it again would not mend."""
    return all(store.failure(leaf.id) for fleet in unfinished(store) for leaf in store.leaves(fleet))
