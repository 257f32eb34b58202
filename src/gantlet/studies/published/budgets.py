"""What a budget of time pays for: seeds in full length, else fewer steps, evaluations of fewer samples, fewer seeds.

Seeds are cut before steps: a run that is shorter than the published one answers another question, so a table is trained in full
length over as many seeds as fit. Where not even the first few do, these are trained for as many steps as fit, and since such runs are
compared with no published number, they are evaluated at the end only, of fewer samples where that takes long. Where one step and that
evaluation do not fit, there are fewer seeds.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gantlet.cpu import cores
from gantlet.errors import BadValue

from ..measure import FleetTime, makespan, seconds_for, steps_within
from ..plan import Plan

__all__ = [
    "Afforded",
    "Allowance",
    "Pace",
    "affordable",
    "crowded",
    "more_seeds",
    "parse_budget",
    "rates_of",
    "scaled",
    "times_of",
]

_LOG = logging.getLogger("gantlet")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_OVER = 1.25  # of a budget: what one step of one seed may take it to
_FEWEST = 1_000  # samples of an evaluation, and at least a tenth of those of the full one


@dataclass(frozen=True)
class Allowance:
    """Seconds that were given, and what of them preparation took."""

    seconds: float
    spent: float

    @property
    def left(self) -> float:
        """What is left; a quarter at least, since what preparation made is kept for the next one."""
        return max(self.seconds - self.spent, self.seconds / 4)


@dataclass(frozen=True)
class Pace:
    """What planned fleets take.

    Attributes:
        times: Of each fleet, with the full evaluation.
        workers: Fleets that are trained side by side.
        evaluations: How often each is evaluated in full length.
        samples: Of one full evaluation.
    """

    times: Sequence[FleetTime]
    workers: int
    evaluations: Sequence[int]
    samples: int

    def measuring(self, samples: int) -> Pace:
        """The same with one evaluation, at the end, of fewer samples."""
        saved = self.samples - samples
        times = [replace(time, evaluation=max(0.0, time.evaluation - saved * time.sample)) for time in self.times]
        return Pace(times, self.workers, [1] * len(times), samples)

    def seconds(self, steps: int) -> float:
        """The part of a budget that so many steps take, with the evaluations."""
        return seconds_for(steps, self.times, self.workers, self.evaluations)


@dataclass(frozen=True)
class Afforded:
    """What fits: seeds, steps (0: fewer seeds, to be planned anew), and the samples of an evaluation."""

    seeds: int
    steps: int
    samples: int


def parse_budget(text: str) -> float | None:
    """Seconds of ``90s``, ``5m``, ``1h`` or ``2d``; None for ``paper``: whatever the paper took.

    Raises:
        BadValue: It is none of these.

    Example:
        >>> parse_budget("5m"), parse_budget("1.5h"), parse_budget("paper")
        (300.0, 5400.0, None)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if text.strip() == "paper":
        return None
    if match is None or not 0 < float(match[1]) < 1e6:
        raise BadValue(f"--budget {text} is not a time such as 90s, 5m, 1h or 2d, and not paper.")
    return float(match[1]) * _UNITS[match[2]]


def affordable(pace: Pace, budget: Allowance, *, full: int, seeds: int, fewer: bool = True) -> Afforded:
    """What fits into the rest of a budget: the full length of as many seeds as do, else these seeds for as long as do.

    Where not even one step of these seeds fits, with one evaluation of few samples, it is fewer seeds and 0 steps.

    Arguments:
        pace: What the fleets of these seeds take.
        budget: The budget.
        full: The published length, in steps.
        seeds: How many the fleets have of each setting.
        fewer: Whether fewer seeds will do.

    Raises:
        BadValue: Not one step fits, and there is one seed only or fewer will not do.
    """
    whole = pace.seconds(full)
    if whole <= budget.left:
        return Afforded(int(seeds * budget.left / whole), full, pace.samples)
    short = _evaluated_briefly(pace, budget.left / 4)
    least = short.seconds(1)
    if least <= budget.left:
        steps = steps_within(budget.left, short.times, short.workers, short.evaluations)
        return Afforded(seeds, max(1, min(steps, full - 1)), short.samples)
    if seeds > 1 and fewer:
        return Afforded(max(1, min(seeds - 1, int(seeds * budget.left / least))), 0, short.samples)
    if budget.spent + least > _OVER * budget.seconds:
        raise _too_small(budget, least, f"one step of {_seeds(seeds)} with an evaluation of {short.samples:,} samples")
    _LOG.warning("note: one step of %s and its evaluation take about %.3g s, more than is left", _seeds(seeds), least)
    return Afforded(seeds, 1, short.samples)


def more_seeds(pace: Pace, budget: Allowance, *, full: int, seeds: int) -> int:
    """How many further seeds fit into the rest of a budget in full length.

    Raises:
        BadValue: Not one.
    """
    each = pace.seconds(full) / seeds
    if budget.spent + each > _OVER * budget.seconds:
        raise _too_small(budget, each, "one more seed in the published length")
    return max(1, int(budget.left / each))


def rates_of(plan: Plan, times: Sequence[FleetTime]) -> dict[str, FleetTime]:
    """What one member of each setting takes, by the setting's label, if the members of a fleet take equally long."""
    rates: dict[str, FleetTime] = {}
    for fleet, time in zip(plan.fleets, times, strict=True):
        for resolved, _ in plan.slots(fleet):
            rates.setdefault(resolved.label, scaled(time, 1 / len(fleet.slots)))
    return rates


def times_of(plan: Plan, rates: Mapping[str, FleetTime]) -> list[FleetTime]:
    """What each fleet of a plan takes, if its members take as long together as one after another."""
    found: list[FleetTime] = []
    for fleet in plan.fleets:
        members = [rates[resolved.label] for resolved, _ in plan.slots(fleet)]
        found.append(
            replace(
                members[0],
                update=sum(member.update for member in members),
                low=sum(member.low for member in members),
                high=sum(member.high for member in members),
                evaluation=sum(member.evaluation for member in members),
                sample=sum(member.sample for member in members),
            )
        )
    return found


def scaled(time: FleetTime, factor: float) -> FleetTime:
    """So many times as long, steps and evaluations."""
    return replace(
        time,
        update=factor * time.update,
        low=factor * time.low,
        high=factor * time.high,
        evaluation=factor * time.evaluation,
        sample=factor * time.sample,
    )


def crowded(load: float, workers: int, threads: int) -> float:
    """By how much fleets side by side are slower than the one that was measured, where other work keeps cores busy.

    Arguments:
        load: The share of the cores that is busy with other work, from 0 to 1.
        workers: Fleets that are trained side by side.
        threads: Of each.
    """
    here = cores()
    return max(1.0, load + workers * threads / here) / max(1.0, load + threads / here)


def _evaluated_briefly(pace: Pace, seconds: float) -> Pace:
    """One evaluation at the end, of as many tenths of the samples as fit into some seconds; one tenth at least."""
    least = min(pace.samples, _FEWEST)
    choices = [pace.measuring(max(least, tenths * pace.samples // 10)) for tenths in range(10, 0, -1)]
    fitting = (each for each in choices if makespan([time.evaluation for time in each.times], each.workers) <= seconds)
    return next(fitting, choices[-1])


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)}"


def _too_small(budget: Allowance, least: float, what: str) -> BadValue:
    needed = (budget.spent + least) / _OVER
    wanted = f"{math.ceil(needed)}s" if needed < 120 else f"{math.ceil(needed / 60)}m"
    return BadValue(
        f"A budget of {budget.seconds:.3g} s is not enough: reading the data, making the metrics and measuring took "
        f"{budget.spent:.3g} s, and {what} takes about {least:.3g} s here. The smallest that would do is --budget {wanted}."
    )
