"""What every printed figure shares: sizes, settings with their colours, axes without clutter, and the metric that is shown.

Sizes are those of print: a column of a two-column paper, a page, a slide. No letter is below 7 points at its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gantlet.errors import BadValue, UnknownName
from gantlet.reports.read import StudyData
from gantlet.reports.sections import title_of
from gantlet.reports.theme import LIGHT
from gantlet.reports.words import printable

__all__ = ["SIZES", "FigureRequest", "PrintSize", "PrintedFigure", "legend_below", "plain_axes", "safe", "sheet"]

_LONGEST = 34  # letters of a label
_LEGEND_ROW = 1.5  # of its letters, with the space between rows


@dataclass(frozen=True)
class PrintSize:
    """A size of print: inches and points."""

    width: float
    height: float
    font: float
    line: float


SIZES = {
    "column": PrintSize(width=3.3, height=2.4, font=7.5, line=1.2),
    "page": PrintSize(width=6.8, height=3.0, font=8.0, line=1.4),
    "slide": PrintSize(width=10.0, height=5.2, font=15.0, line=2.6),
}
"""The sizes by name: a column of 84 mm, a page's text width of 173 mm, a slide of 16 : 9."""


@dataclass(frozen=True)
class FigureRequest:
    """What is to be drawn.

    Attributes:
        studies: One or several.
        metric: A column of the results; the task's headline if empty.
        size: The size of print.
        x: A key of the grid, for figures over keys.
        y: Another one.
    """

    studies: Sequence[StudyData]
    metric: str
    size: PrintSize
    x: str = ""
    y: str = ""

    @property
    def labels(self) -> list[str]:
        """The settings of all studies, each once, in order; their place is their colour."""
        return list(dict.fromkeys(label for study in self.studies for label in study.labels))

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The members of all studies, below each other."""
        return pd.concat([study.runs for study in self.studies], ignore_index=True)

    @cached_property
    def column(self) -> str:
        """The metric that is shown: the one that was asked for, the headline, or the first one.

        Raises:
            UnknownName: No study has the column that was asked for.
            BadValue: The studies share no metric.
        """
        known = [name for name in (*self.studies[0].rates, *self.studies[0].metrics) if self._shared(name)]
        if self.metric and self.metric not in known:
            raise UnknownName("metric in every study", self.metric, known)
        if not known:
            raise BadValue("The studies share no metric that a figure could show.")
        headline = self.studies[0].record.task.headline
        return self.metric or (headline if headline in known else known[0])

    @property
    def higher(self) -> bool:
        """Whether higher is better in :attr:`column`."""
        return self.better != "lower"

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """The direction of :attr:`column`."""
        record = self.studies[0].record.metrics.get(self.column)
        return record.better if record else "lower" if self.column == "failure" else "higher"

    @property
    def title(self) -> str:
        """The metric's name with its arrow."""
        return safe(title_of(self.studies[0], self.column))

    def colour(self, label: str) -> tuple[str, Any]:
        """A setting's colour, and the style of its line."""
        colour, dashes = LIGHT.setting(self.labels.index(label))
        return colour, (0, dashes) if dashes else "-"

    def _shared(self, name: str) -> bool:
        return all(name in (*study.rates, *study.metrics) for study in self.studies)


class PrintedFigure(Protocol):
    """A figure of the catalogue.

    Attributes:
        summary: One line for ``gantlet list figures``.
        paper: Where this kind of figure comes from.
    """

    @property
    def summary(self) -> str: ...

    @property
    def paper(self) -> str: ...

    def draw(self, request: FigureRequest, /) -> Figure:
        """Draw it.

        Raises:
            BadValue: The studies lack what it shows.
        """
        ...


def sheet(size: PrintSize, *, panels: int = 1, height: float | None = None) -> tuple[Figure, list[Axes]]:
    """An empty figure with panels beside each other, in two rows where there are more than three."""
    rows = 1 if panels <= 3 else -(-panels // 3)
    figure = Figure(figsize=(size.width, (height or size.height) * rows), layout="constrained")
    columns = min(panels, 3)
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(panels)]


def plain_axes(axes: Axes, size: PrintSize, *, x: str = "", y: str = "", title: str = "") -> None:
    """Names, letters and lines of one panel."""
    axes.set_xlabel(x, fontsize=size.font, color=LIGHT.ink)
    axes.set_ylabel(y, fontsize=size.font, color=LIGHT.ink)
    if title:
        axes.set_title(title, fontsize=size.font, color=LIGHT.ink, loc="left")
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("bottom", "left"))
        spine.set(color=LIGHT.soft, linewidth=0.5 * size.line)
    axes.tick_params(labelsize=max(7.0, size.font - 0.5), colors=LIGHT.ink, length=2 * size.line, width=0.5 * size.line)
    axes.grid(axis="y", color=LIGHT.line, linewidth=0.5 * size.line)
    axes.set_axisbelow(True)


def legend_below(figure: Figure, request: FigureRequest) -> None:
    """The settings' names under the panels; none where there is one setting. With more than two rows the sheet grows by them."""
    if len(request.labels) < 2:
        return
    handles = [
        Line2D([], [], color=request.colour(label)[0], linestyle=request.colour(label)[1], linewidth=request.size.line)
        for label in request.labels
    ]
    longest = max(len(label) for label in request.labels)
    columns = max(1, min(len(handles), int(request.size.width * 72 / (request.size.font * (0.55 * longest + 4)))))
    font = max(7.0, request.size.font - 0.5)
    further = -(-len(handles) // columns) - 2
    figure.set_figheight(figure.get_figheight() + max(0, further) * _LEGEND_ROW * font / 72)
    figure.legend(
        handles,
        [safe(label) for label in request.labels],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=font,
        labelcolor=LIGHT.ink,
        handlelength=1.6,
        columnspacing=1.2,
    )


def safe(text: str, most: int = _LONGEST) -> str:
    """Text that Matplotlib shows as it is, shortened in the middle to ``most`` letters.

    Example:
        >>> safe("cost $5")
        'cost \\\\$5'
    """
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"
    return text.replace("$", r"\$")
