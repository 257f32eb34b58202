"""Performance profiles: the share of members that are better than each threshold, with pointwise 95 % bands.

Reference:
    | Deep reinforcement learning at the edge of the statistical precipice (Agarwal et al., 2021),
      https://arxiv.org/abs/2108.13264, figure 7
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gantlet.errors import BadValue
from gantlet.statistics import performance_profile, scores_by_task

from .base import FigureRequest, legend_below, plain_axes, sheet

__all__ = ["PROFILE", "ProfileFigure"]

_POINTS = 160


@dataclass(frozen=True)
class ProfileFigure:
    """The share of members better than each threshold, over all studies."""

    summary: str = "share of members better than each threshold, with 95 % bands"
    paper: str = "Agarwal et al., 2021, https://arxiv.org/abs/2108.13264"

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            BadValue: No member has a finite value.
        """
        scores = scores_by_task(request.runs, request.column)
        every = np.concatenate([values for tasks in scores.values() for values in tasks.values()])
        every = every[np.isfinite(every)]
        if not len(every):
            raise BadValue(f"No member has a finite value of '{request.column}'.")
        room = 0.03 * (every.max() - every.min()) or 0.5
        thresholds = np.linspace(every.min() - room, every.max() + room, _POINTS)
        figure, (axes,) = sheet(request.size)
        for label in request.labels:
            tasks = scores.get(label, {})
            if not any(np.isfinite(values).any() for values in tasks.values()):
                continue
            found = performance_profile(tasks, thresholds, higher=request.higher)
            colour, style = request.colour(label)
            axes.fill_between(thresholds, found.low, found.high, color=colour, alpha=0.18, linewidth=0, step="post")
            axes.step(thresholds, found.share, where="post", color=colour, linestyle=style, linewidth=request.size.line)
        sign = ">" if request.higher else "<"
        plain_axes(axes, request.size, x=f"threshold τ of {request.title}", y=f"share of members {sign} τ")
        axes.set(ylim=(-0.02, 1.02), xlim=(thresholds[0], thresholds[-1]))
        legend_below(figure, request)
        return figure


PROFILE = ProfileFigure()
"""The figure ``profile``."""
