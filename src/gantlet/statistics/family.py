"""Every setting against one, metric by metric: a family of comparisons, corrected together.

One criterion decides what is significant: the p value after Holm's correction over the settings that are compared in one
metric is at most 1 - level. The interval of a difference says how large it may be, not whether it is there: with few pairs
the bootstrap is too narrow, and an interval that excludes zero beside a p of 0.12 shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from gantlet.errors import BadData, BadValue, UnknownName

from .comparisons import Paired, all_paired
from .multiplicity import holm, least_pairs, smallest_p
from .power import detectable_difference
from .summary import RUN_COLUMNS, counted_members, values_by_seed

__all__ = ["Compared", "compare_settings", "comparison_rows"]


@dataclass(frozen=True)
class Compared:
    """One setting against another in one metric, within its family.

    Attributes:
        setting: The label of the setting.
        against: That of the setting it is compared with.
        metric: The column.
        pair: The differences of their shared seeds; None where they share none with a value.
        corrected: The p value after Holm's correction; nan where there is none.
        comparisons: How many comparisons were corrected together.
        detectable: The true difference that so many pairs of this spread show in four studies of five; nan if not known.
        smallest: The smallest p value, after correction, that so many pairs can give.
        significant: Whether ``corrected`` is at most 1 - level.
    """

    setting: str
    against: str
    metric: str
    pair: Paired | None
    corrected: float
    comparisons: int
    detectable: float
    smallest: float
    significant: bool


def compare_settings(
    runs: pd.DataFrame,
    settings: Sequence[str],
    against: str,
    metrics: Sequence[str],
    *,
    task: str | None = None,
    level: float = 0.95,
) -> list[Compared]:
    """Every setting against one, in every metric; Holm's correction is over the settings, metric by metric.

    Settings that share no seed with it are listed without a comparison, and do not count in the correction.

    Arguments:
        runs: One row per run, as for :func:`~gantlet.statistics.summary.summarise`.
        settings: The labels to compare; ``against`` itself is skipped.
        against: The label to compare with.
        metrics: Columns of ``runs``, ``success`` and ``failure`` included.
        task: Which task, where the labels occur in several.
        level: The confidence of the intervals, and one minus the risk of a false finding in one metric.

    Raises:
        UnknownName: There is no setting ``against``, or no such column.
        BadData: ``runs`` lacks a column.

    Example:
        >>> runs = pd.DataFrame({"task": "ring8", "method": "m", "setting": ["a"] * 6 + ["b"] * 6,
        ...                      "seed": [1, 2, 3, 4, 5, 6] * 2, "status": "finished", "modes": [5] * 6 + [7] * 6})
        >>> found, = compare_settings(runs, ["a", "b"], "a", ["modes"])
        >>> found.setting, found.pair.difference.estimate, found.corrected, found.significant
        ('b', 2.0, 0.03125, True)
    """
    if against not in set(runs["setting"].unique()):
        raise UnknownName("setting", against, map(str, runs["setting"].unique()))
    for metric in metrics:
        if metric not in runs:
            raise UnknownName("column", metric, map(str, runs.columns))
    narrow = runs[[name for name in runs if name in {*RUN_COLUMNS, *metrics}]]
    of = {str(label): rows for label, rows in narrow.groupby("setting", sort=False, observed=True)}
    sides = {label: _side(of[label], task) for label in (*settings, against) if label in of}
    others = [label for label in dict.fromkeys(settings) if label != against]
    values = {(label, metric): _values(sides.get(label), metric) for metric in metrics for label in (against, *others)}
    asked = [
        (label, metric) for metric in metrics for label in others if _comparable(sides.get(label), sides.get(against))
    ]
    pairs = all_paired([(values[label, metric], values[against, metric]) for label, metric in asked], level=level)
    made = {place: pair for place, pair in zip(asked, pairs, strict=True) if pair.n}
    return [
        each
        for metric in metrics
        for each in _corrected({label: made.get((label, metric)) for label in others}, against, metric, level)
    ]


def comparison_rows(compared: Sequence[Compared]) -> pd.DataFrame:
    """Comparisons as a table, one row each; numbers in full.

    Columns: ``metric, setting, against, pairs, difference, low, high, p, p_holm, significant, comparisons, smallest_p,
    pairs_needed, detectable, test``. ``pairs_needed`` are the fewest with which a p value can be significant at all.
    """
    rows = [
        {
            "metric": each.metric,
            "setting": each.setting,
            "against": each.against,
            "pairs": each.pair.n if each.pair else 0,
            "difference": each.pair.difference.estimate if each.pair else float("nan"),
            "low": each.pair.difference.low if each.pair else float("nan"),
            "high": each.pair.difference.high if each.pair else float("nan"),
            "p": each.pair.p_value if each.pair else float("nan"),
            "p_holm": each.corrected,
            "significant": each.significant,
            "comparisons": each.comparisons,
            "smallest_p": each.smallest,
            "pairs_needed": least_pairs(comparisons=max(1, each.comparisons)),
            "detectable": each.detectable,
            "test": each.pair.test if each.pair else "",
        }
        for each in compared
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    "metric", "setting", "against", "pairs", "difference", "low", "high", "p", "p_holm", "significant", "comparisons",
    "smallest_p", "pairs_needed", "detectable", "test",
]  # fmt: skip


class _Side(NamedTuple):
    """One setting: the tasks of its members, and those that count."""

    tasks: frozenset[str]
    counted: pd.DataFrame


def _side(members: pd.DataFrame, task: str | None) -> _Side | None:
    """The members of a setting; None where a seed is there twice."""
    chosen = members if task is None else members[members["task"] == task]
    try:
        return _Side(frozenset(chosen["task"].unique()), counted_members(chosen))
    except BadData:
        return None


def _comparable(one: _Side | None, other: _Side | None) -> bool:
    """Whether two settings are of the same task, and each seed is there once."""
    return one is not None and other is not None and len(one.tasks | other.tasks) == 1


def _values(side: _Side | None, metric: str) -> dict[int, float]:
    """The values of a setting's members by seed; none where they are no numbers, or nothing has run yet."""
    try:
        return values_by_seed(side.counted, metric) if side is not None else {}
    except BadValue:
        return {}


def _corrected(pairs: Mapping[str, Paired | None], against: str, metric: str, level: float) -> list[Compared]:
    count = sum(pair is not None for pair in pairs.values())
    p_values = holm([pair.p_value if pair else float("nan") for pair in pairs.values()])
    return [
        Compared(
            setting=label,
            against=against,
            metric=metric,
            pair=pair,
            corrected=float(p_value),
            comparisons=count,
            detectable=detectable_difference(pair.deviation, pair.n, comparisons=count, level=level)
            if pair
            else float("nan"),
            smallest=smallest_p(pair.n, comparisons=count) if pair else 1.0,
            significant=bool(p_value <= 1 - level + 1e-12),
        )
        for (label, pair), p_value in zip(pairs.items(), p_values, strict=True)
    ]
