"""``gantlet.reproduce``: a published table at a budget, and how one's own results compare with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from gantlet.catalogue import refuse_while_importing
from gantlet.requests.options import Options, default_folder
from gantlet.studies.build import steps_of
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.extend import extend_plan
from gantlet.studies.launch import resume, start, unfinished
from gantlet.studies.plan import plan_of
from gantlet.studies.progress import watched
from gantlet.studies.published import find_table
from gantlet.studies.published.reproduce import (
    CellComparison,
    begin_table,
    compare_table,
    full_steps,
    more_of_table,
    parse_budget,
    prospects,
    table_of,
)
from gantlet.studies.published.table import PublishedTable
from gantlet.studies.record import FleetPlan
from gantlet.studies.store import Store
from gantlet.studies.study import Study

__all__ = ["Reproduction", "Train", "advance", "reproduce"]

Train = Callable[[Store, list[FleetPlan], Callable[[Callbacks], Store]], object]
"""Trains a study's unfinished fleets when it is given what trains them."""


@dataclass(frozen=True)
class Reproduction:
    """A table that was trained, and how it compares.

    Attributes:
        study: The study.
        table: What was published.
        cells: One comparison for each published number.
    """

    study: Study
    table: PublishedTable
    cells: list[CellComparison]

    def frame(self) -> pd.DataFrame:
        """One row per published number: ``setting, column, published, own, low, high, runs, verdict, why``.

        ``low`` and ``high`` are the limits of own minus published, at the level at which all cells are judged together.
        """
        rows = [
            {
                "setting": each.cell.setting,
                "column": each.cell.column,
                "published": each.cell.value,
                "own": each.against.own,
                "low": each.against.low,
                "high": each.against.high,
                "runs": each.against.n,
                "verdict": each.verdict,
                "why": each.why,
            }
            for each in self.cells
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        """What a notebook shows: the comparison."""
        return f"<p>{escape(repr(self))}</p>{self.frame().to_html(index=False, na_rep='')}"

    def __repr__(self) -> str:
        verdicts = [each.verdict for each in self.cells]
        counts = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts))
        return f"Reproduction({self.table.name!r}, {str(self.study.folder)!r}: {counts})"


def reproduce(
    name: str,
    *,
    budget: str = "5m",
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Reproduction:
    """Train a published table as far as a budget goes, and compare; or go on with one that was begun.

    With a table and the folder of a study that is there already, ``out``, nothing is trained or written: the study is
    compared with the table as it stands, if it holds the table's settings.

    Arguments:
        name: A table (``gantlet reproduce`` lists them; behind a colon the folder of its data), or the folder of one that was
            begun.
        budget: ``90s``, ``5m``, ``1h``, ``2d``, or ``paper``: the published seeds and length.
        out: The study folder; ``runs/<table>-<date>-<time>`` if None.
        options: ``device``, ``executor``, ``workers``, ``note``, as of ``gantlet.run``.
        progress: Whether to print a line of progress.

    Raises:
        UsageError: No such table, not one step fits the budget, or the data are not here; nothing is written then.
        StoreError: The folder cannot be written, or holds a study without the table's settings.
    """
    refuse_while_importing("gantlet.reproduce")

    def train(store: Store, fleets: list[FleetPlan], go: Callable[[Callbacks], Store]) -> Store:
        return watched(store, fleets, go, progress=progress, on_evaluation=None)

    given: dict[str, Any] = {"command": f"gantlet.reproduce({name!r}, budget={budget!r})", **(options or {})}
    return advance(name, parse_budget(budget), given, None if out is None else Path(out), train)


def advance(
    name: str,
    seconds: float | None,
    options: Mapping[str, Any],
    out: Path | None,
    train: Train,
    say: Callable[[str], object] = lambda sentence: None,
) -> Reproduction:
    """Begin a table or go on with one, tell what the budget can show, train, and compare.

    Arguments:
        name: A table, or a folder.
        seconds: The budget; None for the published seeds and length.
        options: Of :class:`~gantlet.requests.options.Options`.
        out: The study folder of a table that is begun, or a study that is only compared.
        train: Trains what is planned.
        say: Told what the budget can and cannot show.
    """
    folder = Path(name)
    if (folder / "study.json").exists():
        store = Store(folder)
        go: Callable[[Callbacks], Store] = partial(resume, folder)
        if not unfinished(store):
            extension = more_of_table(store, seconds)
            if extension is not None:
                go = partial(resume, folder, cache=extend_plan(folder, extension))
        _say(store, say)
        if waiting := unfinished(store):
            train(store, waiting, go)
    elif out is not None and (out / "study.json").exists():
        store, table = Store(out), find_table(name)
        cells = compare_table(store, table)
        say(f"{out} is a study already: it is compared as it stands, and nothing is trained.")
        return Reproduction(Study(out), table, cells)
    else:
        table = find_table(name)
        target = default_folder(table.name) if out is None else out
        planned = begin_table(table, Options(out=target, **options), seconds)
        store, fleets = Store(target), list(planned.plan.fleets)
        setting = planned.plan.settings[0]
        steps, record = steps_of(setting.training, planned.samples[0].pool), planned.record()
        seeds = len({member.seed for member in planned.plan.members})
        for sentence in prospects(table, seeds=seeds, steps=steps, full=full_steps(table, record)):
            say(sentence)
        train(store, fleets, partial(start, planned))
    return Reproduction(Study(store.folder), table_of(store.record(), store.folder), compare_table(store))


def _say(store: Store, say: Callable[[str], object]) -> None:
    record = store.record()
    table, plan = table_of(record, store.folder), plan_of(record)
    steps = steps_of(plan.settings[0].training, record.sample.pool)
    seeds = len({member.seed for member in plan.members})
    for sentence in prospects(table, seeds=seeds, steps=steps, full=full_steps(table, record)):
        say(sentence)
