r"""What a member drew: its fakes as dots over the discriminator's map, or as a grid of images.

A picture of points shows the discriminator as 20 filled levels of the map "Spectral" with a colour bar, and
the fakes as black dots on it; without a discriminator (the last picture of a run) it shows the fakes alone
over faint reals. A map of probabilities always spans [0, 1], so that two pictures compare; one of scores
spans its own range.

A picture of images is exact: the value :math:`v \in [-1, 1]` becomes the shade :math:`\mathrm{round}((v +
1)\,255 / 2)`, small images are enlarged by a whole factor, and a thin white gap separates them.

A picture is written to a temporary file first and then renamed, so that a reader never meets half of one.

Legend: ``N`` fakes, ``N'`` reals, ``X`` and ``Y`` points of a decision map along each axis, ``n`` images,
``C`` channels.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from gantlet.errors import BadValue
from gantlet.files import write_whole

__all__ = ["Decision", "Extent", "draw_images", "draw_points"]

Extent = tuple[float, float, float, float]
"""The window of a picture of points: left, right, bottom, top."""

_LEVELS = 20  # filled contours
_DOT = 0.2**0.5  # diameter in points of a dot with an area of 0.2 square points
_LARGE_DOT = 2 * _DOT  # a single black dot shows on white, a coloured one of that size does not
_FAINT, _HALO = "#ccd1d9", 4 * _DOT  # reals stay visible around fakes that lie on them
_DOTS_PER_INCH = 100
_SMALL = 64  # images below this many pixels are enlarged
_GAP = 2  # pixels between images
_WHITE = 255

_Shades = npt.NDArray[np.uint8]


class Decision(NamedTuple):
    """What a discriminator says over the plane (any tuple of these four will do).

    Attributes:
        xs: Where it was asked along the first axis, ``[X]``.
        ys: Where it was asked along the second axis, ``[Y]``.
        values: What it said, ``[Y, X]``.
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

    Arguments:
        path: The file to write.
        fake: Generated points, ``[N, 2]``; those that are not finite cannot be drawn.
        real: Real points, ``[N', 2]``; drawn only where there is no ``decision``.
        title: Stands above the picture, as plain text.
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
    fakes, reals = _points(fake, "fake"), _points(real, "real")
    figure = Figure(figsize=(6, 6) if decision is None else (8, 6), dpi=_DOTS_PER_INCH)
    figure.subplots_adjust(left=0.08, right=0.97, bottom=0.06, top=0.94)
    axes = figure.add_subplot()
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set_title(title, parse_math=False)
    if decision is None:
        axes.set_aspect("equal")
        _dots(axes, reals, _FAINT, _HALO)
    else:
        _fill(figure, axes, Decision(*decision))  # pyright: ignore[reportArgumentType]
    _scatter(axes, fakes, owners)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())


def draw_images(path: Path, images: npt.ArrayLike, columns: int = 5) -> None:
    """Draw images as one PNG grid, row by row, at pixel accuracy.

    Arguments:
        path: The file to write.
        images: Values in [-1, 1], ``[n, C, H, W]`` with C = 1 or 3; others are clipped, nan is mid-grey.
        columns: Images per row.

    Raises:
        BadValue: The images have another shape, or there are none.
        StoreError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     draw_images(Path(folder, "a.png"), np.zeros((4, 1, 64, 64)), columns=2)
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.png']
    """
    values = np.asarray(images, dtype=np.float64)  # [n, C, H, W]
    if values.ndim != 4 or values.shape[1] not in (1, 3) or values.size == 0:
        raise BadValue(f"Images come as [n, 1 or 3, height, width]; these are {list(values.shape)}.")
    shades = np.rint((np.clip(np.nan_to_num(values), -1, 1) + 1) * 127.5).astype(np.uint8)
    grid = _tile(_enlarge(shades), columns)  # [C, height, width]
    picture = io.BytesIO()
    Image.fromarray(grid[0] if len(grid) == 1 else np.moveaxis(grid, 0, -1)).save(picture, format="png")
    write_whole(path, picture.getvalue())


def _points(points: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:  # [N, 2]
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2:
        raise BadValue(f"A picture of points needs {name} points [N, 2]; these are {list(values.shape)}.")
    return values


def _dots(axes: Axes, points: npt.NDArray[np.float64], colour: Any, diameter: float) -> None:
    # Markers of one line are stamped from a cached raster: half the time of scatter's path collection.
    axes.plot(*points.T, "o", color=colour, markersize=diameter, markeredgewidth=0)


def _scatter(axes: Axes, fakes: npt.NDArray[np.float64], owners: npt.ArrayLike | None) -> None:
    if owners is None:
        _dots(axes, fakes, "black", _DOT)
        return
    made_by = np.asarray(owners)  # [N]
    colours = mpl.colormaps["tab10" if made_by.max(initial=0) < 10 else "turbo"]
    names = np.unique(made_by)
    for rank, owner in enumerate(names):
        colour = colours(int(owner)) if colours.N == 10 else colours(rank / max(1, len(names) - 1))
        _dots(axes, fakes[made_by == owner], colour, _LARGE_DOT)


def _fill(figure: Figure, axes: Axes, decision: Decision) -> None:
    if decision.kind not in ("probability", "score"):
        raise BadValue(f"A decision map shows a probability or a score, not '{decision.kind}'.")
    values = np.ma.masked_invalid(np.asarray(decision.values, dtype=np.float64))  # [Y, X]
    if values.count() == 0:
        return  # a dead discriminator says nothing anywhere
    low, high = (0.0, 1.0) if decision.kind == "probability" else (float(values.min()), float(values.max()))
    if high <= low:  # a constant map still needs increasing levels
        low, high = low - 0.5, high + 0.5
    levels = np.linspace(low, high, _LEVELS + 1)
    filled = axes.contourf(np.asarray(decision.xs), np.asarray(decision.ys), values, levels, cmap="Spectral")
    label = "D(x), probability of being real" if decision.kind == "probability" else "D(x), score"
    figure.colorbar(filled, ax=axes, label=label, ticks=levels[::5], format="%.3g", pad=0.03)


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
