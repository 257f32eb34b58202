"""Every setting's rate or mean with its 95 % interval; one panel per study."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from gantlet.reports.tables import interval_ends, summary_table
from gantlet.reports.theme import LIGHT

from .base import FigureRequest, plain_axes, safe, sheet

__all__ = ["BARS", "BarsFigure"]

_MARGIN = 2.8  # lines


@dataclass(frozen=True)
class BarsFigure:
    """Rates or means with intervals."""

    summary: str = "a rate or mean of every setting, with its 95 % interval"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it; without a metric of the user's, the rate of success where there is one."""
        size = request.size
        rated = all("success" in study.rates for study in request.studies) and not request.metric
        name = "success" if rated else request.column
        most = max(len(study.labels) for study in request.studies)
        figure, panels = sheet(size, panels=len(request.studies), height=size.font / 72 * 1.9 * (most + _MARGIN))
        for place, (study, axes) in enumerate(zip(request.studies, panels, strict=True)):
            rate = name in study.rates
            frame = summary_table(study).set_index("setting", drop=False)
            shown = [label for label in study.labels if label in frame.index]
            for row, label in enumerate(shown):
                row_of: Any = frame.loc[label]
                estimate, low, high = (float(row_of[end]) for end in interval_ends(frame, name, rate=rate))
                colour, _ = request.colour(label)
                axes.barh(row, 0.0 if math.isnan(estimate) else estimate, 0.62, color=colour)
                if math.isfinite(low + high):
                    axes.plot([low, high], [row, row], color=LIGHT.ink, linewidth=0.8 * size.line)
                    axes.plot([low, high], [row, row], "|", color=LIGHT.ink, markersize=3 * size.line)
            title = request.title if not rated else "success ↑"
            panel = safe(study.record.task.name) if len(panels) > 1 else ""
            plain_axes(axes, size, x=f"share of members: {title}" if rate else title, title=panel)
            names = [safe(label) for label in shown] if place == 0 or study.labels != request.studies[0].labels else []
            axes.set_yticks(range(len(shown)), names or [""] * len(shown), fontsize=max(7.0, size.font - 0.5))
            axes.set_ylim(len(shown) - 0.5, -0.5)
            axes.grid(visible=False)
            axes.grid(axis="x", color=LIGHT.line, linewidth=0.5 * size.line)
            axes.tick_params(axis="y", length=0)
            if rate:
                axes.set_xlim(0, 1)
        return figure


BARS = BarsFigure()
"""The figure ``bars``."""
