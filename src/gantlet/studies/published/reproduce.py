"""Training a published table at a budget: what fits, what that can show, and how the results compare.

Seeds are cut before steps: a run that is shorter than the published one answers another question, so a table is trained in full
length over as many seeds as fit, and only where not even eight fit, eight are trained for as many steps as do; fewer where one step of
eight and its evaluation do not fit. A later budget goes on from there: first to the full length, then with more seeds.

A budget begins with the command: reading the data, making the metrics and measuring are part of it.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from gantlet.devices import choose_device
from gantlet.errors import BadValue, StoreError
from gantlet.requests.grid import Axis, axes_from_mapping
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, expand
from gantlet.statistics.published import Against, detectable_rate, mean_against, rate_against

from ..build import steps_of
from ..cache import Cache
from ..extend import Extension
from ..measure import FleetTime, measure, seconds_for, steps_within
from ..plan import plan_of
from ..planning import PlannedStudy, plan_study, specification_of
from ..record import StudyRecord
from ..store import Store
from ..views import read_runs
from . import find_table
from .adopt import matching
from .table import PublishedCell, PublishedTable

__all__ = [
    "FACT",
    "CellComparison",
    "affordable",
    "begin_table",
    "compare_table",
    "full_steps",
    "more_of_table",
    "parse_budget",
    "prospects",
    "table_of",
]

FACT = "reproduction"
"""Where a study's record keeps which table it is of, among its facts."""

_LOG = logging.getLogger("gantlet")
_LEAST = 8  # seeds: the fewest that are trained where time is short
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class CellComparison:
    """One cell of a table: the published number and one's own.

    Attributes:
        cell: The published number.
        against: The comparison.
        verdict: ``agrees``, ``differs`` or ``cannot tell``.
        why: What keeps it from being told; empty where it was.
    """

    cell: PublishedCell
    against: Against
    verdict: str
    why: str


def parse_budget(text: str) -> float | None:
    """Seconds of ``90s``, ``5m``, ``1h`` or ``2d``; None for ``paper``: whatever the paper took.

    Raises:
        BadValue: It is none of these.

    Example:
        >>> parse_budget("5m"), parse_budget("1.5h"), parse_budget("paper")
        (300.0, 5400.0, None)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if text.strip() == "paper":
        return None
    if match is None or not 0 < float(match[1]) < 1e6:
        raise BadValue(f"--budget {text} is not a time such as 90s, 5m, 1h or 2d, and not paper.")
    return float(match[1]) * _UNITS[match[2]]


def begin_table(table: PublishedTable, options: Options, seconds: float | None) -> PlannedStudy:
    """Plan a table for a budget, which is measured; nothing is written.

    Arguments:
        table: The table.
        options: How it is carried out.
        seconds: The budget; None for the published seeds and length.

    Raises:
        UsageError: The data are not here, not one step fits, or the options are wrong.
    """
    began, seeds = time.monotonic(), _LEAST if seconds is not None else table.seeds
    planned, steps = plan_study(_request(table, seeds), options), 0
    again = partial(plan_study, options=options, cache=planned.cache)
    while seconds is not None and not steps:
        full = steps_of(planned.plan.settings[0].training, planned.samples[0].pool)
        fit, steps = affordable(*_measured(planned), left=_left(seconds, began), budget=seconds, full=full, seeds=seeds)
        if steps == full:
            planned = again(_request(table, min(table.seeds, fit)))
        elif steps:
            planned = again(_request(table, fit, Axis(("steps",), (str(steps),))))
        else:
            planned, seeds = again(_request(table, fit)), fit
    if seconds is not None:
        _tell_spent(seconds, began)
    return replace(planned, facts={FACT: {"table": table.name}})


def _request(table: PublishedTable, seeds: int, *more: Axis) -> Request:
    given = {key: value for key, value in table.settings.items() if not (more and key in ("steps", "epochs"))}
    axes = (*axes_from_mapping(given), *more)
    return Request(table.task, table.methods, axes, tuple(range(1, seeds + 1)), table.presets)


def _measured(planned: PlannedStudy) -> tuple[list[FleetTime], int, list[int]]:
    plan, device = planned.plan, planned.device
    times = measure(plan, planned.samples, planned.cache, device, threads=planned.threads, evaluations=True)
    return times, planned.workers, [plan.slots(fleet)[0][0].training.evaluations for fleet in plan.fleets]


def affordable(
    times: Sequence[FleetTime],
    workers: int,
    evaluations: Sequence[int],
    *,
    left: float,
    budget: float,
    full: int,
    seeds: int,
    fewer: bool = True,
) -> tuple[int, int]:
    """Seeds and steps that fit into some seconds: the full length of as many seeds as do, else these seeds for as long as do.

    Where not even one step of these seeds and its evaluations fits, it is fewer seeds and 0 steps: they are to be measured anew.

    Arguments:
        times: What each fleet takes, of these seeds together.
        workers: Fleets that are trained side by side.
        evaluations: How often each is evaluated.
        left: Seconds.
        budget: Seconds of the whole budget, into which one step of one seed must fit.
        full: The published length, in steps.
        seeds: How many the fleets have of each setting.
        fewer: Whether fewer seeds will do.

    Raises:
        BadValue: Not one step fits, and there is one seed only or fewer will not do.
    """
    whole = seconds_for(full, times, workers, evaluations)
    if whole <= left:
        return int(seeds * left / whole), full
    try:
        return seeds, steps_within(left, times, workers, evaluations)
    except BadValue:
        least = seconds_for(1, times, workers, evaluations)
        if not fewer or (seeds == 1 and least > budget):
            raise BadValue(
                f"A budget of {budget:.3g} s is not enough for one step of {seeds} seed{'s' * (seeds > 1)} with its evaluations, about "
                f"{least:.3g} s here, beside reading the data, making the metrics and measuring. Give more with --budget."
            ) from None
    if seeds > 1:
        return max(1, min(seeds - 1, int(seeds * left / least))), 0
    _LOG.warning("note: one step of one seed and its evaluation take about %.3g s, more than is left", least)
    return 1, 1


def _left(seconds: float, began: float) -> float:
    """What is left of a budget; a quarter at least, since what preparation made is kept for the next one."""
    return max(seconds - (time.monotonic() - began), seconds / 4)


def _tell_spent(seconds: float, began: float) -> None:
    spent = time.monotonic() - began
    if spent > seconds / 10:
        _LOG.warning(
            "note: reading the data, making the metrics and measuring took %.3g s of the %.3g s; what is left is planned with",
            *(spent, seconds),
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
    resolved = expand(_request(table, 1))[0]
    return steps_of(resolved.training, record.sample.pool)


def more_of_table(store: Store, seconds: float | None) -> Extension | None:
    """What a further budget adds to a study of a table; None where it is whole.

    Arguments:
        store: The study.
        seconds: The budget; None for all that is missing.

    Raises:
        UsageError: A part or the data are not here, or not one step fits.
        StoreError: It is no study of a table.
    """
    record, began = store.record(), time.monotonic()
    table, cache = table_of(record, store.folder), Cache()
    plan, full = plan_of(record), full_steps(table, record)
    samples = [specification_of(each.task, cache.dataset(each)) for each in plan.settings]
    now = steps_of(plan.settings[0].training, samples[0].pool)
    seeds = len({member.seed for member in plan.members})
    if now >= full and seeds >= table.seeds:
        return None
    added, steps = table.seeds, full
    if seconds is not None:
        device, workers = choose_device(record.execution.device), record.execution.workers
        times = measure(plan, samples, cache, device, threads=record.execution.threads, evaluations=True)
        counts = [plan.slots(fleet)[0][0].training.evaluations for fleet in plan.fleets]
        left = _left(seconds, began)
        added, steps = affordable(
            times, workers, counts, left=left, budget=seconds, full=full, seeds=seeds, fewer=False
        )
        _tell_spent(seconds, began)
    if now < full:
        return Extension(axes=(Axis(("steps",), (str(min(full, now + steps)),)),))
    added = added if steps == full else max(1, seeds * steps // full)
    return Extension(seeds=tuple(range(1, min(table.seeds, seeds + added) + 1)))


def prospects(table: PublishedTable, *, seeds: int, steps: int, full: int) -> Iterator[str]:
    """What a budget can and cannot show, in sentences, before anything is trained."""
    length = "the published length" if steps >= full else f"{steps / full:.1%} of the published {full:,} steps"
    yield f"{seeds} of {table.seeds} seeds × {steps:,} steps ({length})"
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


def compare_table(store: Store, table: PublishedTable | None = None) -> list[CellComparison]:
    """A study against the published numbers, all of them judged together at 95 %.

    Arguments:
        store: The study.
        table: The table, if the study is an ordinary one; it must hold the table's settings.

    Raises:
        StoreError: It is not a study of a table, or lacks a setting of this one.
    """
    record = store.record()
    own = table_of(record, store.folder) if table is None else table
    known = {resolved.label: resolved for resolved in expand(_request(own, 1))}
    labels = matching(own, known.values(), record, store.folder, begun=table is None)
    runs, full = read_runs(store), full_steps(own, record)
    level = 1 - 0.05 / len(own.cells)
    found: list[CellComparison] = []
    for cell in own.cells:
        label, differs = labels[cell.setting]
        each = _compared(cell, own, runs[runs["setting"] == label], full=full, level=level)
        if differs and each.against.n:
            each = replace(each, verdict="cannot tell", why=f"begun with {differs}")
        found.append(each)
    return found


def _compared(
    cell: PublishedCell, table: PublishedTable, runs: pd.DataFrame, *, full: int, level: float
) -> CellComparison:
    mine = runs[runs["status"].isin(["finished", "diverged"])]
    out = mine["status"] == "diverged"
    known = (
        out if cell.column == "diverged" else mine[cell.column] if cell.column in mine else pd.Series([], dtype=float)
    )
    absent = 0.0 if cell.kind == "rate" else math.nan
    values = [absent if pd.isna(value) else float(value) for value in known]
    published_n = table.runs_of(cell)
    if math.isnan(cell.value):
        finite = [value for value in values if math.isfinite(value)]
        own = sum(finite) / len(finite) if finite else math.nan
        found = Against(own, cell.value, math.nan, math.nan, len(finite), 0.0)
    elif cell.kind == "rate":
        failed = out.tolist() if cell.column == "success" else [False] * len(values)
        hits = sum(bool(value) and not bad for value, bad in zip(values, failed, strict=True))
        found = rate_against(hits, len(values), published=cell.value, published_n=published_n, level=level)
    else:
        found = mean_against(
            values, published=cell.value, published_n=published_n, deviation=cell.deviation, level=level
        )
    if not found.n:
        return CellComparison(cell, found, "cannot tell", "no run of it has ended")
    if math.isnan(cell.value):
        return CellComparison(cell, found, "cannot tell", "no number was published")
    if table.departs:
        return CellComparison(cell, found, "cannot tell", table.departs)
    steps = int(mine["generator_steps"].max()) if "generator_steps" in mine else 0
    if steps != full:
        return CellComparison(cell, found, "cannot tell", f"trained for {steps / full:.1%} of the published steps")
    width = max(found.high, -found.low)
    why = "" if found.verdict != "cannot tell" else f"{found.n} seeds leave ±{width:.3g} open"
    return CellComparison(cell, found, found.verdict, why)
