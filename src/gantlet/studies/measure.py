"""How long training takes here: a few real steps of each kind of fleet, and one evaluation, measured before anything is written.

From that come the estimate of a dry run, and the number of steps that fit into a budget of wall time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from gantlet.cpu import threads_set
from gantlet.data.base import Dataset
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadValue
from gantlet.metrics.compose import Composed
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet

from .build import blueprint
from .cache import Cache
from .evaluate import evaluate
from .plan import Plan
from .record import FleetPlan
from .trial import made_up

__all__ = ["FleetTime", "busy", "makespan", "measure", "seconds_for", "steps_within"]

_WARM, _TIMED = 2, 5  # discriminator updates at least, in whole steps
_SECONDS = 1.5
"""For which steps of a fleet are timed at most; steps that agree within 5 % are timed for a third of that."""
_LONG = 3.0
"""Seconds, from which on an evaluation is measured in part."""
_FEW = (256, 1024)  # samples of such parts
_SHARE = 0.9  # of a budget: the rest is for starting processes, tables and the report
_LONGEST = 1 << 40  # steps


@dataclass(frozen=True)
class FleetTime:
    """What a fleet takes, as measured.

    Attributes:
        sheet: The fleet's blueprint; its number of steps does not matter.
        update: Seconds per discriminator update, with its share of everything else in a step.
        low: The same, if the rest is as fast as the faster of the measured steps.
        high: The same, if the rest is as slow as the slower ones.
        evaluation: Seconds of one evaluation of all members; 0 where it was not measured.
        sample: Seconds by which it is shorter for each sample less of every member.
    """

    sheet: Blueprint
    update: float
    low: float
    high: float
    evaluation: float = 0.0
    sample: float = 0.0

    def seconds(self, steps: int, evaluations: int = 0) -> float:
        """Of a training of so many steps and evaluations."""
        return self.update * self.sheet.schedule.total(steps) + self.evaluation * min(evaluations, steps)


def measure(  # noqa: PLR0913 - what a planned study is made of
    plan: Plan,
    samples: Sequence[SampleSpec],
    cache: Cache,
    device: torch.device,
    *,
    threads: int,
    without_data: bool = False,
    evaluations: bool = False,
) -> list[FleetTime]:
    """The time of each fleet of a plan; fleets of one kind are measured once.

    Arguments:
        plan: The plan.
        samples: The specification of each setting's samples.
        cache: Data sets and metrics.
        device: Where training happens.
        threads: Of each worker.
        without_data: Whether noise of the samples' shape stands for the data.
        evaluations: Whether an evaluation is measured, too, for which the metrics are made.
    """
    known: dict[tuple[str, int], FleetTime] = {}
    with threads_set(threads):
        for fleet in plan.fleets:
            kind = _kind(plan, fleet)
            if kind not in known:
                known[kind] = _measured(plan, samples, cache, device, fleet, (without_data, evaluations))
    return [known[_kind(plan, fleet)] for fleet in plan.fleets]


def _kind(plan: Plan, fleet: FleetPlan) -> tuple[str, int]:
    return plan.slots(fleet)[0][0].label, len(fleet.slots)


def _measured(
    plan: Plan,
    samples: Sequence[SampleSpec],
    cache: Cache,
    device: torch.device,
    fleet: FleetPlan,
    how: tuple[bool, bool],
) -> FleetTime:
    slots, by_run = plan.slots(fleet), {member.run: member for member in plan.members}
    sample, (without_data, evaluations) = samples[by_run[fleet.slots[0]].setting], how
    sheet = blueprint(slots, sample, Execution(route=fleet.route, device=device))
    resolved = slots[0][0]
    dataset = made_up(sheet.sizes.batch, sample.shape) if without_data else cache.dataset(resolved)
    training = Fleet(sheet, dataset)
    each, spent = list[float](), 0.0
    _advance(training, device, _WARM, _SECONDS / 15, long=_SECONDS)
    begun = training.discriminator_steps
    while training.discriminator_steps - begun < _TIMED or not (spent >= _SECONDS or _agree(each, spent)):
        before, started = training.discriminator_steps, time.perf_counter()
        _advance(training, device, 1, 0.0)
        took = time.perf_counter() - started
        spent += took
        each.append(took / (training.discriminator_steps - before))
        if spent > 4 * _SECONDS > 0:  # steps of seconds
            break
    update = spent / (training.discriminator_steps - begun)
    middle = statistics.quantiles(each, n=10) if len(each) > 1 else [update] * 9
    evaluation = 0.0, 0.0
    if evaluations and not without_data:
        evaluation = _evaluation(training, cache.metrics(resolved), dataset, len(fleet.runs), resolved.training.samples)
    return FleetTime(sheet, update, min(update / 1.2, middle[1]), max(update * 1.2, middle[-2]), *evaluation)


def _evaluation(training: Fleet, metrics: Composed, dataset: Dataset, members: int, count: int) -> tuple[float, float]:
    """Seconds of one evaluation of all members, and of one more sample of each; long ones follow from few samples of one member."""

    def timed(slots: int, samples: int) -> float:
        started = time.perf_counter()
        evaluate(training, metrics, dataset, list(range(slots)), samples)
        return time.perf_counter() - started

    wanted, (few, more), sample = count or metrics.samples, _FEW, 0.0
    timed(1, min(few, wanted))  # features of the real data and the like are made in the first one
    if wanted > more:
        first, second = timed(1, few), timed(1, more)
        sample = max(0.0, second - first) / (more - few)
        each = first + (wanted - few) * sample
    else:
        each = timed(1, count)
    if members * each <= _LONG:
        return timed(members, count), members * sample
    return members * (each if each > _LONG else timed(1, count)), members * sample


def _advance(training: Fleet, device: torch.device, updates: int, seconds: float, *, long: float = 0.0) -> None:
    """Train for so many updates at least, in whole steps, and for so long; one step is enough if it is that long itself."""
    begun, started = training.discriminator_steps, time.perf_counter()
    while training.discriminator_steps - begun < updates or time.perf_counter() - started < seconds:
        training.advance()
        if time.perf_counter() - started > long > 0:
            break
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _agree(each: Sequence[float], spent: float) -> bool:
    """Whether the mean of some steps is known to 5 %, and they are not a moment's only."""
    if len(each) < 2 or spent < _SECONDS / 3:
        return False
    return 2 * statistics.stdev(each) / len(each) ** 0.5 < 0.05 * statistics.fmean(each)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """How long it takes until all fleets are done, the longest first, each by the worker that is free.

    Example:
        >>> makespan([3.0, 2.0, 2.0, 1.0], 2)
        4.0
    """
    free = [0.0] * max(1, workers)
    for each in sorted(seconds, reverse=True):
        free[free.index(min(free))] += each
    return max(free)


def seconds_for(steps: int, times: Sequence[FleetTime], workers: int, evaluations: Sequence[int]) -> float:
    """The part of a budget that so many steps of each fleet and its evaluations take, and the tenth that is left over."""
    each = [time.seconds(steps, count) for time, count in zip(times, evaluations, strict=True)]
    return makespan(each, workers) / _SHARE


def steps_within(seconds: float, times: Sequence[FleetTime], workers: int, evaluations: Sequence[int]) -> int:
    """The most steps, the same in each fleet, that fit into some seconds with the evaluations; a tenth is left over.

    Arguments:
        seconds: The budget.
        times: What each fleet takes.
        workers: Fleets that are trained side by side.
        evaluations: How often each is evaluated.

    Raises:
        BadValue: Not one step fits.
    """

    needed = partial(seconds_for, times=times, workers=workers, evaluations=evaluations)
    if needed(1) > seconds:
        raise BadValue(
            f"{seconds:.3g} seconds is not enough for one step of each fleet with its evaluations, about {needed(1):.1f} s here. "
            "Give more, or fewer seeds, settings or evaluations."
        )
    low, high = 1, 2
    while high < _LONGEST and needed(high) <= seconds:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle) <= seconds else (low, middle)
    return low


def busy() -> float:
    """The share of this machine's cores that are busy at the moment, with whatever, from 0 to 1; asked for before measuring."""
    import psutil

    return psutil.cpu_percent(interval=0.2) / 100
