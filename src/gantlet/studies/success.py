"""Success by a rule: thresholds on columns of the results, held at the last evaluations.

The rule is the setting ``success``; it takes the place of the column ``success`` that a metric may have of its own. A member
that diverged has no success.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from gantlet.errors import UnknownName
from gantlet.metrics.compose import Composed
from gantlet.requests.criterion import Criterion, parse_criteria
from gantlet.requests.resolve import Resolved

from .record import MetricRecord

__all__ = ["SUCCESS", "Recent", "recent_of", "rule_of", "rule_records", "succeeds"]

SUCCESS = "success"
"""The column, and the setting whose rule decides it."""

Recent = list[list[float]]
"""Of one member: for each criterion the column at the last evaluations, as many as it must hold."""


def rule_of(resolved: Resolved, metrics: Composed) -> tuple[Criterion, ...]:
    """The criteria of a setting; none where its metrics lack a column of a rule that the user did not give.

    Raises:
        UnknownName: The user's rule names a column that the metrics do not have.
        BadValue: The rule cannot be read.
    """
    rule = parse_criteria(resolved.training.success)
    known = [column.name for column in metrics.columns if column.name != SUCCESS]
    for criterion in rule:
        if criterion.column not in known:
            if not resolved.by_user.success:
                return ()
            raise UnknownName("column for success", criterion.column, known)
    return rule


def rule_records(measured: Iterable[tuple[Resolved, Composed]]) -> dict[str, MetricRecord]:
    """What a study's record says of the column ``success``: every rule by which its settings are judged; none without rules.

    Arguments:
        measured: The settings, each with its metrics.
    """
    rules, own = dict[str, None](), dict[str, None]()
    for resolved, metrics in measured:
        if rule := rule_of(resolved, metrics):
            rules[" and ".join(map(str, rule))] = None
        else:
            own |= {column.help: None for column in metrics.columns if column.name == SUCCESS}
    if not rules:
        return {}
    return {SUCCESS: MetricRecord(help=" or, by setting, ".join([*own, *sorted(rules)]), better="higher")}


def succeeds(rule: Sequence[Criterion], recent: Recent, row: dict[str, Any]) -> bool:
    """Take in one evaluation of a member, and say whether all criteria hold; ``recent`` is brought up to date.

    Example:
        >>> rule, recent = parse_criteria("modes>=8:2"), []
        >>> [succeeds(rule, recent, {"modes": modes}) for modes in (8, 8, 7)]
        [False, True, False]
    """
    if len(recent) != len(rule):
        recent[:] = [[] for _ in rule]
    for criterion, values in zip(rule, recent, strict=True):
        found = row.get(criterion.column)
        values.append(float(found) if isinstance(found, (bool, int, float)) else math.nan)
        del values[: -criterion.held]
    return all(criterion.holds(values) for criterion, values in zip(rule, recent, strict=True))


def recent_of(stored: Any) -> dict[int, Recent]:
    """What a checkpoint says of the last evaluations, by slot; what is not that is left out."""
    entries: list[Any] = stored if isinstance(stored, list) else []
    return {slot: entry for slot, entry in enumerate(entries) if _is_recent(entry)}


def _is_recent(entry: Any) -> bool:
    lists: list[Any] = entry if isinstance(entry, list) else [None]
    return all(
        isinstance(values, list) and all(isinstance(value, (int, float)) for value in values) for values in lists
    )  # pyright: ignore[reportUnknownVariableType]
