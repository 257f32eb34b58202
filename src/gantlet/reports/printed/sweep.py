"""A metric over one key of a grid: a curve with its 95 % band for each method, and for each value of any other key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gantlet.errors import BadValue
from gantlet.reports.sweeps import draw_curve, sweeps_of
from gantlet.reports.theme import LIGHT

from .base import FigureRequest, plain_axes, safe, sheet

__all__ = ["SWEEP", "SweepFigure"]


@dataclass(frozen=True)
class SweepFigure:
    """Means or rates over one key."""

    summary: str = "a metric over one key of a grid (--x), with 95 % bands"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            UnknownName: No setting has the key.
            BadValue: No key was named, a second one was, the key does not vary within a method, or no score is finite.
        """
        if not request.x or request.y:
            raise BadValue("The figure sweep needs one key of the grid: --x lr, say. heatmap takes two.")
        every = [sweeps_of(study, request.column, request.x) for study in request.studies]
        if not any(every):
            raise BadValue(f"There is no curve: no method has several values of {request.x}.")
        if not any(math.isfinite(s.estimate) for found in every for each in found for s in each.scores.values()):
            raise BadValue(f"No member has a finite '{request.column}'.")
        figure, panels = sheet(request.size, panels=len(request.studies))
        titles = list(dict.fromkeys(each.title for found in every for each in found))
        looks = {title: LIGHT.setting(rank) for rank, title in enumerate(titles)}
        styles: dict[str, tuple[str, Any]] = {
            title: (colour, (0, dashes) if dashes else "-") for title, (colour, dashes) in looks.items()
        }
        for place, (study, found, axes) in enumerate(zip(request.studies, every, panels, strict=True)):
            for each in found:
                colour, style = styles[each.title]
                draw_curve(axes, each, colour=colour, style=style, line=request.size.line)
            title = safe(study.record.task.name) if len(panels) > 1 else ""
            plain_axes(axes, request.size, x=safe(request.x), y=request.title if place == 0 else "", title=title)
        if len(titles) > 1:
            handles = [
                Line2D([], [], color=colour, linestyle=style, linewidth=request.size.line)
                for colour, style in styles.values()
            ]
            columns = max(1, int(request.size.width * 72 / (request.size.font * (0.55 * max(map(len, titles)) + 4))))
            figure.legend(
                handles,
                [safe(title) for title in titles],
                loc="outside lower center",
                ncols=min(columns, len(titles)),
                frameon=False,
                fontsize=max(7.0, request.size.font - 0.5),
                labelcolor=LIGHT.ink,
            )
        return figure


SWEEP = SweepFigure()
"""The figure ``sweep``."""
