r"""Plots of samples: fakes as dots over the discriminator's map, grids of images, and which generator of a team made what.

A plot of points shows the discriminator as 20 filled levels of the map "Spectral" with a colour bar, and
the fakes as black dots on it; without a discriminator (the last plot of a run) it shows the fakes alone
over faint reals. A map of probabilities always spans [0, 1], so that two plots compare; one of scores
spans its own range. A team's dots have their generators' colours, over faint reals or a map in greys;
up to twelve generators get a legend.

A grid of images is exact: the value :math:`v \in [-1, 1]` becomes the shade
:math:`\mathrm{round}((v + 1)\,255 / 2)`, small images are enlarged by a whole factor, and a thin white gap separates them, a
wider one the generators of a team, or images and what belongs to them.

Ownership is a table of counts, generator by mode: the darker, the more; the largest count of each mode is framed in its
generator's colour. Every file is written to a temporary one first and then renamed, so that nobody reads half a file.

Legend: ``N`` fakes, ``N'`` reals, ``X`` and ``Y`` points of a decision map along each axis, ``n`` images,
``C`` channels, ``K`` generators of a team, ``M`` modes or classes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from gantlet.errors import BadValue
from gantlet.files import write_whole

if TYPE_CHECKING:  # imported late: a worker that trains on images, or draws nothing, starts without it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Decision", "Extent", "draw_beneath", "draw_images", "draw_ownership", "draw_points"]

Extent = tuple[float, float, float, float]
"""The window of a plot of points: left, right, bottom, top."""

_LEVELS = 20  # filled contours
_DOT = 0.2**0.5  # diameter in points of a dot with an area of 0.2 square points
_TEAM_DOT = 3 * _DOT  # a single black dot shows on white, a coloured one of that size does not
_ROUNDS = 31  # a team's dots are drawn by turns, so that no generator hides the others
_LEGEND, _LEGEND_COLUMNS, _LEGEND_INCHES = 12, 6, 0.5
_COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"),  # Okabe and Ito's, as in the report
    *("#7b3fa0", "#7f4a12", "#9aa800", "#4d4d4d"),
)
_FAINT, _HALO = "#ccd1d9", 4 * _DOT  # reals stay visible around fakes on top of them
_DOTS_PER_INCH = 100
_SMALL = 64  # images below this many pixels are enlarged
_GAP = 2  # pixels between images
_GROUP_GAP = 8  # pixels between the images of two generators
_WHITE = 255
_CELL = 0.42  # inches of a cell of ownership; there are at most _MOST_CELLS along an axis before cells shrink
_MOST_CELLS = 40
_MOST_COUNT = 99_999  # a longer number does not fit into a cell

_PALE = ("#b3b9c1", "#ffffff")
"""From scored fake to scored real: light enough for coloured dots to show everywhere."""

_Shades = npt.NDArray[np.uint8]


class Decision(NamedTuple):
    """A discriminator's output over the plane (any tuple of these four will do).

    Attributes:
        xs: Grid points along the first axis, ``[X]``.
        ys: Grid points along the second axis, ``[Y]``.
        values: Its output there, ``[Y, X]``.
        kind: ``probability`` (of being real, drawn on [0, 1]) or ``score`` (drawn on its own range).
    """

    xs: npt.ArrayLike
    ys: npt.ArrayLike
    values: npt.ArrayLike
    kind: Literal["probability", "score"]


def draw_points(
    path: Path,
    *,
    fake: npt.ArrayLike,
    real: npt.ArrayLike,
    title: str,
    extent: Extent,
    decision: Decision | tuple[Any, Any, Any, str] | None = None,
    owners: npt.ArrayLike | None = None,
) -> None:
    """Draw fakes in the plane: over the discriminator's map (8 by 6 inches) or over faint reals (6 by 6).

    A legend of generators adds half an inch at the bottom.

    Arguments:
        path: The file to write.
        fake: Generated points, ``[N, 2]``; those that are not finite cannot be drawn.
        real: Real points, ``[N', 2]``; drawn only where there is no ``decision``.
        title: Shown above the plot, as plain text.
        extent: The window.
        decision: The discriminator's map.
        owners: Which generator made each fake, ``[N]``; each gets its own colour.

    Raises:
        BadValue: The points are not ``[N, 2]``, or the map's kind is unknown.
        StoreError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> points = np.random.default_rng(1).normal(size=(50, 2))
        >>> with TemporaryDirectory() as folder:
        ...     draw_points(Path(folder, "a.png"), fake=points, real=points, title="a", extent=(-2, 2, -2, 2))
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.png']
    """
    from matplotlib.figure import Figure

    fakes, reals = _points(fake, "fake"), _points(real, "real")
    names = [] if owners is None else [int(name) for name in np.unique(np.asarray(owners))]
    below = _LEGEND_INCHES if 0 < len(names) <= _LEGEND else 0.0
    height = 6 + below
    figure = Figure(figsize=(6 if decision is None else 8, height), dpi=_DOTS_PER_INCH)
    figure.subplots_adjust(left=0.08, right=0.97, bottom=(0.36 + below) / height, top=(5.64 + below) / height)
    axes = figure.add_subplot()
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set_title(title, parse_math=False)
    if decision is None:
        axes.set_box_aspect(1)  # whatever the units
        _dots(axes, reals, _FAINT, _HALO)
    else:
        _fill(figure, axes, Decision(*decision), team=bool(names))  # pyright: ignore[reportArgumentType]
    if owners is None:
        _dots(axes, fakes, "black", _DOT)
    else:
        _scatter(axes, fakes, np.asarray(owners), _colours(names))
    if below:
        _write_legend(figure, _colours(names))
    png = io.BytesIO()
    figure.savefig(png, format="png")
    write_whole(path, png.getvalue())


def draw_images(path: Path, images: npt.ArrayLike, columns: int = 5, *, generators: int = 1) -> None:
    """Draw images as one PNG grid, row by row, at pixel accuracy.

    Arguments:
        path: The file to write.
        images: Values in [-1, 1], ``[n, C, H, W]`` with C = 1 or 3; others are clipped, nan is mid-grey.
        columns: Images per row.
        generators: How many made them, each as many, one after the other; each begins a row.

    Raises:
        BadValue: The images have another shape, there are none, or generators made different numbers of them.
        StoreError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     draw_images(Path(folder, "a.png"), np.zeros((4, 1, 64, 64)), columns=2)
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.png']
    """
    values = _images(images)  # [n, C, H, W]
    if len(values) % generators:
        raise BadValue(f"{len(values)} images cannot come from {generators} generators; give as many of each.")
    _write_groups(path, np.split(values, generators), columns)


def draw_beneath(path: Path, above: npt.ArrayLike, beneath: npt.ArrayLike) -> None:
    """Draw a row of images and, after a wider gap, rows of others beneath them: what belongs to an image is its column.

    Arguments:
        path: The file to write.
        above: The first row, values in [-1, 1], ``[n, C, H, W]`` as in :func:`draw_images`.
        beneath: The rows below, ``[n, k, C, H, W]``: column ``i`` holds the k images of ``above[i]``.

    Raises:
        BadValue: The images have another shape, there are none, or there are not k for each of those above.
        StoreError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     draw_beneath(Path(folder, "a.png"), np.zeros((4, 1, 64, 64)), np.ones((4, 2, 1, 64, 64)))
        ...     with Image.open(Path(folder, "a.png")) as image:
        ...         image.size
        (266, 206)
    """
    top, below = _images(above), np.asarray(beneath, dtype=np.float64)
    if below.ndim != 5 or (len(below), *below.shape[2:]) != top.shape or below.size == 0:
        raise BadValue(f"Expected [n, k, C, H, W] to draw beneath images {list(top.shape)}; got {list(below.shape)}.")
    _write_groups(path, [top, below.swapaxes(0, 1).reshape(-1, *top.shape[1:])], len(top))


def draw_ownership(path: Path, counts: npt.ArrayLike, *, title: str, modes_are: str = "mode") -> None:
    """Draw how many good samples each generator of a team has on each mode, as a table of shades.

    Arguments:
        path: The file to write.
        counts: ``[K, M]``, whole numbers; they are written into the cells where they fit.
        title: Shown above the plot, as plain text.
        modes_are: What the columns are, in the singular.

    Raises:
        BadValue: The counts are not ``[K, M]``, or there are none.
        StoreError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     draw_ownership(Path(folder, "a.png"), [[5, 0], [1, 3]], title="a")
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.png']
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = np.asarray(counts)  # [K, M]
    if table.ndim != 2 or table.size == 0:
        raise BadValue(f"Expected counts [generators, {_plural(modes_are)}]; got {list(table.shape)}.")
    generators, modes = table.shape
    high, wide = (_CELL * min(size, _MOST_CELLS) for size in (generators, modes))
    left, right, bottom, top = 1.15, 0.2, 0.55, 0.45  # inches
    width, height = max(3.2, wide + left + right), high + bottom + top
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH)
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.imshow(table, cmap="Greys", vmin=0, vmax=1.5 * max(1, int(table.max())), aspect="auto")
    axes.set_xlabel(modes_are)
    axes.xaxis.set_major_locator(MaxNLocator(min(modes, _MOST_CELLS), integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(min(generators, _MOST_CELLS), integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"generator {value:.0f}" if 0 <= value < generators else "")
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    figure.text(0.5, 1 - 0.28 / height, title, ha="center", va="center", parse_math=False)
    if max(generators, modes) <= _MOST_CELLS:
        _write_counts(axes, table)
        _frame_owners(axes, table)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    write_whole(path, png.getvalue())


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def _write_counts(axes: Axes, table: npt.NDArray[Any]) -> None:
    if table.max() > _MOST_COUNT:
        return
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if count > 0.75 * table.max() else "#1b2026" if count else "#b3b9c1"
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=7, color=colour)


def _frame_owners(axes: Axes, table: npt.NDArray[Any]) -> None:
    from matplotlib.patches import Rectangle

    colours = _colours(range(len(table)))
    for column, owner in enumerate(table.argmax(0)):
        if table[owner, column]:
            corner, side = (column - 0.46, owner - 0.46), 0.92
            axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colours[int(owner)], linewidth=1.8))


def _points(points: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:  # [N, 2]
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2:
        raise BadValue(f"Expected {name} points [N, 2]; got {list(values.shape)}.")
    return values


def _dots(axes: Axes, points: npt.NDArray[np.float64], colour: Any, diameter: float) -> None:
    # Markers of one line are stamped from a cached raster: half the time of scatter's path collection.
    axes.plot(*points.T, "o", color=colour, markersize=diameter, markeredgewidth=0)


def _colours(names: Sequence[int]) -> dict[int, Any]:
    """A colour for each generator: its own by number up to ten of them, else spread over a rainbow."""
    if max(names, default=0) < len(_COLOURS):
        return {name: _COLOURS[name] for name in names}
    from matplotlib import colormaps

    rainbow = colormaps["turbo"]
    return {name: rainbow(rank / max(1, len(names) - 1)) for rank, name in enumerate(names)}


def _scatter(axes: Axes, fakes: npt.NDArray[np.float64], made_by: npt.NDArray[Any], colours: Mapping[int, Any]) -> None:
    names = list(colours)
    for turn in range(_ROUNDS):
        some, owner = fakes[turn::_ROUNDS], made_by[turn::_ROUNDS]
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            _dots(axes, some[owner == name], colours[name], _TEAM_DOT)


def _write_legend(figure: Figure, colours: Mapping[int, Any]) -> None:
    from matplotlib.lines import Line2D

    dots = [Line2D([], [], linestyle="", marker="o", color=colour, markersize=6) for colour in colours.values()]
    figure.legend(
        dots,
        [f"generator {name}" for name in colours],
        loc="lower center",
        ncols=_columns_of(len(dots)),
        frameon=False,
        fontsize=8,
        handletextpad=0.1,
        columnspacing=1.2,
        borderaxespad=0.3,
    )


def _columns_of(names: int) -> int:
    """Columns of the legend: rows that are as full as each other, ``_LEGEND_COLUMNS`` at most."""
    rows = -(-names // _LEGEND_COLUMNS)
    return -(-names // rows)


def _fill(figure: Figure, axes: Axes, decision: Decision, *, team: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    if decision.kind not in ("probability", "score"):
        raise BadValue(f"A decision map shows a probability or a score, not '{decision.kind}'.")
    values = np.ma.masked_invalid(np.asarray(decision.values, dtype=np.float64))  # [Y, X]
    if values.count() == 0:
        return  # no finite output to show
    low, high = (0.0, 1.0) if decision.kind == "probability" else (float(values.min()), float(values.max()))
    if high <= low:  # a constant map still needs increasing levels
        low, high = low - 0.5, high + 0.5
    levels = np.linspace(low, high, _LEVELS + 1)
    shades = LinearSegmentedColormap.from_list("pale", _PALE) if team else "Spectral"
    filled = axes.contourf(np.asarray(decision.xs), np.asarray(decision.ys), values, levels, cmap=shades)
    label = "D(x), probability of being real" if decision.kind == "probability" else "D(x), score"
    figure.colorbar(filled, ax=axes, label=label, ticks=levels[::5], format="%.3g", pad=0.03)


def _images(images: npt.ArrayLike) -> npt.NDArray[np.float64]:  # [n, C, H, W]
    values = np.asarray(images, dtype=np.float64)
    if values.ndim != 4 or values.shape[1] not in (1, 3) or values.size == 0:
        raise BadValue(f"Images come as [n, 1 or 3, height, width]; these are {list(values.shape)}.")
    return values


def _write_groups(path: Path, groups: Sequence[npt.NDArray[np.float64]], columns: int) -> None:
    """Groups of images one below the other, each ``[n, C, H, W]``."""
    tiles = [_tile(_enlarge(_shades(group)), columns) for group in groups]  # [C, height, width] each
    gap = np.full((tiles[0].shape[0], _GROUP_GAP - 2 * _GAP, tiles[0].shape[2]), _WHITE, dtype=np.uint8)
    grid = np.concatenate([part for tile in tiles for part in (gap, tile)][1:], axis=1)  # [C, height, width]
    png = io.BytesIO()
    Image.fromarray(grid[0] if len(grid) == 1 else np.moveaxis(grid, 0, -1)).save(png, format="png")
    write_whole(path, png.getvalue())


def _shades(values: npt.NDArray[np.float64]) -> _Shades:
    return np.rint((np.clip(np.nan_to_num(values), -1, 1) + 1) * 127.5).astype(np.uint8)


def _enlarge(shades: _Shades) -> _Shades:  # [n, C, H, W] -> the same, each side times one whole factor
    factor = -(-_SMALL // max(shades.shape[-2:]))
    return shades.repeat(factor, axis=-2).repeat(factor, axis=-1)


def _tile(shades: _Shades, columns: int) -> _Shades:  # [n, C, H, W] -> [C, height, width]
    count, channels, height, width = shades.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (channels, rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    grid = np.full(size, _WHITE, dtype=np.uint8)
    for index, image in enumerate(shades):
        row, column = divmod(index, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        grid[:, top : top + height, left : left + width] = image
    return grid
