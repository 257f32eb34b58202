r"""From members' histories to curves: a centre and a band per setting, over any of four measures of cost.

A *rate band* is the Wilson interval of a share, step by step. A *bootstrap band* resamples members: with
weights :math:`w_{br}` = how often member r was drawn in resample b, the means are
:math:`\sum_r w_{br} v_{rt} / \sum_r w_{br}` over the members that are present at step t, and the band spans
their central 95 %; all steps share the resamples, so the band is as smooth as the mean. A *spread band* spans
the central 80 % of the members themselves.

Members of one setting cost the same per generator step, so every other measure of cost is the step times one
factor: the final count divided by the final step, averaged over the setting's members.

Legend: ``R`` members, ``T`` steps, ``b`` resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from gantlet.statistics import wilson

from .read import StudyData

__all__ = [
    "AXES",
    "Band",
    "Curve",
    "bootstrap_band",
    "cost_per_step",
    "costs_of",
    "curves_of",
    "rate_band",
    "spread_band",
    "thin",
]

_Floats: TypeAlias = npt.NDArray[np.float64]

AXES = {
    "generator_steps": "generator steps",
    "discriminator_steps": "discriminator steps",
    "images_seen": "images seen",
    "seconds": "seconds",
}
"""The measures of cost that can be the x-axis, and their names."""

_MOST, _LEAST, _TOGETHER = 120, 16, 1600  # points of a curve, and of all curves of a chart: a page stays small
_RESAMPLES = 1000
_CENTRAL_95, _CENTRAL_80 = (2.5, 97.5), (10.0, 90.0)


@dataclass(frozen=True)
class Curve:
    """One setting's course, four arrays ``[T]``; ``rank`` is the setting's place in the study."""

    rank: int
    steps: _Floats
    centre: _Floats
    low: _Floats
    high: _Floats


Band: TypeAlias = Callable[[_Floats], tuple[_Floats, _Floats, _Floats]]
"""Turns the members' values ``[R, T]`` into centre, low and high ``[T]``."""


def curves_of(study: StudyData, name: str, band: Band) -> list[Curve]:
    """One curve per setting that has recorded ``name``.

    A member that diverged keeps, in every metric, the value of its last good state, and never counts as a success; one that
    was stopped early keeps its last value:
    so a curve ends at the summary's number, and does not rise because the worst members have dropped out.
    """
    table = study.curves[name]
    curves: list[Curve] = []
    points = max(_LEAST, min(_MOST, _TOGETHER // len(study.labels)))
    for rank, label in enumerate(study.labels):
        members = study.members[label]
        rows = table.reindex(index=members["run"]).dropna(axis=1, how="all")
        if rows.shape[1]:
            steps, values = rows.columns.to_numpy(float), rows.to_numpy(float)  # [T], [R, T]
            values = np.where(np.isfinite(values), values, np.nan)
            if name in study.record.metrics:
                values = _with_those_that_ended(members, name, steps, values)
            steps, values = thin(steps, values, points)
            curves.append(Curve(rank, steps, *band(values)))
    return curves


def bootstrap_band(values: _Floats) -> tuple[_Floats, _Floats, _Floats]:  # [R, T] -> 3 × [T]
    """The mean over members and its 95 % bootstrap band, step by step; a lone member is a line without width.

    Example:
        >>> bootstrap_band(np.array([[1.0, 2.0], [1.0, np.nan]]))[0]
        array([1., 2.])
    """
    members = len(values)
    weights = np.random.default_rng(0).multinomial(members, np.full(members, 1 / members), _RESAMPLES)
    present = np.isfinite(values).astype(float)
    filled = np.where(present > 0, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold no member that is present
        means = (weights @ filled) / (weights @ present)  # [b, T]
        centre = filled.sum(0) / present.sum(0)
    low, high = _percentiles(means, _CENTRAL_95)
    return centre, low, high


def rate_band(values: _Floats) -> tuple[_Floats, _Floats, _Floats]:  # [R, T] of 0 and 1 -> 3 × [T]
    """The share of members at 1 and its 95 % Wilson interval, step by step.

    Example:
        >>> [round(float(part[0]), 3) for part in rate_band(np.array([[1.0], [0.0], [1.0], [0.0]]))]
        [0.5, 0.15, 0.85]
    """
    present = np.isfinite(values).sum(0)
    ones = np.where(np.isfinite(values), values, 0.0).sum(0)
    shares = [wilson(round(one), int(count)) for one, count in zip(ones, present, strict=True)]
    parts = np.array([(share.estimate, share.low, share.high) for share in shares]).T  # [3, T]
    centre, low, high = np.where(present > 0, parts, np.nan)
    return centre, low, high


def spread_band(values: _Floats) -> tuple[_Floats, _Floats, _Floats]:  # [R, T] -> 3 × [T]
    """The mean over members and the band that holds the central 80 % of them.

    Example:
        >>> [float(part[0]) for part in spread_band(np.arange(11.0)[:, None])]
        [5.0, 1.0, 9.0]
    """
    present = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(present, values, 0.0).sum(0) / present.sum(0)
    low, high = _percentiles(values, _CENTRAL_80)
    return centre, low, high


def thin(steps: _Floats, values: _Floats, points: int) -> tuple[_Floats, _Floats]:
    """Means over windows of steps, so that at most ``points`` are left; steps ``[T]``, values ``[R, T]``.

    A window's place is the mean of its steps; a member that diverged within a window counts by its values there.

    Example:
        >>> thin(np.array([1.0, 2.0, 3.0]), np.array([[1.0, 3.0, np.nan]]), points=2)
        (array([1.5, 3. ]), array([[ 2., nan]]))
    """
    if len(steps) <= points:
        return steps, values
    starts = np.arange(0, len(steps), -(-len(steps) // points))
    present = np.isfinite(values)
    totals = np.add.reduceat(np.where(present, values, 0.0), starts, axis=1)
    counts = np.add.reduceat(present.astype(float), starts, axis=1)
    lengths = np.diff(np.append(starts, len(steps)))
    with np.errstate(invalid="ignore"):
        return np.add.reduceat(steps, starts) / lengths, totals / counts


def cost_per_step(members: pd.DataFrame, axis: str) -> float | None:
    """How much of ``axis`` one generator step of a setting costs; None where the study did not record it.

    Example:
        >>> rows = pd.DataFrame({"generator_steps": [100, 50], "images_seen": [12800, 6400]})
        >>> cost_per_step(rows, "images_seen")
        128.0
    """
    if axis == "generator_steps":
        return 1.0
    if axis not in members or "generator_steps" not in members:
        return None
    factors = (members[axis] / members["generator_steps"].where(members["generator_steps"] > 0)).dropna()
    return float(factors.mean()) if len(factors) else None


def costs_of(study: StudyData) -> dict[str, dict[int, float]]:
    """For each measure of cost that the study recorded: a setting's rank to what one of its steps costs."""
    costs: dict[str, dict[int, float]] = {}
    for axis in AXES:
        each = {rank: cost_per_step(study.members[label], axis) for rank, label in enumerate(study.labels)}
        if known := {rank: cost for rank, cost in each.items() if cost is not None}:
            costs[axis] = known
    return costs


def _with_those_that_ended(members: pd.DataFrame, name: str, steps: _Floats, values: _Floats) -> _Floats:
    """Values with those of members that diverged or were stopped early, from the step on at which they did."""
    diverged = (members["status"] == "diverged").to_numpy()  # [R]
    for column, left in (("diverged_step", diverged), ("stop_step", ~diverged)):
        if name in members and column in members:
            last = pd.to_numeric(members[name]).to_numpy(float)
            if name == "success":
                last = np.where(diverged, 0.0, last)
            at = pd.to_numeric(members[column]).to_numpy(float, na_value=np.nan)
            after = left[:, None] & (steps[None] > at[:, None])  # [R, T]; false where the step is not known
            values = np.where(after, last[:, None], values)
    return values


def _percentiles(values: _Floats, bounds: tuple[float, float]) -> tuple[_Floats, _Floats]:  # [b, T] -> 2 × [T]
    complete = np.isfinite(values).all(0)
    result = np.full((2, values.shape[1]), np.nan)
    if complete.any():
        result[:, complete] = np.percentile(values[:, complete], bounds, axis=0)
    for column in np.flatnonzero(~complete & np.isfinite(values).any(0)):  # NumPy's nanpercentile is as slow
        result[:, column] = np.percentile(values[np.isfinite(values[:, column]), column], bounds)
    return result[0], result[1]
