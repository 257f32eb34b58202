"""The merged tables of a study, from what each fleet wrote: ``runs.parquet`` and ``history.parquet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gantlet.errors import StoreError

from .record import FleetPlan, StudyRecord
from .store import Store

__all__ = ["runs_table", "write_views"]


def runs_table(store: Store) -> pd.DataFrame:
    """The merged table of members; those without results are ``failed`` or ``stopped``."""
    record = store.record()
    by_run = record.member_by_run
    rows: list[dict[str, Any]] = []
    for planned in record.plan.fleets:
        failure = _failure(store, planned.id)
        for fleet in store.leaves(planned):
            done, fault = _results(store, fleet, record)
            if done is not None:
                rows += done
                continue
            for run in fleet.runs:
                setting = record.settings[by_run[run].setting]
                rows.append(
                    {
                        "run": run,
                        "task": setting.task,
                        "method": setting.method,
                        "setting": setting.label,
                        "seed": by_run[run].seed,
                        "status": "failed" if failure or fault else "stopped",
                        "cause": fault or _last_line(failure),
                    }
                )
    return _typed(rows).sort_values("run", ignore_index=True)


def _last_line(failure: str | None) -> str | None:
    return failure.strip().splitlines()[-1] if failure and failure.strip() else None


def _failure(store: Store, fleet: str) -> str | None:
    try:
        return store.failure(fleet)
    except StoreError as error:
        return str(error)


def _results(store: Store, fleet: FleetPlan, record: StudyRecord) -> tuple[list[dict[str, Any]] | None, str]:
    """The rows of a finished fleet, or None and what is wrong with them; those of a shorter plan are not wrong."""
    if not (store.fleet(fleet.id) / "results.json").exists():
        return None, ""
    try:
        return store.results(fleet, record.seals(fleet)), ""
    except StoreError as error:
        return None, "" if store.outgrown(fleet, record) else str(error)


def _typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table; whole numbers and truth values stay such in columns that not every row has.

    Where one method's key is a number and another's of that name a word, a list or a truth value, the column is one of words.
    """
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values: list[Any] = [row.get(name) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1 and kinds != {int, float}:
            values = [value if value is None else str(value) for value in values]
        dtype = "Int64" if kinds == {int} else "boolean" if kinds == {bool} else None
        columns[name] = pd.array(values, dtype=dtype) if dtype else values
    return pd.DataFrame(columns)


def write_views(store: Store) -> None:
    """Rewrite ``runs.parquet`` and ``history.parquet`` from the fleets' files."""
    store.write_frame("runs.parquet", runs_table(store))
    store.write_frame("history.parquet", store.history())
