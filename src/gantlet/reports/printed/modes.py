"""How many modes the members of each setting cover: a disc per number of modes, its area the share of members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gantlet.errors import BadValue
from gantlet.reports.theme import LIGHT
from gantlet.statistics.intervals import Floats

from .base import FigureRequest, PrintSize, plain_axes, safe, sheet

__all__ = ["MODES", "ModesFigure"]


@dataclass(frozen=True)
class ModesFigure:
    """Members by covered modes."""

    summary: str = "how many members cover how many modes"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            BadValue: A study does not count modes.
        """
        name, size = request.metric or "modes", request.size
        if any(name not in study.metrics for study in request.studies):
            raise BadValue(
                f"Not every study has the column '{name}': this figure counts the modes of known distributions."
            )
        most = max(len(study.labels) for study in request.studies)
        figure, panels = sheet(size, panels=len(request.studies), height=size.font / 72 * (3.4 * most + 3.5))
        for place, (study, axes) in enumerate(zip(request.studies, panels, strict=True)):
            for row, label in enumerate(study.labels):
                values = pd.to_numeric(study.members[label][name], errors="coerce").dropna().to_numpy(float)
                _draw_row(axes, row, values, request.colour(label)[0], size)
            title = safe(study.record.task.name) if len(panels) > 1 else ""
            plain_axes(axes, size, x=f"{safe(name)}; number of members", title=title)
            names = [safe(label) for label in study.labels] if place == 0 else [""] * len(study.labels)
            axes.set_yticks(range(len(study.labels)), names, fontsize=max(7.0, size.font - 0.5))
            axes.set_ylim(len(study.labels) - 0.2, -0.5)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.tick_params(axis="y", length=0)
        return figure


def _draw_row(axes: Axes, row: int, values: Floats, colour: str, size: PrintSize) -> None:
    """A disc for each number of modes, with how many members cover so many; its area is their share."""
    widest = 1.9 * size.font  # points, of a disc that holds all members
    for value, members in zip(*np.unique(values, return_counts=True), strict=True):
        diameter = widest * (members / len(values)) ** 0.5
        axes.plot([value], [row], "o", color=colour, markersize=diameter, markeredgewidth=0, alpha=0.85, clip_on=False)
        away = (0.0, -diameter / 2 - 0.55 * size.font)
        axes.annotate(
            f"{members}", (value, row), away, textcoords="offset points", ha="center", va="center", color=LIGHT.soft,
            fontsize=max(7.0, size.font - 1),
        )  # fmt: skip


MODES = ModesFigure()
"""The figure ``modes``."""
