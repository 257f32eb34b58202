"""Which figures a study gets: its outcomes, and the course of every metric, loss and monitor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from gantlet.statistics import wilson

from .curves import AXES, Band, Curve, bootstrap_band, costs_of, curves_of, rate_band, spread_band
from .figures import COURSE_SPAN, Bar, Estimate, draw_courses, draw_outcomes
from .markup import as_markup
from .read import StudyData
from .sections import title_of
from .theme import VARIABLES, Palette, variable_of
from .words import printable

__all__ = ["Chart", "course_charts", "loss_courses", "metric_courses", "monitor_courses", "outcomes"]

_LOSSES = {"loss_d": "the discriminator's loss", "loss_g": "the generator's loss"}
_MONITORS = {
    "gradient_d": "norm of the discriminator's gradient",
    "gradient_g": "norm of the generator's gradient",
    "moved_d": "how far the discriminator's weights moved in the last step of each log interval",
    "moved_g": "how far the generator's weights moved in the last step of each log interval",
    "score_real": "mean of the discriminator's scores of real samples",
    "score_fake": "mean of the discriminator's scores of generated samples",
    "wasserstein_estimate": "the critic's mean on real samples minus its mean on generated ones",
}
_MOST_MONITORS = 8


@dataclass(frozen=True)
class Chart:
    """A figure in the page: its title, a line about it, and one drawing per measure of cost."""

    title: str
    help: str
    views: dict[str, Markup]
    course: str = ""
    """The curves as JSON, for the values under the pointer."""


def outcomes(study: StudyData, summary: pd.DataFrame, key: str) -> Markup:
    """How the members ended: success and failure, or finished and diverged where neither is known."""
    known = "success" in study.rates
    names, estimate = (("success", "failure"), _rate_of) if known else (("finished", "diverged"), _share_of)
    bars = [
        Bar(label, study.labels.index(label), good=estimate(row, names[0]), bad=estimate(row, names[1]))
        for label, row in zip(summary["setting"].astype(str), summary.to_dict("records"), strict=True)
    ]
    label = f"Shares of members by setting: {names[0]} and {names[1]}"
    return as_markup(partial(draw_outcomes, bars, good=names[0], bad=names[1]), label=label, key=key)


def metric_courses(study: StudyData, key: str) -> list[Chart]:
    """The course of every metric: a rate with its Wilson band, a mean with its bootstrap band."""
    known = [name for name in study.record.metrics if name in study.curves]
    rates = [name for name in known if name in study.rates]
    means = [name for name in known if name not in study.rates]
    return course_charts(study, rates, rate_band, f"{key}r") + course_charts(study, means, bootstrap_band, f"{key}m")


def loss_courses(study: StudyData, key: str) -> list[Chart]:
    """The course of both players' losses: the mean over members and the band of the central 80 %."""
    return course_charts(study, [name for name in _LOSSES if name in study.curves], spread_band, f"{key}l")


def monitor_courses(study: StudyData, key: str) -> list[Chart]:
    """The course of whatever else was recorded in training."""
    names = [name for name in study.curves if name not in study.record.metrics and name not in _LOSSES]
    return course_charts(study, names[:_MOST_MONITORS], spread_band, f"{key}o")


def course_charts(study: StudyData, names: Sequence[str], band: Band, key: str) -> list[Chart]:
    """A chart of each quantity, over every measure of cost."""
    costs = costs_of(study)
    charts: list[Chart] = []
    for place, name in enumerate(names):
        curves = curves_of(study, name, band)
        views: dict[str, Markup] = {}
        most: dict[str, float] = {}
        before: list[Figure] = []

        def draw(
            palette: Palette,
            axis: str,
            factors: Mapping[int, float],
            most: dict[str, float] = most,
            before: list[Figure] = before,
        ) -> Figure:
            on = before.pop() if before else None
            figure = draw_courses(curves, factors, palette, axis=AXES[axis], on=on)  # noqa: B023 - drawn at once
            most[axis] = figure.axes[0].get_xlim()[1]
            before.append(figure)
            return figure

        for axis, factors in costs.items():
            label = f"{printable(name)} over {AXES[axis]}"
            drawn = partial(draw, axis=axis, factors=factors)
            views[axis] = as_markup(drawn, label=label, key=f"{key}{place}{axis[0]}")
        record = study.record.metrics.get(name)
        help = record.help if record else (_LOSSES | _MONITORS).get(name, "")
        charts.append(Chart(title_of(study, name), help, views, _course(study, curves, costs, most)))
    return charts


def _course(
    study: StudyData, curves: Sequence[Curve], costs: Mapping[str, Mapping[int, float]], most: Mapping[str, float]
) -> str:
    """The curves as JSON: numbers of four digits, what a step of each setting costs, and where the axes lie."""
    lines = [
        {
            "rank": curve.rank,
            "label": printable(study.labels[curve.rank]),
            "colour": variable_of(VARIABLES.setting(curve.rank)[0]),
            "x": [round(float(step), 1) for step in curve.steps],
            **{
                name: _short(getattr(curve, part)) for name, part in (("y", "centre"), ("low", "low"), ("high", "high"))
            },
        }
        for curve in curves
    ]
    left, right = COURSE_SPAN
    names = {axis: AXES[axis] for axis in costs}
    whole = {"left": left, "right": right, "most": most, "costs": costs, "names": names, "lines": lines}
    return json.dumps(whole, separators=(",", ":"), allow_nan=False)


def _short(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values.tolist()]


def _rate_of(row: Mapping[Any, Any], name: str) -> Estimate:  # a summary's row
    rate, low, high = (float(row.get(f"{name}_{end}", "nan")) for end in ("rate", "low", "high"))
    return rate, low, high


def _share_of(row: Mapping[Any, Any], name: str) -> Estimate:
    share = wilson(int(row[name]), int(row["seeds"]))
    return share.estimate, share.low, share.high
