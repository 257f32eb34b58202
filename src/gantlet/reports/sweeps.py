"""Sensitivity sweeps: a metric over one key of the grid as a curve with its band, over two keys as a heat map.

The settings of a study that differ in nothing but the keys in question make one panel; a point or a cell is the mean over the
members of its setting with its interval (or a rate with Wilson's).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from gantlet.errors import BadValue, UnknownName
from gantlet.requests.aliases import PLAYERS, renamed
from gantlet.settings import Scalar
from gantlet.statistics import Interval, bootstrap_mean, wilson

from .figures import compact
from .read import StudyData
from .theme import Palette
from .words import number, plain

__all__ = ["Sweep", "draw_curve", "draw_heatmap", "shown_value", "sweeps_of", "swept_keys"]

_LOGARITHM = 20.0  # the ratio of values from which on an axis is logarithmic
_FAINT, _STRONG = 0.06, 0.62  # opacity of the worst and of the best cell: ink stays legible on both


@dataclass(frozen=True)
class Sweep:
    """One panel: what its settings share, the values of its keys in order, and the score at each.

    Attributes:
        method: The method.
        title: The method and whatever else its settings share but other panels' do not.
        x: The key along the x-axis.
        xs: Its values.
        y: The key along the y-axis; empty for a curve.
        ys: Its values; one empty text for a curve.
        scores: (index in ``ys``, index in ``xs``) to the score with its interval; combinations that were not run lack one.
    """

    method: str
    title: str
    x: str
    xs: tuple[Scalar, ...]
    y: str
    ys: tuple[Scalar, ...]
    scores: Mapping[tuple[int, int], Interval]


def swept_keys(study: StudyData) -> list[str]:
    """The keys that take several values among the settings of one method and that the user set, in order of the record.

    Keys that always move together count once, by their first; a learning rate of both players is ``lr``, as it was asked for.
    """
    return [_short(keys) for keys in _moving(study)]


def sweeps_of(study: StudyData, column: str, x: str, y: str = "") -> list[Sweep]:
    """The panels of a study over one key or two.

    Arguments:
        study: Of a grid.
        column: A rate or metric of its results.
        x: A key that varies in it; aliases such as ``lr`` and ``lambda`` are read.
        y: Another one, or empty.

    Raises:
        UnknownName: No setting has the key.
        BadValue: The key is the same in all of them, or x and y are one key.
    """
    x, y = _key(study, x), _key(study, y) if y else ""
    if x == y:
        raise BadValue(f"x={x} and y={y} are one key; a heat map needs two.")
    keys = [key for key in (x, y) if key]
    members = {name for key in keys for name in PLAYERS.get(key, (key,))}
    others = [keys[0] for keys in _moving(study) if not members & {*keys}]
    several = len({each.network for each in study.record.settings}) > len(
        {each.method for each in study.record.settings}
    )
    panels: dict[tuple[str, str], list[tuple[Scalar, Scalar, Interval]]] = {}
    for setting in study.record.settings:
        values = setting.values
        if any(name not in values for name in members):
            continue
        first, second = (values[_first(key)] if key else "" for key in (x, y))
        rest = [f"{key}={plain(values[key])}" for key in others if key in values]
        rest = [*rest, setting.network] if several and "network" not in others else rest
        rest += [word for word in setting.label.split() if word.startswith("preset=")]
        score = _score(study.members[setting.label], column, rate=column in study.rates)
        title = " ".join([setting.method, *rest])
        panels.setdefault((setting.method, title), []).append((first, second, score))
    sweeps = [_panel(method, title, x, y, cells) for (method, title), cells in panels.items()]
    return [sweep for sweep in sweeps if len(sweep.xs) > 1 or len(sweep.ys) > 1]


def draw_curve(axes: Axes, sweep: Sweep, *, colour: str, style: Any = "-", line: float = 1.7) -> None:
    """A sweep's curve with its band; positions of values that are no numbers are their order."""
    cells = [sweep.scores.get((0, at)) for at in range(len(sweep.xs))]
    places, ticks = _places(sweep.xs)
    kept = [at for at, cell in enumerate(cells) if cell and math.isfinite(cell.estimate)]
    xs = [places[at] for at in kept]
    centre, low, high = ([getattr(cells[at], end) for at in kept] for end in ("estimate", "low", "high"))
    if len(xs) == 0:
        return
    axes.fill_between(xs, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(xs, centre, color=colour, linestyle=style, linewidth=line, marker="o", markersize=2.4 * line)
    if ticks is None:
        numbers = np.array(places)
        if numbers.min() > 0 and numbers.max() >= _LOGARITHM * numbers.min():
            axes.set_xscale("log")
            axes.minorticks_off()
        axes.set_xticks(places, [compact(value) for value in places])
    else:
        axes.set_xticks(places, ticks)


def draw_heatmap(
    axes: Axes,
    sweep: Sweep,
    palette: Palette,
    *,
    limits: tuple[float, float],
    higher: bool,
    font: float,
    rate: bool,
    values: bool = True,
) -> None:
    """A sweep's cells: the better, the stronger; each with its value, and a dash where nothing was run or no score is finite.

    Arguments:
        axes: Where.
        sweep: Over two keys.
        palette: Its first series colours the cells.
        limits: The scores of the faintest or strongest cell over all panels.
        higher: Whether higher is better.
        font: Points.
        rate: Whether scores are shares.
        values: Whether each cell has its value; else only its strength.
    """
    colour = palette.setting(0)[0]
    low, high = limits
    logarithm = low > 0 and high > 100 * low
    for row in range(len(sweep.ys)):
        for place in range(len(sweep.xs)):
            cell = sweep.scores.get((row, place))
            known = cell is not None and math.isfinite(cell.estimate)
            if cell is not None and known:
                share = _share(cell.estimate, low, high, logarithm=logarithm, rate=rate)
                opacity = _FAINT + (_STRONG - _FAINT) * (share if higher else 1 - share)
                axes.fill(
                    [place, place + 1, place + 1, place],
                    [row, row, row + 1, row + 1],
                    color=colour,
                    alpha=opacity,
                    linewidth=0,
                )
            text = shown_value(cell.estimate, rate=rate) if cell is not None and known else "–"
            if not values and known:
                continue
            axes.text(place + 0.5, row + 0.5, text, fontsize=font, color=palette.ink, ha="center", va="center")
    axes.set(xlim=(0, len(sweep.xs)), ylim=(0, len(sweep.ys)))
    axes.set_xticks([at + 0.5 for at in range(len(sweep.xs))], [_tick(value) for value in sweep.xs])
    axes.set_yticks([at + 0.5 for at in range(len(sweep.ys))], [_tick(value) for value in sweep.ys])
    axes.grid(visible=False)
    axes.tick_params(length=0)


def shown_value(value: float, *, rate: bool) -> str:
    """A cell's text: three digits, or a percentage without decimals.

    Example:
        >>> shown_value(0.667, rate=True), shown_value(123.456, rate=False), shown_value(0.0123456, rate=False)
        ('67 %', '123', '0.0123')
    """
    return f"{100 * value:.0f} %" if rate else number(float(f"{value:.3g}"))


def _moving(study: StudyData) -> list[list[str]]:
    """The keys that vary among the settings of a method by the user's will; those that always move together in one list."""
    found: dict[tuple[str, ...], list[str]] = {}
    settings = study.record.settings
    for key in dict.fromkeys(key for each in settings for key in each.values):
        by_method: dict[str, set[str]] = {}
        for each in settings:
            if key in each.values and each.sources.get(key, "user") == "user":
                by_method.setdefault(each.method, set()).add(plain(each.values[key]))
        if any(len(values) > 1 for values in by_method.values()):
            found.setdefault(tuple(plain(each.values.get(key)) for each in settings), []).append(key)
    return list(found.values())


def _short(keys: Sequence[str]) -> str:
    return next((short for short, both in PLAYERS.items() if {*both} <= {*keys}), keys[0])


def _key(study: StudyData, given: str) -> str:
    known = dict.fromkeys(key for each in study.record.settings for key in each.values)
    key = given if given in known else renamed(given)
    if key in PLAYERS and key not in known:
        return _both(study, key)
    if key not in known:
        raise UnknownName("key of the study", given, known)
    if len({plain(each.values.get(key)) for each in study.record.settings}) < 2:
        varied = ", ".join(swept_keys(study)) or "none"
        raise BadValue(f"{key} is the same in all settings of {study.folder}; keys that vary: {varied}.")
    return key


def _both(study: StudyData, short: str) -> str:
    first, second = PLAYERS[short]
    if any(each.values.get(first) != each.values.get(second) for each in study.record.settings):
        raise BadValue(
            f"{first} and {second} differ in some setting of {study.folder}: name one of them instead of {short}."
        )
    _key(study, first)
    return short


def _first(key: str) -> str:
    return PLAYERS.get(key, (key,))[0]


def _score(members: pd.DataFrame, column: str, *, rate: bool) -> Interval:
    values = pd.to_numeric(members[column], errors="coerce").to_numpy(float, na_value=math.nan)
    if rate:
        known = values[np.isfinite(values)]
        return wilson(round(float(known.sum())), len(known)) if len(known) else bootstrap_mean([])
    return bootstrap_mean(np.where(np.isfinite(values), values, np.nan))


def _panel(method: str, title: str, x: str, y: str, cells: Sequence[tuple[Scalar, Scalar, Interval]]) -> Sweep:
    xs, ys = _ordered([cell[0] for cell in cells]), _ordered([cell[1] for cell in cells])
    scores = {(ys.index(second), xs.index(first)): score for first, second, score in cells}
    return Sweep(method, title, x, xs, y, ys, scores)


def _ordered(values: Sequence[Scalar]) -> tuple[Scalar, ...]:
    once = list(dict.fromkeys(values))
    return tuple(sorted(once, key=float)) if all(map(_is_number, once)) else tuple(once)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _places(values: Sequence[Scalar]) -> tuple[list[float], list[str] | None]:
    if all(_is_number(value) and math.isfinite(float(value)) for value in values):
        return [float(value) for value in values], None
    return [float(at) for at in range(len(values))], [_tick(value) for value in values]


def _tick(value: Scalar) -> str:
    return compact(float(value)) if _is_number(value) else plain(value)


def _share(value: float, low: float, high: float, *, logarithm: bool, rate: bool) -> float:
    if high <= low:  # nothing is better than anything else; a rate has ends of its own
        return value if rate else 0.5
    if logarithm:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)
