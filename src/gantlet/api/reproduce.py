"""``gantlet.reproduce``: a published table at a budget, and how one's own results compare with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from gantlet.catalogue import refuse_while_importing
from gantlet.errors import BadValue, StoreError, UnknownName
from gantlet.places import command, user_path, what_is_there
from gantlet.requests.options import Options, default_folder
from gantlet.studies.build import steps_of
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.extend import extend_plan
from gantlet.studies.launch import resume, start, unfinished
from gantlet.studies.plan import plan_of
from gantlet.studies.progress import watched
from gantlet.studies.published import find_table
from gantlet.studies.published.budgets import parse_budget
from gantlet.studies.published.compare import CellComparison, compare_table
from gantlet.studies.published.reproduce import begin_table, full_steps, more_of_table, prospects, table_of
from gantlet.studies.published.table import PublishedTable
from gantlet.studies.record import FleetPlan, StudyRecord
from gantlet.studies.store import Store
from gantlet.studies.study import Study

__all__ = ["Reproduction", "Train", "advance", "reproduce"]

_LOG = logging.getLogger("gantlet")

Train = Callable[[Store, list[FleetPlan], Callable[[Callbacks], Store]], object]
"""Trains a study's unfinished fleets when it is given what trains them."""


@dataclass(frozen=True)
class Reproduction:
    """A table that was trained, and how it compares.

    Attributes:
        study: The study.
        table: What was published.
        cells: One comparison for each published number.
        others: Further studies that were compared together with it.
    """

    study: Study
    table: PublishedTable
    cells: list[CellComparison]
    others: tuple[Study, ...] = ()

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
    out: str | Path | Sequence[str | Path] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Reproduction:
    """Train a published table as far as a budget goes, and compare; or go on with one that was begun.

    With a table and the folder of a study that is there already, ``out``, nothing is trained or written: the study is
    compared with the table as it stands, if it holds the table's settings. Several such folders, of other seeds, are compared as one.

    Arguments:
        name: A table (``gantlet reproduce`` lists them; behind a colon the folder of its data), or the folder of one that was
            begun.
        budget: ``90s``, ``5m``, ``1h``, ``2d``, or ``paper``: the published seeds and length.
        out: The study folder; ``runs/<table>-<date>-<time>`` if None; several that are there are compared together.
        options: ``device``, ``executor``, ``workers``, ``note``, as of ``gantlet.run``, for a table that is begun.
        progress: Whether to print a line of progress.

    Raises:
        UsageError: No such table, not one step fits the budget, the data are not here, or options for a table that was begun with
            others; nothing is written then.
        StoreError: The folder cannot be written, or holds a study without the table's settings.
    """
    refuse_while_importing("gantlet.reproduce")

    def train(store: Store, fleets: list[FleetPlan], go: Callable[[Callbacks], Store]) -> Store:
        return watched(store, fleets, go, progress=progress, on_evaluation=None)

    given: dict[str, Any] = {"command": f"gantlet.reproduce({name!r}, budget={budget!r})", **(options or {})}
    folders = [] if out is None else [out] if isinstance(out, str | Path) else out
    return advance(name, parse_budget(budget), given, [user_path(each) for each in folders], train)


def advance(
    name: str,
    seconds: float | None,
    options: Mapping[str, Any],
    out: Sequence[Path],
    train: Train,
    say: Callable[[str], object] = lambda sentence: None,
) -> Reproduction:
    """Begin a table or go on with one, tell what the budget can show, train, and compare.

    Arguments:
        name: A table, or a folder.
        seconds: The budget; None for the published seeds and length.
        options: Of :class:`~gantlet.requests.options.Options`.
        out: The study folder of a table that is begun, or studies that are only compared; none for a folder of its own.
        train: Trains what is planned.
        say: Told what the budget can and cannot show.

    Raises:
        BadValue: Several folders, of which one is no study; or another folder or options for a study, which goes on where it is
            and as it was begun.
        UnknownName: There is no such table.
        StoreError: The folder holds no study.
    """
    folder, there = Path(name), [each for each in out if (each / "study.json").exists()]
    if len(out) > 1 and len(there) < len(out):
        missing = next(each for each in out if each not in there)
        raise BadValue(f"--out is given {len(out)} times, which compares studies, and {missing} is none.")
    if (folder / "study.json").exists():
        if elsewhere := [each for each in out if each.resolve() != folder.resolve()]:
            raise BadValue(
                f"{folder} is a study and goes on where it is: leave out --out {elsewhere[0]}, or name a table."
            )
        _check_as_begun(folder, options)
        store = Store(folder)
        go: Callable[[Callbacks], Store] = partial(resume, folder)
        if unfinished(store):
            _LOG.warning(
                "note: what an earlier budget planned is not finished, and is trained to its end, whatever --budget says; the next "
                "budget adds to it"
            )
        elif (extension := more_of_table(store, seconds)) is not None:
            go = partial(resume, folder, cache=extend_plan(folder, extension))
        record = store.record()
        _say(record, table_of(record, folder), say)
        if waiting := unfinished(store):
            train(store, waiting, go)
    elif there:
        table = _table(name)
        cells = compare_table([Store(each) for each in there], table)
        are = "are studies already: they are compared" if len(there) > 1 else "is a study already: it is compared"
        stand = "they stand" if len(there) > 1 else "it stands"
        say(f"{' and '.join(map(str, there))} {are} as {stand}, and nothing is trained.")
        return Reproduction(Study(there[0]), table, cells, tuple(Study(each) for each in there[1:]))
    else:
        table = _table(name)
        target = out[0] if out else default_folder(table.name)
        planned = begin_table(table, Options(out=target, **options), seconds)
        store, fleets = Store(target), list(planned.plan.fleets)
        _say(planned.record(), table, say)
        train(store, fleets, partial(start, planned))
    return Reproduction(Study(store.folder), table_of(store.record(), store.folder), compare_table(store))


def _table(name: str) -> PublishedTable:
    try:
        return find_table(name)
    except UnknownName:
        if Path(name).exists():
            raise StoreError(
                f"{name} is neither a published table nor a folder in which one was begun.{what_is_there(Path(name))} gantlet "
                f"reproduce lists the tables."
            ) from None
        raise


def _check_as_begun(folder: Path, options: Mapping[str, Any]) -> None:
    """Refuse options with which a study that is there cannot go on: it has those of its beginning.

    Raises:
        BadValue: One is given.
    """
    usual = Options()
    given = [name for name, value in options.items() if name != "command" and value != getattr(usual, name, None)]
    if given:
        raise BadValue(
            f"{folder} is a study and goes on as it was begun: leave out {', '.join(given)}. Another device or number of workers "
            f"from now on is for: {command('extend', folder)} --device D --workers N"
        )


def _say(record: StudyRecord, table: PublishedTable, say: Callable[[str], object]) -> None:
    training = plan_of(record).settings[0].training
    steps, seeds = steps_of(training, record.sample.pool), len({member.seed for member in record.plan.members})
    full, samples = full_steps(table, record), training.samples
    for sentence in prospects(table, seeds=seeds, steps=steps, full=full, samples=samples):
        say(sentence)
