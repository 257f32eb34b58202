"""The summary of a table of runs: rates and means with their intervals, one row per setting.

What counts: every run that is ``finished`` or ``diverged``. A diverged run never counts as a success; its failure and
its metrics, those of its last good state, count as they stand. Runs that were stopped or have failed are left out and
counted as ``unfinished``. A value that a counted run does not have is left out too, and counted in ``<name>_missing``
(a column that is there only where something is missing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantlet.errors import BadData, BadValue, UnknownName

from .aggregates import interquartile_mean
from .comparisons import Paired, paired
from .intervals import Floats, Interval, bootstrap_means, wilson

__all__ = [
    "RUN_COLUMNS",
    "Aggregate",
    "compare",
    "counted_members",
    "scores_by_task",
    "summarise",
    "values_by_seed",
]

Aggregate = Literal["mean", "iqm"]
"""How members' values become one number: their mean, or the mean of their middle half."""

_KEYS = ("task", "setting")
RUN_COLUMNS = ("task", "method", "setting", "seed", "status")
"""The columns that a table of runs must have."""
_RATES = ("success", "failure")
_COUNTED = ("finished", "diverged")
_Places = NDArray[np.intp]


def summarise(
    runs: pd.DataFrame, *, metrics: Sequence[str], level: float = 0.95, aggregate: Aggregate = "mean"
) -> pd.DataFrame:
    """One row per task and setting, in the order in which they first appear.

    Columns: ``task, method, setting, seeds, finished, diverged, unfinished``; where the runs have the columns
    ``success`` and ``failure``, each with ``_rate, _low, _high`` (Wilson); for each metric ``_mean, _low, _high``
    (bootstrap), or ``_iqm, _low, _high``. ``seeds`` counts all runs of the setting.

    Arguments:
        runs: One row per run, with the columns ``task, method, setting, seed, status``.
        metrics: Numeric columns of ``runs``.
        level: The confidence of the intervals.
        aggregate: ``mean``, or ``iqm`` for the interquartile mean.

    Raises:
        BadData: ``runs`` lacks one of its five columns.
        UnknownName: A metric that is not a column of ``runs``.
        BadValue: A metric that is not numeric, a level that is not between 0 and 1, or another aggregate.

    Example:
        >>> runs = pd.DataFrame({"task": "ring8", "method": "alpha", "setting": "alpha_d=0.3", "seed": [1, 2, 3],
        ...                      "status": ["finished", "finished", "diverged"], "success": [True, True, False]})
        >>> summarise(runs, metrics=[])[["seeds", "diverged", "success_rate"]].round(2).to_dict("records")
        [{'seeds': 3, 'diverged': 1, 'success_rate': 0.67}]
    """
    _check(runs, metrics)
    if aggregate not in get_args(Aggregate):
        raise BadValue(f"aggregate={aggregate} is not one of {', '.join(get_args(Aggregate))}.")
    rates = [name for name in _RATES if name in runs]
    runs = runs[list(dict.fromkeys([*RUN_COLUMNS, *rates, *metrics]))]
    counts = runs["status"].isin(_COUNTED).to_numpy()
    groups = _groups(runs)
    counted = [rows[counts[rows]] for rows in groups]
    rows = _rows(runs, groups, counted)
    values = {name: _at(counts, _values(runs[counts], name)) for name in dict.fromkeys([*rates, *metrics])}
    for name in rates:
        for row, known in zip(rows, counted, strict=True):
            row.update(_named(name, "rate", _rate(values[name][known], level)))
    columns = [values[name][known] for known in counted for name in metrics]
    if aggregate == "iqm":
        found = [interquartile_mean({"": column}, level=level) for column in columns]
    else:
        found = bootstrap_means(columns, level=level)
    for place, interval in enumerate(found):
        rows[place // len(metrics)] |= _named(metrics[place % len(metrics)], aggregate, interval)
    names = _columns(rates, metrics, aggregate)
    table = pd.DataFrame(rows, columns=names)
    return table.drop(columns=[name for name in names if name.endswith("_missing") and not table[name].any()])


def compare(runs: pd.DataFrame, a: str, b: str, metric: str, *, task: str | None = None, level: float = 0.95) -> Paired:
    """Compare two settings (a - b) over their shared seeds, by any numeric column or by ``success``.

    Arguments:
        runs: One row per run, as for :func:`summarise`.
        a: The label of a setting.
        b: The label of another one.
        metric: A column of ``runs``.
        task: Which task, where the labels occur in several.
        level: The confidence of the interval.

    Raises:
        BadData: ``runs`` lacks a column, or a setting has a seed twice.
        UnknownName: No such setting or column.
        BadValue: The settings share no seed, the task is ambiguous, or the column is not numeric.

    Example:
        >>> runs = pd.DataFrame({"task": "ring8", "method": "alpha", "setting": ["a", "a", "b", "b"],
        ...                      "seed": [1, 2, 1, 2], "status": "finished", "modes": [8, 7, 5, 6]})
        >>> compare(runs, "a", "b", "modes").difference.estimate
        2.0
    """
    _check(runs, [metric])
    for label in (a, b):
        if label not in set(runs["setting"].unique()):
            raise UnknownName("setting", label, map(str, runs["setting"].unique()))
    chosen = runs[runs["setting"].isin([a, b])]
    if task is not None:
        chosen = chosen[chosen["task"] == task]
    elif chosen["task"].nunique() > 1:
        tasks = ", ".join(map(str, chosen["task"].unique()))
        raise BadValue(f"The settings '{a}' and '{b}' were run on several tasks ({tasks}): say which.")
    sides = [counted_members(chosen[chosen["setting"] == label]) for label in (a, b)]
    return paired(*(values_by_seed(side, metric) for side in sides), level=level)


def counted_members(members: pd.DataFrame) -> pd.DataFrame:
    """Of one setting's members those that count: finished and diverged ones.

    Raises:
        BadData: A seed is there more than once.
    """
    counted = members[members["status"].isin(_COUNTED)]
    twice = counted["seed"].duplicated()
    if twice.any():
        label, seed = counted["setting"].iloc[0], counted["seed"][twice].iloc[0]
        raise BadData(f"The setting '{label}' has the seed {seed} more than once; compare one task and study.")
    return counted


def values_by_seed(counted: pd.DataFrame, metric: str) -> dict[int, float]:
    """The values of members by seed, nan where there is none; a diverged one is never a success.

    Raises:
        BadValue: The column is not numeric.
    """
    return dict(zip(map(int, counted["seed"].tolist()), _values(counted, metric).tolist(), strict=True))


def scores_by_task(runs: pd.DataFrame, metric: str) -> dict[str, dict[str, Floats]]:
    """The members' values by setting and task, for :func:`~gantlet.statistics.rank_methods` and its like.

    What counts is what :func:`summarise` counts: finished and diverged members; a diverged one is never a success.

    Arguments:
        runs: One row per run, as for :func:`summarise`; several studies' below each other make several tasks.
        metric: A numeric column, or ``success``.

    Raises:
        BadData: ``runs`` lacks one of its five columns.
        UnknownName: There is no such column.
        BadValue: The column is not numeric.

    Example:
        >>> runs = pd.DataFrame({"task": ["ring8", "grid25"], "method": "alpha", "setting": "alpha", "seed": 1,
        ...                      "status": "finished", "modes": [8, 21]})
        >>> {task: values.tolist() for task, values in scores_by_task(runs, "modes")["alpha"].items()}
        {'ring8': [8.0], 'grid25': [21.0]}
    """
    _check(runs, [metric])
    counted = runs[runs["status"].isin(_COUNTED)]
    scores: dict[str, dict[str, Floats]] = {}
    for (setting, task), group in counted.groupby(["setting", "task"], sort=False, observed=True):
        scores.setdefault(str(setting), {})[str(task)] = _values(group, metric)
    return scores


def _groups(runs: pd.DataFrame) -> list[_Places]:
    """The places of the runs of each task and setting, in the order in which these first appear."""
    if not len(runs):
        return []
    found = runs.groupby(list(_KEYS), sort=False, observed=True, dropna=False).ngroup().to_numpy()
    order = np.argsort(found, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(found[order])) + 1)


def _at(chosen: NDArray[np.bool_], values: Floats) -> Floats:  # [n], [m] -> [n]
    """The values at their places among all runs; nan at the others."""
    found = np.full(len(chosen), np.nan)
    found[chosen] = values
    return found


def _rows(runs: pd.DataFrame, groups: Sequence[_Places], counted: Sequence[_Places]) -> list[dict[str, Any]]:
    """Of each setting its words, and how many of its runs are what."""
    words = runs[["task", "method", "setting"]].iloc[[rows[0] for rows in groups]].to_dict("records")
    finished = runs["status"].isin(["finished"]).to_numpy()
    return [
        {str(name): word for name, word in each.items()}
        | {
            "seeds": len(rows),
            "finished": (ended := int(finished[known].sum())),
            "diverged": len(known) - ended,
            "unfinished": len(rows) - len(known),
        }
        for each, rows, known in zip(words, groups, counted, strict=True)
    ]


def _rate(values: Floats, level: float) -> Interval:
    known = values[np.isfinite(values)]
    share = wilson(int(known.sum()), len(known), level=level)
    return Interval(share.estimate, share.low, share.high, level, len(known), len(values) - len(known))


def _named(name: str, kind: str, interval: Interval) -> dict[str, float]:
    return {
        f"{name}_{kind}": interval.estimate,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_missing": interval.missing,
    }


def _columns(rates: Sequence[str], metrics: Sequence[str], aggregate: Aggregate) -> list[str]:
    names = ["task", "method", "setting", "seeds", "finished", "diverged", "unfinished"]
    quantities = [(name, "rate") for name in rates] + [(name, aggregate) for name in metrics]
    for name, kind in quantities:
        names += [f"{name}_{kind}", f"{name}_low", f"{name}_high", f"{name}_missing"]
    return names


def _values(runs: pd.DataFrame, name: str) -> Floats:  # [n]
    """A column as numbers, nan where there is none; a diverged run's success is 0 whatever the column says."""
    values = _numbers(runs[name], name)
    if name == "success":
        values[(runs["status"] == "diverged").to_numpy()] = 0.0
    return values


def _numbers(column: pd.Series[Any], name: str) -> Floats:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
        return column.to_numpy(dtype=np.float64, copy=True)
    if isinstance(column.dtype, pd.Int64Dtype | pd.Float64Dtype | pd.BooleanDtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    try:
        # By hand: a column that mixes truth values with missing ones has the type object.
        return np.array([np.nan if pd.isna(value) else float(value) for value in column], dtype=np.float64)
    except (TypeError, ValueError):
        raise BadValue(f"The column '{name}' is not numeric: it cannot be averaged.") from None


def _check(runs: pd.DataFrame, metrics: Sequence[str]) -> None:
    lacking = [name for name in RUN_COLUMNS if name not in runs]
    if lacking:
        raise BadData(f"The table of runs lacks the column {', '.join(lacking)}; give the runs of a study.")
    for name in metrics:
        if name not in runs:
            raise UnknownName("column", name, map(str, runs.columns))
