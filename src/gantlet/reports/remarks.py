"""What a reader of the results must know to compare them: budgets that differ, values that flatter, weights that had a start."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .read import StudyData
from .words import number

__all__ = ["remarks"]


def remarks(study: StudyData) -> list[str]:
    """Sentences on what makes the members of a study unequal, or its values flattering; none for most studies."""
    return [*_ended_early(study), *_flattering(study), *_started(study), *_together(study)]


def _ended_early(study: StudyData) -> Iterator[str]:
    if "stop_step" not in study.runs or "generator_steps" not in study.runs:
        return
    steps = study.runs["generator_steps"].dropna()
    ended = study.runs[(study.runs["stop_step"] < steps.max()).fillna(False).astype(bool)]
    if ended.empty or steps.min() == steps.max():
        return
    yield (
        f"Budgets differ: the key stop ended {len(ended)} of {len(study.runs)} members early, after {_span(ended['stop_step'])} "
        f"steps, and members were trained for {_span(steps)} steps in all. Compare at equal cost by the columns generator_steps "
        f"and images_seen, or by the curves over training."
    )


def _flattering(study: StudyData) -> Iterator[str]:
    for name in study.record.metrics:
        chosen, fresh = f"best_{name}", f"best_{name}_fresh"
        if not {chosen, fresh} <= {*study.metrics} or study.runs[[chosen, fresh]].dropna().empty:
            continue
        means = study.runs[[chosen, fresh]].dropna().astype(float).mean()
        yield (
            f"{chosen} is {name} at each member's best evaluation, on the very samples by which it was chosen, which flatters: "
            f"its mean is {number(float(means[chosen]))}, and that of the same weights on fresh samples, {fresh}, is "
            f"{number(float(means[fresh]))}."
        )


def _started(study: StudyData) -> Iterator[str]:
    for text, source in study.record.initial.items():
        labels = " and ".join(f"'{each.label}'" for each in study.record.settings if text in each.values.values())
        what = "generator and discriminator" if source.discriminator else "generator"
        yield (
            f"Members of {labels} start from the {what} of run {source.run} of study {source.study[:12]}, step "
            f"{source.step:,}; their steps do not count that training."
        )


def _together(study: StudyData) -> Iterator[str]:
    processes = study.record.execution.processes
    if processes > 1:
        yield f"Each member was trained by {processes} processes together, which share its batches."


def _span(steps: pd.Series) -> str:
    least, most = int(steps.min()), int(steps.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
