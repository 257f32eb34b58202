"""Training a published table at a budget: what fits (:mod:`~gantlet.studies.published.budgets`), and what that can show.

A later budget goes on from where the last one ended: first to the full length, with the full evaluation, then with more seeds. A budget
begins with the command: reading the data, making the metrics and measuring are part of it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from gantlet.devices import choose_device
from gantlet.errors import StoreError
from gantlet.requests.grid import Axis, axes_from_mapping
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.requests.training_settings import TrainingSettings
from gantlet.statistics.published import detectable_rate

from ..build import steps_of
from ..cache import Cache
from ..extend import Extension
from ..measure import FleetTime, busy, measure
from ..plan import Plan, plan_of
from ..planning import PlannedStudy, plan_study, specification_of
from ..record import StudyRecord
from ..store import Store
from . import find_table
from .budgets import Afforded, Allowance, Pace, affordable, crowded, more_seeds, rates_of, scaled, times_of
from .table import PublishedTable

__all__ = ["FACT", "begin_table", "full_steps", "more_of_table", "prospects", "request_of", "share_of", "table_of"]

FACT = "reproduction"
"""Where a study's record keeps which table it is of, among its facts."""

_LOG = logging.getLogger("gantlet")
_LEAST = 8  # seeds: the fewest that are trained where time is short
_LONG_STEP = 0.25  # seconds of one member's step, from which on a stack of members takes as many times as long


def begin_table(table: PublishedTable, options: Options, seconds: float | None) -> PlannedStudy:
    """Plan a table for a budget, which is measured; nothing is written.

    Arguments:
        table: The table.
        options: How it is carried out.
        seconds: The budget; None for the published seeds and length.

    Raises:
        UsageError: The data are not here, not one step fits, or the options are wrong.
    """
    if seconds is None:
        planned = plan_study(request_of(table, table.seeds), options)
    else:
        planned = _within(table, options, seconds)
    return replace(planned, facts={FACT: {"table": table.name}})


def request_of(table: PublishedTable, seeds: int, **instead: object) -> Request:
    """The request of so many seeds of a table, with some values instead of its own; ``steps`` is instead of ``epochs``, too."""
    given = {key: value for key, value in table.settings.items() if not (key == "epochs" and "steps" in instead)}
    return Request(
        table.task,
        table.methods,
        tuple(axes_from_mapping({**given, **instead})),
        tuple(range(1, seeds + 1)),
        table.presets,
    )


def _within(table: PublishedTable, options: Options, seconds: float) -> PlannedStudy:
    """As much of a table as fits: one seed is measured, and the seeds of a fleet together where their steps are short."""
    began, load = time.monotonic(), busy()
    planned = plan_study(request_of(table, 1), options)
    again = partial(plan_study, options=options, cache=planned.cache)
    full = steps_of(planned.plan.settings[0].training, planned.samples[0].pool)
    times = _measured(planned)
    rates, seeds = rates_of(planned.plan, times), min(_LEAST, table.seeds)
    planned = again(request_of(table, seeds))
    if all(rate.update < _LONG_STEP for rate in rates.values()):
        rates = rates_of(planned.plan, _measured(planned))
    while True:
        budget = Allowance(seconds, time.monotonic() - began)
        pace = _pace(planned, times_of(planned.plan, rates), load)
        found = affordable(pace, budget, full=full, seeds=seeds)
        if found.steps:
            break
        planned, seeds = again(request_of(table, found.seeds)), found.seeds
    _tell_crowded(planned, load)
    _tell_spent(budget)
    if found.steps == full:
        return again(request_of(table, min(table.seeds, found.seeds)))
    return again(request_of(table, found.seeds, **_shortened(found, pace)))


def _shortened(found: Afforded, pace: Pace) -> dict[str, object]:
    """What a shorter run has instead of a table's settings."""
    fewer: dict[str, object] = {"samples": found.samples} if found.samples != pace.samples else {}
    return {"steps": found.steps, "evaluations": 1, **fewer}


def _measured(planned: PlannedStudy) -> list[FleetTime]:
    plan, device = planned.plan, planned.device
    return measure(plan, planned.samples, planned.cache, device, threads=planned.threads, evaluations=True)


def _pace(planned: PlannedStudy, times: Sequence[FleetTime], load: float) -> Pace:
    plan, workers = planned.plan, planned.workers
    slower = crowded(load, workers, planned.threads)
    first = plan.settings[0]
    samples = first.training.samples or planned.cache.metrics(first).samples
    return Pace([scaled(time, slower) for time in times], workers, _evaluations(plan), samples)


def _evaluations(plan: Plan) -> list[int]:
    return [plan.slots(fleet)[0][0].training.evaluations for fleet in plan.fleets]


def _tell_crowded(planned: PlannedStudy, load: float) -> None:
    slower = crowded(load, planned.workers, planned.threads)
    if slower > 1.1:
        _LOG.warning(
            "note: other work keeps %.0f%% of the cores busy; %d fleets side by side are planned with %.1f times as long",
            *(100 * load, planned.workers, slower),
        )


def _tell_spent(budget: Allowance) -> None:
    if budget.spent > budget.seconds / 10:
        _LOG.warning(
            "note: reading the data, making the metrics and measuring took %.3g s of the %.3g s; what is left is planned with",
            *(budget.spent, budget.seconds),
        )


def table_of(record: StudyRecord, folder: Path) -> PublishedTable:
    """The table that a study trains.

    Raises:
        StoreError: It trains none.
        UnknownName: It is one that this gantlet does not know.
    """
    found = record.facts.get(FACT)
    if not isinstance(found, dict) or not isinstance(found.get("table"), str):
        raise StoreError(f"{folder} is a study, but not of a published table; gantlet extend adds to a study.")
    return find_table(found["table"])


def full_steps(table: PublishedTable, record: StudyRecord) -> int:
    """The published length, in steps, with the data that the study was trained on."""
    return steps_of(_first(table).training, record.sample.pool)


def _first(table: PublishedTable) -> Resolved:
    return expand(request_of(table, 1))[0]


def more_of_table(store: Store, seconds: float | None) -> Extension | None:
    """What a further budget adds to a study of a table; None where it is whole.

    Arguments:
        store: The study.
        seconds: The budget; None for all that is missing.

    Raises:
        UsageError: A part or the data are not here, or not one step fits.
        StoreError: It is no study of a table.
    """
    record, began, load = store.record(), time.monotonic(), busy()
    table, cache = table_of(record, store.folder), Cache()
    plan, full = plan_of(record), full_steps(table, record)
    samples = [specification_of(each.task, cache.dataset(each)) for each in plan.settings]
    now = steps_of(plan.settings[0].training, samples[0].pool)
    seeds, wanted = len({member.seed for member in plan.members}), _first(table).training.samples
    if now >= full and seeds >= table.seeds:
        return None
    if seconds is None:
        whole = Axis(("steps",), (str(full),))
        return (
            Extension(axes=(whole,), samples=wanted)
            if now < full
            else Extension(seeds=tuple(range(1, table.seeds + 1)))
        )
    execution = record.execution
    times = measure(plan, samples, cache, choose_device(execution.device), threads=execution.threads, evaluations=True)
    slower = crowded(load, execution.workers, execution.threads)
    most = wanted or cache.metrics(plan.settings[0]).samples
    fewer = most - (plan.settings[0].training.samples or most)
    paced = [scaled(replace(each, evaluation=each.evaluation + fewer * each.sample), slower) for each in times]
    pace = Pace(paced, execution.workers, _evaluations(plan), most)
    budget = Allowance(seconds, time.monotonic() - began)
    _tell_spent(budget)
    if now >= full:
        added = more_seeds(pace, budget, full=full, seeds=seeds)
        return Extension(seeds=tuple(range(1, min(table.seeds, seeds + added) + 1)))
    found = affordable(pace, budget, full=full - now, seeds=seeds, fewer=False)
    steps = min(full, now + found.steps)
    counted = wanted if steps == full or found.samples == most else found.samples
    return Extension(axes=(Axis(("steps",), (str(steps),)),), samples=counted)


def prospects(table: PublishedTable, *, seeds: int, steps: int, full: int, samples: int = 0) -> Iterator[str]:
    """What a budget can and cannot show, in sentences, before anything is trained.

    Arguments:
        table: The table.
        seeds: That are trained.
        steps: For which they are.
        full: The published length, in steps.
        samples: Of an evaluation; 0 for as many as each metric wants.
    """
    length = "the published length" if steps >= full else f"{share_of(steps, full)} of the published {full:,} steps"
    yield f"{seeds} of {table.seeds} seeds × {steps:,} steps ({length})"
    if steps < full and (reduced := _reduced(_first(table).training, samples)):
        yield f"Shorter runs are measured less: {reduced}. Counts of modes, divergences and distances depend on the samples."
    if table.departs:
        yield f"No published number can be confirmed or refuted: {table.departs}. The settings are compared with each other."
        return
    if steps < full:
        yield (
            "Shorter runs answer another question: no published number can be confirmed or refuted by them. A further "
            "--budget on this folder goes on to the full length."
        )
        return
    level = 1 - 0.05 / len(table.cells)
    if all(math.isnan(cell.value) for cell in table.cells):
        yield "No number was published: the settings are compared with each other."
    for cell in table.cells:
        if cell.kind == "rate" and not math.isnan(cell.value):
            least = detectable_rate(seeds, published=cell.value, published_n=table.runs_of(cell), level=level)
            yield (
                f"{cell.setting}, {cell.column}: a true rate that is {100 * least:.0f} points from the published "
                f"{100 * cell.value:g} % would be noticed in four tries of five."
            )


def _reduced(wanted: TrainingSettings, samples: int) -> str:
    once = f"once, at the end, instead of {wanted.evaluations} times" if wanted.evaluations > 1 else ""
    fewer = f"by {samples:,} samples" if samples not in (0, wanted.samples) else ""
    full = f" instead of {wanted.samples:,}" if fewer and wanted.samples else ""
    return ", ".join(part for part in (once, f"{fewer}{full}") if part)


def share_of(steps: int, full: int) -> str:
    """A part of the published steps in percent, with two digits that say something.

    Example:
        >>> share_of(2, 6), share_of(3, 100_000)
        ('33.3%', '0.003%')
    """
    share = 100 * steps / full
    return f"{share:.1f}%" if share >= 1 else f"{share:.2g}%"
