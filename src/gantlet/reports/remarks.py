"""What a reader of the results must know to compare them: how long they were trained and why, budgets that differ, values that flatter, weights that had a start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from gantlet.requests.keeping import names_a_run

from .read import StudyData
from .words import number

__all__ = ["remarks"]

_BUSY = 0.3  # of the machine's cores


def remarks(study: StudyData) -> list[str]:
    """Sentences on a length planned by time, and on what makes members unequal or values flattering; none for most studies."""
    return [*_planned(study), *_ended_early(study), *_flattering(study), *_started(study), *_together(study)]


def _planned(study: StudyData) -> Iterator[str]:
    budget = study.record.budget
    if budget is None:
        return
    updates, evaluations = list(budget.update_seconds.values()), list(budget.evaluation_seconds.values())
    busy = f", while {budget.busy:.0%} of the cores were busy" if budget.busy > _BUSY else ""
    yield (
        f"The length was planned by time: {budget.steps:,} steps of each setting fill {budget.minutes:g} minutes (--minutes), by a "
        f"discriminator update that was measured to take {_range(updates)} s in a fleet and an evaluation that took "
        f"{_range(evaluations)} s{busy}. A faster machine plans more steps; the number itself is recorded, and replays."
    )


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
        run = f"run {source.run} of study {source.study[:12]}"
        whose = run if names_a_run(text) else f"the model folder {text} ({source.study[:12]})"
        yield (
            f"Members of {labels} start from the {what} of {whose}, step {source.step:,}; their steps do not count that "
            f"training."
        )


def _together(study: StudyData) -> Iterator[str]:
    processes = study.record.execution.processes
    if processes > 1:
        yield f"Each member was trained by {processes} processes together, which share its batches."


def _range(values: Sequence[float]) -> str:
    """From the least to the most, in three digits."""
    if not values:
        return "an unknown time,"
    ends = [f"{value:.3g}" for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _span(steps: pd.Series) -> str:
    least, most = int(steps.min()), int(steps.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
