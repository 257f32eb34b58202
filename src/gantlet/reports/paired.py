"""Paired comparisons as a table for readers: each setting minus one, and one criterion that decides what is marked.

What is marked (bold on the page, bold or a dagger in LaTeX, ``*`` in a terminal) is significant after Holm's correction, see
:mod:`gantlet.statistics.family`; the text under the table says so, and what the seeds at hand cannot show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from gantlet.statistics import Compared, compare_settings, least_pairs

from .read import StudyData
from .words import MISSING, number, plain

__all__ = ["compared_with", "criterion_note", "difference_texts", "paired_table", "probability"]

_MOST_COMPARED = 40  # settings
_LEVEL = 0.95


def compared_with(study: StudyData, against: str = "") -> list[Compared]:
    """Every setting against one (the first by default) in every rate and metric; none where there is only one.

    Of more than 40 settings the first 40 others are compared, and corrected for.

    Raises:
        UnknownName: There is no such setting.
    """
    base = against or study.labels[0]
    others = [label for label in study.labels if label != base][:_MOST_COMPARED]
    present = base in set(study.runs["setting"].unique())
    if not others or (not present and not against):
        return []
    return compare_settings(study.runs, others, base, [*study.rates, *study.metrics], level=_LEVEL)


def difference_texts(each: Compared, *, rate: bool) -> tuple[str, str, str]:
    """A difference, its interval and its p value, as texts; rates in percentage points.

    Where there is no comparison, the first is a dash and the others are empty.
    """
    if each.pair is None or not math.isfinite(each.pair.difference.estimate):
        return MISSING, "", ""
    size, unit = (100, " pp") if rate else (1, "")
    gap = each.pair.difference
    estimate, low, high = (size * part for part in (gap.estimate, gap.low, gap.high))
    half = (high - low) / 2
    shown = number(estimate, half)
    sign = "+" if estimate > 0 and shown != "0" else ""
    interval = f"[{number(low, half)}, {number(high, half)}]" if math.isfinite(half) else ""
    return f"{sign}{shown}{unit}", interval, f"p {probability(each.corrected)}"


def probability(p_value: float) -> str:
    """A p value.

    Example:
        >>> probability(0.0004), probability(0.031), probability(0.5)
        ('< 0.001', '0.031', '0.50')
    """
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.0995 else f"{p_value:.2f}"


def paired_table(compared: Sequence[Compared], rates: Sequence[str]) -> pd.DataFrame:
    """One row per setting, one text per metric, such as ``+2.0 [1.0, 3.0] p 0.031 *``."""
    rows: dict[str, dict[str, str]] = {}
    for each in compared:
        texts = difference_texts(each, rate=each.metric in rates)
        row = rows.setdefault(each.setting, {"setting": plain(each.setting), "pairs": "0"})
        row["pairs"] = str(max(int(row["pairs"]), each.pair.n if each.pair else 0))
        row[each.metric] = " ".join(text for text in (*texts, "*" * each.significant) if text)
    return pd.DataFrame(list(rows.values()))


def criterion_note(compared: Sequence[Compared], *, mark: str) -> str:
    """What is marked and why, and what the seeds at hand cannot show.

    Example:
        >>> criterion_note([], mark="*")
        ''
    """
    made = [each for each in compared if each.pair]
    if not made:
        return ""
    count = max(each.comparisons for each in made)
    family = (
        f"after Holm's correction over the {count} settings of a column"
        if count > 1
        else "(one comparison in a column)"
    )
    text = (
        f"{mark}: p ≤ {1 - _LEVEL:.2g} {family}, two-sided, by signs of the paired differences; nothing else decides."
    )
    pairs = sorted({each.pair.n for each in made if each.pair})
    seeds = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    best = min(each.smallest for each in made)
    if best > 1 - _LEVEL:
        needed = least_pairs(comparisons=count, level=_LEVEL)
        return (
            f"{text} With {seeds} shared seeds no p can be below {best:.4g}, so no difference can be shown, however large; "
            f"it takes {needed} seeds."
        )
    return f"{text} With {seeds} shared seeds p is at least {best:.1g}; a difference that is not marked may still be there."
