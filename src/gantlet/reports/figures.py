r"""The report's figures, drawn by Matplotlib without pyplot.

*Outcomes*: one stacked bar per setting; what went well starts from the left in the setting's colour, what
failed from the right in grey, and what is between is pale. Each of the two ends carries a whisker, its
interval. *Courses*: one line per setting with its band, over a measure of cost.

All are drawn small, at a phone's width, so that their letters stay readable there; a wide page shows several
beside each other.

Legend: ``T`` steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .curves import Curve
from .theme import Palette
from .words import percent, printable

__all__ = ["COURSE_SPAN", "MOST_BANDS", "Bar", "Estimate", "compact", "draw_courses", "draw_outcomes"]

Estimate: TypeAlias = tuple[float, float, float]
"""An estimate and the two ends of its interval; not a number where nothing is known."""

_COURSE = (4.4, 2.6)  # inches
COURSE_SPAN = (0.12, 0.985)
"""Where the axes of a chart begin and end, as shares of its width."""

_BAR_WIDTH, _BAR_HEIGHT, _LINE_HEIGHT = 4.4, 0.43, 0.17  # inches
_SMALL, _TINY = 9, 8  # points
_SHORT, _LONG = 30, 60  # letters of a label that share a line with two percentages, or have one to themselves
_FEW, _CROWD = 3, 6  # settings; with more of them the bands grow paler, and have edges
MOST_BANDS = 24
"""With more settings than this the bands are left out."""

_WILD = 200.0  # a range this many times the typical size is drawn on a symmetric logarithm
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Bar:
    """One setting's outcomes, as shares of its members; ``rank`` is the setting's place in the study."""

    label: str
    rank: int
    good: Estimate
    bad: Estimate


def draw_outcomes(bars: Sequence[Bar], palette: Palette, *, good: str, bad: str) -> Figure:
    """Stacked bars with whiskers; ``good`` and ``bad`` are what the two ends are called.

    Example:
        >>> from .theme import LIGHT
        >>> bar = Bar("vanilla", 0, good=(0.5, 0.3, 0.7), bad=(0.25, 0.1, 0.4))
        >>> texts = draw_outcomes([bar], LIGHT, good="success", bad="failure").axes[0].texts
        >>> [text.get_text() for text in texts]
        ['vanilla', '50.0 % success', '25.0 % failure']
    """
    extra = _LINE_HEIGHT if any(len(bar.label) > _SHORT for bar in bars) else 0
    row = _BAR_HEIGHT + extra
    height = row * len(bars) + 0.25
    figure = Figure(figsize=(_BAR_WIDTH, height))
    figure.subplots_adjust(left=0.02, right=0.98, top=1, bottom=0.25 / height)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(row * len(bars), 0))  # inches, the first setting on top
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    for place, bar in enumerate(bars):
        _write_bar(axes, bar, (place * row + 0.18, place * row + 0.18 + extra), palette, (good, bad))
        _draw_bar(axes, bar, place * row + 0.315 + extra, palette)
    _quiet(axes, palette)
    axes.spines["bottom"].set_visible(False)
    return figure


def draw_courses(
    curves: Sequence[Curve], factors: Mapping[int, float], palette: Palette, *, axis: str, on: Figure | None = None
) -> Figure:
    """Lines with bands.

    Arguments:
        curves: One per setting.
        factors: Rank of a setting to what one step costs; a setting without one is left out.
        palette: The colours.
        axis: The x-axis's name.
        on: What was drawn of the same curves over another axis, which is drawn anew: its axes and ticks, half of the work, serve again.
    """
    shown = [curve for curve in curves if curve.rank in factors]
    on = on if shown else None  # without a curve the limits would be those of the last one
    if on is None:
        figure = Figure(figsize=_COURSE)
        figure.subplots_adjust(left=COURSE_SPAN[0], right=COURSE_SPAN[1], top=0.965, bottom=0.165)
        axes = figure.add_subplot()
    else:
        figure, axes = on, on.axes[0]
        for drawn in (*axes.lines, *axes.collections):
            drawn.remove()
        axes.relim()
        axes.autoscale(axis="x")
    for curve in shown:
        alpha = 0.22 if len(shown) <= _FEW else 0.1 if len(shown) <= _CROWD else 0.05 if len(shown) <= MOST_BANDS else 0
        _draw_curve(axes, curve, factors[curve.rank], palette, alpha)
    typical = _typical_if_wild(shown)
    if typical or axes.get_yscale() != "linear":
        axes.set_yscale("symlog", linthresh=typical) if typical else axes.set_yscale("linear")
        axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlim(0)
    axes.set_xlabel(axis, fontsize=_SMALL, color=palette.soft, loc="right", labelpad=2)
    if on is None:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(FuncFormatter(_tick))
        axes.grid(axis="y", color=palette.line, linewidth=0.8)
        _quiet(axes, palette)
    return figure


def compact(value: float) -> str:
    """A tick's number, short.

    Example:
        >>> [compact(value) for value in (0, 0.25, -3, 12500, 2e6)]
        ['0', '0.25', '−3', '12.5k', '2M']
    """
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def _tick(value: float, _: int | None) -> str:
    return compact(value)


def _draw_bar(axes: Axes, bar: Bar, middle: float, palette: Palette) -> None:
    good, bad = (0.0 if math.isnan(part[0]) else part[0] for part in (bar.good, bar.bad))
    thick = 0.15
    axes.barh(middle, 1, thick, color=palette.between)
    axes.barh(middle, good, thick, color=palette.setting(bar.rank)[0])
    axes.barh(middle, bad, thick, left=1 - bad, color=palette.failure)
    # the two whiskers stand apart, where they overlap
    ends = [(bar.good, middle - 0.03), ((1 - bar.bad[0], 1 - bar.bad[2], 1 - bar.bad[1]), middle + 0.03)]
    for (estimate, low, high), height in ends:
        if math.isfinite(estimate):
            axes.plot([low, high], [height] * 2, color=palette.ink, linewidth=1.3, clip_on=False)
            axes.plot([low, high], [height] * 2, "|", color=palette.ink, markersize=4, clip_on=False)


def _write_bar(axes: Axes, bar: Bar, lines: tuple[float, float], palette: Palette, ends: tuple[str, str]) -> None:
    first, second = lines
    one_line = first == second
    texts = [
        (0.0, first, "left", palette.ink, _shortened(printable(bar.label))),
        (0.74 if one_line else 0.0, second, "right" if one_line else "left", palette.soft, _said(bar.good, ends[0])),
        (1.0, second, "right", palette.soft, _said(bar.bad, ends[1])),
    ]
    for x, y, side, colour, text in texts:
        axes.text(x, y, text, fontsize=_SMALL, color=colour, ha=side, parse_math=False)


def _said(share: Estimate, what: str) -> str:
    return f"{percent(share[0])} {what}"


def _shortened(label: str) -> str:
    # labels of one grid differ at their end and begin with the method: what is least missed is the middle
    half = _LONG // 2 - 1
    return label if len(label) <= _LONG else f"{label[:half]}…{label[-half:]}"


def _draw_curve(axes: Axes, curve: Curve, factor: float, palette: Palette, alpha: float) -> None:
    colour, dashes = palette.setting(curve.rank)
    x = curve.steps * factor  # [T]
    if alpha:
        axes.fill_between(x, curve.low, curve.high, color=colour, alpha=alpha, linewidth=0)
        for edge in (curve.low, curve.high) if alpha < 0.2 else ():
            axes.plot(x, edge, color=colour, linewidth=0.5, alpha=0.5)
    axes.plot(x, curve.centre, color=colour, linewidth=1.7, linestyle=(0, dashes) if dashes else "-")
    if len(x) == 1:
        axes.plot(x, curve.centre, "o", color=colour, markersize=4)


def _typical_if_wild(curves: Sequence[Curve]) -> float:
    """The typical size of curves of which one explodes, so that it does not flatten the others; else 0."""
    values = [np.abs(part[np.isfinite(part)]) for curve in curves for part in (curve.low, curve.high)]
    sizes = np.concatenate(values) if values else np.zeros(0)
    typical = float(np.median(sizes)) if len(sizes) else 0.0
    return typical if typical and sizes.max() > _WILD * typical else 0.0


def _quiet(axes: Axes, palette: Palette) -> None:
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(palette.line)
    axes.tick_params(length=0, pad=3, labelsize=_TINY, labelcolor=palette.soft)
    axes.set_axisbelow(True)
