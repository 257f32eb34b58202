"""Methods ranked over tasks: how probable each rank is, and the mean rank with its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from gantlet.reports.theme import LIGHT
from gantlet.statistics import rank_methods, scores_by_task

from .base import FigureRequest, plain_axes, safe, sheet

__all__ = ["RANKING", "RankingFigure"]

_SHADES = LinearSegmentedColormap.from_list("ranks", ["#003a5c", "#0072b2", "#8fc1e0", "#e8edf1"])
_LINES, _MARGIN = 2.7, 3.2  # of a bar, and above and below them
_DARK = 0.42  # shades below this have white letters


@dataclass(frozen=True)
class RankingFigure:
    """The probability of each rank, over all studies' tasks."""

    summary: str = "how probable each rank is, over tasks and redrawn members"
    paper: str = "Agarwal et al., 2021, https://arxiv.org/abs/2108.13264"

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            BadValue: The settings share no task on which all have values.
        """
        found = rank_methods(scores_by_task(request.runs, request.column), higher=request.higher)
        size, count = request.size, len(found.methods)
        figure, (axes,) = sheet(size, height=size.font / 72 * (_LINES * count + _MARGIN))
        left = np.zeros(count)
        for rank in range(count):
            shade = rank / max(1, count - 1)
            share = found.probability[:, rank]
            axes.barh(range(count), share, 0.72, left=left, color=_SHADES(shade), edgecolor=LIGHT.card, linewidth=0.4)
            for place in np.flatnonzero(share >= 0.12).tolist():
                ink = "#ffffff" if shade < _DARK else LIGHT.ink
                middle = left[place] + share[place] / 2
                axes.text(
                    middle,
                    place,
                    f"{rank + 1}",
                    color=ink,
                    ha="center",
                    va="center",
                    fontsize=max(7.0, size.font - 0.5),
                )
            left += share
        names = [
            f"{safe(name)}\n{mean:.1f} [{low:.1f}, {high:.1f}]"
            for name, mean, low, high in zip(found.methods, found.mean_rank, found.low, found.high, strict=True)
        ]
        tasks = f"{len(found.tasks)} tasks" if len(found.tasks) > 1 else "1 task"
        plain_axes(axes, size, x=f"probability of each rank by {request.title}, {tasks}")
        axes.set_yticks(range(count), names, fontsize=max(7.0, size.font - 0.5), linespacing=0.95)
        axes.set(xlim=(0, 1), ylim=(count - 0.5, -0.5))
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return figure


RANKING = RankingFigure()
"""The figure ``ranking``."""
