"""What a step costs on a CPU that says nothing to the host, against the stacked one that computes the same bits."""

from __future__ import annotations

import time
from statistics import median

import torch

from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Execution, Route
from gantlet.training.fleet import Fleet

from .sections import Section, goal, spread, times
from .workloads import NARROW, RING, Workload, dataset, resolved

__all__ = ["compare"]


def compare(*, rounds: int, seconds: float) -> Section:
    """Windows of both routes in turn, in one process with one thread; the ratio is that of neighbouring windows."""
    torch.set_num_threads(1)
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    numbers: dict[str, list[float]] = {}
    for workload in (RING, NARROW):
        fleets = [_fleet(workload, route) for route in ("stacked", "static")]
        for fleet in fleets:
            _window(fleet, seconds / 4)
        windows = [[_window(fleet, seconds) for fleet in fleets] for _ in range(rounds)]
        ratios = [static / stacked for stacked, static in windows]
        columns = [spread([window[place] for window in windows], 1) for place in range(2)]
        rows.append((f"{workload.name}, {workload.members} members", *columns, times(median(ratios))))
        notes.append(goal(f"{workload.name}: static to stacked, at least", median(ratios), least=0.98))
        numbers[workload.name] = ratios
    return Section("static", ("steps/s of the fleet", "stacked", "static", "ratio"), rows, notes, dict(numbers))


def _fleet(workload: Workload, route: Route) -> Fleet:
    setting = resolved(workload)
    data = dataset(setting)
    slots = [(setting, 1 + place) for place in range(workload.members)]
    return Fleet(blueprint(slots, data.specification, Execution(route=route)), data)


def _window(fleet: Fleet, seconds: float) -> float:
    """Steps per second."""
    began, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        fleet.advance()
        steps += 1
    return steps / spent
