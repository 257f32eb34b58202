"""The best of n members against n: the expectation and the central 95 % of draws; one panel per study.

Reference:
    | Are GANs created equal? (Lucic et al., 2018), https://arxiv.org/abs/1711.10337, figure 4
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gantlet.statistics import budget_curve, scores_by_task

from .base import FigureRequest, legend_below, plain_axes, safe, sheet

__all__ = ["BUDGET", "BudgetFigure"]


@dataclass(frozen=True)
class BudgetFigure:
    """The expected best of n members."""

    summary: str = "expected best score of n members, with the central 95 % of draws"
    paper: str = "Lucic et al., 2018, https://arxiv.org/abs/1711.10337"

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it."""
        figure, panels = sheet(request.size, panels=len(request.studies))
        for place, (study, axes) in enumerate(zip(request.studies, panels, strict=True)):
            scores = scores_by_task(study.runs, request.column)
            for label in study.labels:
                known = np.concatenate([*scores.get(label, {}).values(), np.zeros(0)])
                if not np.isfinite(known).any():
                    continue
                found, (colour, style) = budget_curve(known, higher=request.higher), request.colour(label)
                axes.fill_between(found.budgets, found.low, found.high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(found.budgets, found.best, color=colour, linestyle=style, linewidth=request.size.line)
            title = safe(study.record.task.name) if len(panels) > 1 else ""
            best = f"best {request.title}" if place == 0 else ""
            plain_axes(axes, request.size, x="members trained, n", y=best, title=title)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_xlim(1)
        legend_below(figure, request)
        return figure


BUDGET = BudgetFigure()
"""The figure ``budget``."""
