"""The report's section on sweeps: curves over a key that takes several numbers, heat maps over two."""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .charts import Chart
from .markup import as_markup
from .read import StudyData
from .sections import title_of
from .sweeps import Sweep, draw_curve, draw_heatmap, sweeps_of, swept_keys
from .theme import Palette
from .words import printable

__all__ = ["sensitivity_charts"]

_NOMINAL = ("architecture",)  # numbers that are names
_LEAST = 3  # values of a key, for a curve
_MOST_PANELS, _MOST_CELLS, _MOST_KEYS = 12, 12, 3
_FONT = 8  # points


def sensitivity_charts(study: StudyData, key: str) -> list[Chart]:
    """A chart for each panel of each sweep: over one key that varies a curve, over two a heat map for each pair.

    Success, where the task knows what it is, and the headline are shown. A study that varies more than three numeric keys, or
    would have more than twelve panels of a kind, has none: ``gantlet figure`` draws one that is asked for.

    Arguments:
        study: The study.
        key: Sets the drawings' identifiers apart: letters and digits.
    """
    keys = [name for name in swept_keys(study) if name not in _NOMINAL]
    headline = study.record.task.headline
    known = [name for name in ("success", headline) if name in (*study.rates, *study.metrics)]
    if not 0 < len(keys) <= _MOST_KEYS:
        return []
    charts: list[Chart] = []
    for place, column in enumerate(dict.fromkeys(known)):
        if len(keys) == 1:
            found = [each for each in sweeps_of(study, column, keys[0]) if len(each.xs) >= _LEAST and _numeric(each)]
            charts += _curves(study, column, found, f"{key}{place}")
        for turn, (x, y) in enumerate(combinations(keys, 2)):
            found = [each for each in sweeps_of(study, column, x, y) if min(len(each.xs), len(each.ys)) > 1]
            charts += _maps(study, column, found, f"{key}{place}m{turn}")
    return charts


def _curves(study: StudyData, column: str, sweeps: list[Sweep], key: str) -> list[Chart]:
    if len(sweeps) > _MOST_PANELS:
        return []
    charts: list[Chart] = []
    for at, sweep in enumerate(sweeps):
        rank = [each.method for each in study.record.settings].index(sweep.method)

        def draw(palette: Palette, sweep: Sweep = sweep, rank: int = rank) -> Figure:
            figure, axes = _empty(palette)
            colour, dashes = palette.setting(rank)
            draw_curve(axes, sweep, colour=colour, style=(0, dashes) if dashes else "-")
            axes.set_xlabel(sweep.x, fontsize=_FONT + 1, color=palette.soft, loc="right")
            axes.grid(axis="y", color=palette.line, linewidth=0.8)
            return figure

        charts.append(_chart(study, column, sweep, as_markup(draw, label=_said(column, sweep), key=f"{key}c{at}")))
    return charts


def _maps(study: StudyData, column: str, sweeps: list[Sweep], key: str) -> list[Chart]:
    known = [cell.estimate for each in sweeps for cell in each.scores.values() if math.isfinite(cell.estimate)]
    if not known or len(sweeps) > _MOST_PANELS or any(max(len(s.xs), len(s.ys)) > _MOST_CELLS for s in sweeps):
        return []
    record = study.record.metrics.get(column)
    higher, rate = not record or record.better != "lower", column in study.rates

    def draw(palette: Palette, sweep: Sweep) -> Figure:
        figure, axes = _empty(palette, rows=len(sweep.ys))
        limits = (min(known), max(known))
        draw_heatmap(axes, sweep, palette, limits=limits, higher=higher, font=_FONT, rate=rate)
        axes.set_xlabel(sweep.x, fontsize=_FONT + 1, color=palette.soft, loc="right")
        axes.set_ylabel(sweep.y, fontsize=_FONT + 1, color=palette.soft)
        return figure

    return [
        _chart(study, column, each, as_markup(partial(draw, sweep=each), label=_said(column, each), key=f"{key}h{at}"))
        for at, each in enumerate(sweeps)
    ]


def _empty(palette: Palette, rows: int = 0) -> tuple[Figure, Axes]:
    height = 0.32 * rows + 0.75 if rows else 2.6
    figure = Figure(figsize=(4.4, height))
    figure.subplots_adjust(left=0.17, right=0.985, top=1 - 0.1 / height, bottom=0.48 / height)
    axes = figure.add_subplot()
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom" and not rows)
        spine.set_color(palette.line)
    axes.tick_params(length=0, pad=3, labelsize=_FONT, labelcolor=palette.soft)
    axes.set_axisbelow(True)
    return figure, axes


def _chart(study: StudyData, column: str, sweep: Sweep, drawn: Markup) -> Chart:
    over = (
        f"over {sweep.x} and {sweep.y}; the better, the stronger" if sweep.y else f"over {sweep.x}, with its 95 % band"
    )
    return Chart(f"{title_of(study, column)} · {sweep.title}", over, {"all": drawn})


def _said(column: str, sweep: Sweep) -> str:
    return printable(f"{column} of {sweep.title} over {sweep.x}{f' and {sweep.y}' if sweep.y else ''}")


def _numeric(sweep: Sweep) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in sweep.xs)
