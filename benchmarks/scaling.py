"""How the cost of a member changes: with more members beside it, later in a longer run, and in memory.

One process of one thread each.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from .baselines import Candidate
from .sections import Section, spread, times
from .workers import measure
from .workloads import Workload

__all__ = ["allocator", "lengths", "memory", "widths"]

MEMBERS = (8, 16, 32, 64, 128, 256)
EARLY = 200
"""Steps before a short run is measured; a long one is ten times as old."""


def widths(workloads: Sequence[Workload], *, rounds: int, seconds: float) -> Section:
    """Milliseconds per member and step, from 8 to 256 members in one fleet."""
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, dict[int, float]] = {}
    for workload in workloads:
        wanted = {str(n): [Candidate("gantlet", workload.name, n)] for n in MEMBERS}
        found = measure(wanted, rounds=rounds, seconds=seconds)
        costs = {n: 1000 / median(found[str(n)].efficiencies) for n in MEMBERS}
        rows.append((f"{workload.name}: {workload}", *(f"{cost:.3f}" for cost in costs.values())))
        rows.append((f"  against {MEMBERS[0]} members", *(times(cost / costs[MEMBERS[0]]) for cost in costs.values())))
        numbers[workload.name] = costs
    header = ("CPU milliseconds per member and step", *(str(n) for n in MEMBERS))
    return Section("widths: members in one fleet, 1 thread", header, rows, numbers=dict(numbers))


def lengths(workload: Workload, *, rounds: int, seconds: float) -> Section:
    """Whether a step costs as much late in a run as early: after 200 and after 2,000 steps."""
    ages = (EARLY, 10 * EARLY)
    wanted = {str(age): [Candidate("gantlet", workload.name, age=age)] for age in ages}
    found = measure(wanted, rounds=rounds, seconds=seconds)
    rows: list[tuple[str, ...]] = []
    for age in ages:
        series = found[str(age)]
        costs = [1000 / efficiency for efficiency in series.efficiencies]
        rows.append((f"{age} steps", spread(costs, 3), f"{series.resident / 2**20:.0f}"))
    early, late = (median(found[str(age)].efficiencies) for age in ages)
    notes = [f"A step of a run ten times as long costs {times(early / late)} as much."]
    header = (f"{workload.name}, after", "CPU ms per step", "resident MiB")
    return Section("lengths: early and late in a run", header, rows, notes, {"late_to_early": early / late})


def memory(workloads: Sequence[Workload]) -> Section:
    """Resident memory that one more member takes: the difference of two fleets, per added member."""
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, float] = {}
    for workload in workloads:
        few, many = workload.members, 3 * workload.members
        wanted = {str(n): [Candidate("gantlet", workload.name, n)] for n in (few, many)}
        found = measure(wanted, rounds=1, seconds=0.1)
        added = (found[str(many)].resident - found[str(few)].resident) / (many - few) / 2**20
        rows.append((f"{workload.name}: {workload}", f"{found[str(few)].resident / 2**20:.0f}", f"{added:.2f}"))
        numbers[workload.name] = added
    header = ("resident memory, MiB", "process with its fleet", "each further member")
    return Section("memory: peak per member", header, rows, numbers=dict(numbers))


def allocator(workload: Workload, *, rounds: int, seconds: float) -> Section:
    """A step with the allocator told to keep freed memory, as gantlet does, and without."""
    sides = {"returned to the system": False, "kept": True}
    wanted = {
        name: [Candidate("gantlet", workload.name, workload.members, keep_memory=keep)] for name, keep in sides.items()
    }
    found = measure(wanted, rounds=rounds, seconds=seconds)
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, Any] = {}
    for name, series in found.items():
        cost = [1000 * workload.members / efficiency for efficiency in series.efficiencies]
        rows.append((name, spread(cost, 1), f"{median(series.faults):.0f}"))
        numbers[name] = {"milliseconds": cost, "faults": median(series.faults)}
    header = (f"freed memory ({workload.name}, {workload.members} members)", "CPU ms per step", "page faults per step")
    return Section("allocator: 1 process × 1 thread", header, rows, numbers=numbers)
