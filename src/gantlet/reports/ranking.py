"""The ranking of settings over several studies, as a table of the page: each study is a task, judged by its own headline.

Values of two studies are never compared with each other, only their order within each, so their cards need not agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantlet.statistics import rank_methods, scores_by_task
from gantlet.statistics.intervals import Floats

from .cells import Cell, Column, Table
from .read import StudyData
from .words import percent

__all__ = ["ranking_section"]

_MOST_RANKS = 8  # columns


def ranking_section(studies: Sequence[StudyData]) -> Table | None:
    """How probable each rank is; None where the studies share fewer than two settings, or no values of them."""
    scores: dict[str, dict[str, Floats]] = {}
    higher: dict[str, bool] = {}
    judged: list[str] = []
    for place, study in enumerate(studies):
        known, headline = (*study.metrics, *study.rates), study.record.task.headline
        name = headline if headline in known else next(iter(known), "")
        if not name:
            return None
        task, record = f"{place} {study.name}", study.record.metrics.get(name)
        higher[task] = (record.better if record else "lower" if name == "failure" else "higher") != "lower"
        judged.append(f"{study.name} by {name} ({'higher' if higher[task] else 'lower'} is better)")
        for label, by_task in scores_by_task(study.runs, name).items():
            scores.setdefault(label, {})[task] = next(iter(by_task.values()))
    shared = {
        label: found
        for label, found in scores.items()
        if len(found) == len(higher) and all(np.isfinite(values).any() for values in found.values())
    }
    if len(shared) < 2 or len(higher) < 2:
        return None
    found = rank_methods(shared, higher=higher)
    ranks = range(min(_MOST_RANKS, len(found.methods)))
    columns = [Column("setting"), Column("mean rank", kind="number")]
    columns += [Column(f"P(rank {rank + 1})", kind="number") for rank in ranks]
    rows = [
        [
            Cell(method),
            Cell(f"{mean:.2f}", f"[{low:.2f}, {high:.2f}]", f"{mean}", "number"),
            *(Cell(percent(float(found.probability[at, rank])), kind="number") for rank in ranks),
        ]
        for at, (method, mean, low, high) in enumerate(
            zip(found.methods, found.mean_rank, found.low, found.high, strict=True)
        )
    ]
    return Table(columns, rows, f"Judged within each study: {'; '.join(judged)}.")
