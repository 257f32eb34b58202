"""What a step costs on a CPU that says nothing to the host, by itself and recorded, against the stacked one of the same bits."""

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


_LEAST = {"static": {"ring": 0.98, "narrow": 0.98}, "captured": {"ring": 1.0, "narrow": 1.12}}
"""The least ratios to ``stacked`` that are asked for."""


def compare(*, rounds: int, seconds: float) -> Section:
    """Windows of the three routes in turn, in one process with one thread; ratios are those of neighbouring windows."""
    torch.set_num_threads(1)
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    numbers: dict[str, dict[str, list[float]]] = {}
    for workload in (RING, NARROW):
        fleets = [_fleet(workload, route) for route in ("stacked", "static", "captured")]
        for fleet in fleets:
            _window(fleet, seconds / 4)
        windows = [[_window(fleet, seconds) for fleet in fleets] for _ in range(rounds)]
        columns = [spread([window[place] for window in windows], 1) for place in range(3)]
        ratios = {
            route: [window[place] / window[0] for window in windows]
            for place, route in ((1, "static"), (2, "captured"))
        }
        rows.append(
            (f"{workload.name}, {workload.members} members", *columns, *(times(median(r)) for r in ratios.values()))
        )
        for route, found in ratios.items():
            least = _LEAST[route][workload.name]
            notes.append(goal(f"{workload.name}: {route} to stacked, at least", median(found), least=least))
        numbers[workload.name] = ratios
    header = ("steps/s of the fleet", "stacked", "static", "captured", "static to stacked", "captured to stacked")
    return Section("static", header, rows, notes, dict(numbers))


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
