"""A metric over two keys of a grid as a heat map: one panel per method, and per value of any third key."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.figure import Figure

from gantlet.errors import BadValue
from gantlet.reports.sweeps import draw_heatmap, sweeps_of
from gantlet.reports.theme import LIGHT

from .base import FigureRequest, plain_axes, safe, sheet

__all__ = ["HEATMAP", "HeatmapFigure"]

_MOST = 9  # panels
_ROW = 2.6  # lines of a cell


@dataclass(frozen=True)
class HeatmapFigure:
    """Means or rates over two keys."""

    summary: str = "a metric over two keys of a grid (--x, --y), the better the stronger"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            UnknownName: No setting has a key.
            BadValue: A key was not named or does not vary, or there are more than 9 panels.
        """
        if not (request.x and request.y):
            raise BadValue("The figure heatmap needs two keys of the grid: --x lr --y penalty_weight, say.")
        panels = [
            (study, each)
            for study in request.studies
            for each in sweeps_of(study, request.column, request.x, request.y)
        ]
        if not 0 < len(panels) <= _MOST:
            raise BadValue(
                f"{len(panels)} panels; a heat map has 1 to {_MOST}: a third key that varies makes one for each value."
            )
        known = [s.estimate for _, each in panels for s in each.scores.values() if math.isfinite(s.estimate)]
        if not known:
            raise BadValue(f"No member has a finite '{request.column}'.")
        size, limits = request.size, (min(known), max(known))
        rows = max(len(each.ys) for _, each in panels)
        figure, places = sheet(size, panels=len(panels), height=size.font / 72 * (_ROW * rows + 6))
        for at, ((study, each), axes) in enumerate(zip(panels, places, strict=True)):
            rate = request.column in study.rates
            font = max(7.0, size.font - 0.5)
            draw_heatmap(axes, each, LIGHT, limits=limits, higher=request.higher, font=font, rate=rate)
            name = f"{study.record.task.name}: {each.title}" if len(request.studies) > 1 else each.title
            plain_axes(
                axes, size, x=safe(each.x), y=safe(each.y) if at % 3 == 0 else "", title=_title(name, len(panels))
            )
            axes.grid(visible=False)
            axes.tick_params(length=0)
        figure.suptitle(f"{request.title} (stronger is better)", fontsize=size.font, color=LIGHT.ink, x=0.01, ha="left")
        return figure


def _title(name: str, panels: int) -> str:
    return safe(name, 34 if panels == 1 else 20)


HEATMAP = HeatmapFigure()
"""The figure ``heatmap``."""
