"""A metric over two keys of a grid as a heat map: one panel per method, and per value of any third key."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.figure import Figure

from gantlet.errors import BadValue
from gantlet.reports.sweeps import draw_heatmap, shown_value, sweeps_of
from gantlet.reports.theme import LIGHT

from .base import FigureRequest, plain_axes, safe

__all__ = ["HEATMAP", "HeatmapFigure"]

_MOST = 9  # panels
_CELL, _MARGIN = 3.6, 6.5  # widths in letters' heights: of a cell with a value, and of a panel beside its cells
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
        font, limits = max(7.0, request.size.font - 0.5), (min(known), max(known))
        wide, tall = max(len(each.xs) for _, each in panels), max(len(each.ys) for _, each in panels)
        least = font / 72 * (_CELL * wide + _MARGIN)  # inches of a panel whose cells hold their values
        columns = max(1, min(len(panels), 3, int(request.size.width / least)))
        rows, values = -(-len(panels) // columns), request.size.width >= columns * least
        figure = Figure(
            figsize=(request.size.width, request.size.font / 72 * (rows * (_ROW * tall + 5) + 3)), layout="constrained"
        )
        rate = any(request.column in study.rates for study, _ in panels)
        for at, (study, each) in enumerate(panels):
            axes = figure.add_subplot(rows, columns, at + 1)
            draw_heatmap(axes, each, LIGHT, limits=limits, higher=request.higher, font=font, rate=rate, values=values)
            name = f"{study.record.task.name}: {each.title}" if len(request.studies) > 1 else each.title
            y = safe(each.y) if at % columns == 0 else ""
            plain_axes(axes, request.size, x=safe(each.x), y=y, title=safe(name, 34 if columns == 1 else 20))
            axes.grid(visible=False)
            axes.tick_params(length=0)
            if not values:
                axes.tick_params(axis="x", rotation=90)
        said = "" if values else f": {shown_value(limits[0], rate=rate)} to {shown_value(limits[1], rate=rate)}"
        title = f"{request.title}, stronger is better{said}"
        figure.suptitle(title, fontsize=request.size.font, color=LIGHT.ink, x=0.01, ha="left")
        return figure


HEATMAP = HeatmapFigure()
"""The figure ``heatmap``."""
