"""A study of a published table, or several of other seeds together, against the published numbers."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from gantlet.errors import StoreError
from gantlet.requests.resolve import Resolved, expand
from gantlet.statistics.published import Against, mean_against, rate_against

from ..build import steps_of
from ..plan import plan_of
from ..store import Store
from ..views import read_runs
from .adopt import Match, matching
from .reproduce import full_steps, request_of, share_of, table_of
from .table import PublishedCell, PublishedTable

__all__ = ["CellComparison", "compare_table"]

_LOG = logging.getLogger("gantlet")
_CARDS = "metrics"
"""Where a study's record keeps the cards of its metrics, among its facts."""


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


@dataclass(frozen=True)
class _Trained:
    """The runs of the table's settings, with the settings' labels in the table, and by these labels the study's settings.

    Attributes:
        runs: One row per member.
        full: The published length, in steps.
        planned: For how many steps the study's settings are planned, by their labels in the table.
        matches: The study's settings.
    """

    runs: pd.DataFrame
    full: int
    planned: Mapping[str, int]
    matches: Mapping[str, Match]


def compare_table(stores: Store | Sequence[Store], table: PublishedTable | None = None) -> list[CellComparison]:
    """A study against the published numbers, all of them judged together at 95 %; of several studies the union of their runs.

    Arguments:
        stores: The study, or several of the same settings and other seeds.
        table: The table, if it is an ordinary study, or there are several; they must hold some of the table's settings.

    Raises:
        StoreError: It is not a study of a table, has none of the settings of this one, or two of them hold the same seed of a setting.
    """
    several = [stores] if isinstance(stores, Store) else list(stores)
    own = table_of(several[0].record(), several[0].folder) if table is None else table
    settings = expand(request_of(own, 1))
    parts = [_trained(store, own, settings, begun=table is None) for store in several]
    for at, (store, part) in enumerate(zip(several, parts, strict=True)):
        for other, before in zip(several[:at], parts[:at], strict=True):
            _check_apart(other, before, store, part)
    level = 1 - 0.05 / len(own.cells)
    return [_compared(cell, own, parts, level=level) for cell in own.cells]


def _trained(store: Store, table: PublishedTable, settings: Sequence[Resolved], *, begun: bool) -> _Trained:
    record = store.record()
    matches = matching(table, settings, record, store.folder, begun=begun)
    runs = read_runs(store, record)
    named = [runs[runs["setting"] == match.label].assign(setting=own) for own, match in matches.items() if match.counts]
    steps = {each.label: steps_of(each.training, record.sample.pool) for each in plan_of(record).settings}
    planned = {own: steps[match.label] for own, match in matches.items()}
    return _Trained(pd.concat(named, ignore_index=True), full_steps(table, record), planned, matches)


def _check_apart(first: Store, before: _Trained, second: Store, after: _Trained) -> None:
    """Refuse two studies of which a run would count twice, and say where they were measured by other means.

    Raises:
        StoreError: They hold the same seed of a setting.
    """
    known = {*zip(before.runs["setting"], before.runs["seed"], strict=True)}
    both = sorted(known & {*zip(after.runs["setting"], after.runs["seed"], strict=True)})
    if both:
        setting, seed = both[0]
        raise StoreError(
            f"{first.folder} and {second.folder} both hold seed {seed} of {setting}, which would count twice; compare studies of "
            f"other seeds."
        )
    cards = [store.record().facts.get(_CARDS) for store in (first, second)]
    if cards[0] != cards[1]:
        _LOG.warning(
            "note: the metrics of %s and %s have other cards (other classifiers, say), which can move their numbers",
            *(first.folder, second.folder),
        )


def _compared(cell: PublishedCell, table: PublishedTable, parts: Sequence[_Trained], *, level: float) -> CellComparison:
    rows = [part.runs[part.runs["setting"] == cell.setting] for part in parts]
    ended = [each[each["status"].isin(["finished", "diverged"])] for each in rows]
    found = _against(cell, table, pd.concat(ended, ignore_index=True), level)
    matches = [part.matches[cell.setting] for part in parts]
    counted = [match for match in matches if match.counts]
    differs = next((match.differs for match in counted if match.differs), "")
    trained = [
        (_length(each, part.planned[cell.setting]), part.full)
        for each, part in zip(ended, parts, strict=True)
        if len(each) and "generator_steps" in each
    ]
    other = next((share_of(steps, full) for steps, full in trained if steps != full), "" if trained else share_of(0, 1))
    whys = [
        (f"not trained; nearest is {matches[0].label}, with {matches[0].differs}", not counted),
        ("no run of it has ended", not found.n),
        ("no number was published", math.isnan(cell.value)),
        (table.departs, bool(table.departs)),
        (f"trained for {other} of the published steps", bool(other)),
        (f"begun with {differs}", bool(differs)),
    ]
    if why := next((why for why, holds in whys if holds), ""):
        return CellComparison(cell, found, "cannot tell", why)
    width = max(found.high, -found.low)
    open_ = "" if found.verdict != "cannot tell" else f"{found.n} seeds leave ±{width:.3g} open"
    return CellComparison(cell, found, found.verdict, open_)


def _length(ended: pd.DataFrame, planned: int) -> int:
    """For how many steps runs were trained; one that diverged says what it has to say of all that were planned."""
    finished = ended.loc[ended["status"] == "finished", "generator_steps"]
    return int(finished.max()) if len(finished) else planned


def _against(cell: PublishedCell, table: PublishedTable, mine: pd.DataFrame, level: float) -> Against:
    """The runs that have ended against a published number."""
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
        return Against(own, cell.value, math.nan, math.nan, len(finite), 0.0)
    if cell.kind == "rate":
        failed = out.tolist() if cell.column == "success" else [False] * len(values)
        hits = sum(bool(value) and not bad for value, bad in zip(values, failed, strict=True))
        return rate_against(hits, len(values), published=cell.value, published_n=published_n, level=level)
    return mean_against(values, published=cell.value, published_n=published_n, deviation=cell.deviation, level=level)
