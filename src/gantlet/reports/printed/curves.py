"""A metric over training: the mean over members, or a rate, with its 95 % band; one panel per study."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gantlet.errors import BadValue
from gantlet.reports.curves import bootstrap_band, curves_of, rate_band
from gantlet.reports.figures import compact

from .base import FigureRequest, legend_below, plain_axes, safe, sheet

__all__ = ["CURVES", "CurvesFigure"]

_CROWD = 6  # settings; with more the bands grow paler


@dataclass(frozen=True)
class CurvesFigure:
    """A metric over generator steps."""

    summary: str = "a metric over generator steps, with 95 % bands"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            BadValue: A study has no history of the metric.
        """
        figure, panels = sheet(request.size, panels=len(request.studies))
        name = request.column
        for place, (study, axes) in enumerate(zip(request.studies, panels, strict=True)):
            if name not in study.curves:
                raise BadValue(f"{study.folder} has no history of '{name}'; name another metric.")
            for curve in curves_of(study, name, rate_band if name in study.rates else bootstrap_band):
                colour, style = request.colour(study.labels[curve.rank])
                alpha = 0.22 if len(study.labels) <= _CROWD else 0.1
                axes.fill_between(curve.steps, curve.low, curve.high, color=colour, alpha=alpha, linewidth=0)
                axes.plot(curve.steps, curve.centre, color=colour, linestyle=style, linewidth=request.size.line)
            title = safe(study.record.task.name) if len(panels) > 1 else ""
            plain_axes(axes, request.size, x="generator steps", y=request.title if place == 0 else "", title=title)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(_tick))
            axes.set_xlim(0)
        legend_below(figure, request)
        return figure


def _tick(value: float, _: int | None) -> str:
    return compact(value)


CURVES = CurvesFigure()
"""The figure ``curves``."""
