"""gantlet against the plain loop and against the bare arithmetic, on one workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from gantlet.cpu import cores

from .arithmetic import flops
from .baselines import Candidate, beside
from .sections import Section, goal, spread, times
from .workers import Series, measure
from .workloads import Workload

__all__ = ["LIMIT_GOAL", "compare", "lone"]

LIMIT_GOAL = 0.65
"""The least share of the arithmetic limit that is asked for on the ring."""

_Sides = dict[str, Sequence[Candidate]]


def compare(workload: Workload, *, rounds: int, seconds: float, limit: bool = False) -> Section:
    """Member-steps per second of every side; ``limit`` adds the arithmetic with and without ``reuse_fake``."""
    side = cores()
    plain = _plain(workload, side)
    wanted: _Sides = {**plain, f"{side} plain loops side by side": [*_loop(workload, 1) * side]}
    wanted |= _pair(f"{side} processes × 1 thread", beside(workload, side))
    wanted |= _pair(f"1 process × {side} threads", [Candidate("gantlet", workload.name, workload.members, side)])
    if limit:
        wanted |= _pair("without reuse_fake", beside(workload, side, reuse_fake=False))
    series = measure(wanted, rounds=rounds, seconds=seconds)
    base = max(plain, key=lambda name: series[name].rate)
    chosen = f"gantlet, {side} processes × 1 thread"
    section = _table(f"{workload.name}: {workload}, {workload.members} members", series, base)
    section.notes.append(f"The plain loop is that of the faster kind, here '{base}'.")
    section.notes.append(goal("Ratio to the plain loop", series[chosen].rate / series[base].rate, least=workload.goal))
    if base == "plain loop, threads: 1":  # a loop that uses several cores itself says nothing of what they would give
        free = side * _per_cpu_second(series[chosen], series[base])
        section.notes.append(
            f"From the ratio per CPU second, {side} cores with nothing else to do would give {times(free)}."
        )
    if limit:
        share = median(series[chosen].against(series[_limit_of(chosen)]))
        section.notes.append(goal("Share of the arithmetic limit", share, least=LIMIT_GOAL))
    section.numbers["base"] = base
    section.numbers["gflop"] = {"reuse": flops(workload) / 1e9, "again": flops(workload, reuse_fake=False) / 1e9}
    return section


def lone(workloads: Sequence[Workload], *, rounds: int, seconds: float) -> Section:
    """One run of gantlet, which takes the route ``loop``, against one plain loop with as many threads."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    numbers: dict[str, dict[str, float]] = {}
    for workload in workloads:
        for threads in dict.fromkeys((1, cores())):
            mine = [Candidate("gantlet", workload.name, threads=threads)]
            found = measure({"plain": _loop(workload, threads), "gantlet": mine}, rounds=rounds, seconds=seconds)
            ratio = found["gantlet"].rate / found["plain"].rate
            spent = _per_cpu_second(found["gantlet"], found["plain"])
            name = f"{workload.name}, threads: {threads}"
            rates = (spread(found[side].rates, 0) for side in ("plain", "gantlet"))
            rows.append((name, *rates, times(ratio), times(spent)))
            notes.append(goal(name, ratio, least=1.0))
            numbers[name] = {"ratio": ratio, "per_cpu_second": spent}
    header = ("one run alone", "plain, steps/s", "gantlet, steps/s", "ratio", "per CPU second")
    return Section("lone: one run, route loop", header, rows, notes, numbers)


def _loop(workload: Workload, threads: int) -> list[Candidate]:
    return [Candidate("plain", workload.name, threads=threads)]


def _plain(workload: Workload, most: int) -> dict[str, Sequence[Candidate]]:
    """The usual plain loops, one run after another: torch's own number of threads, and one."""
    return {f"plain loop, threads: {threads}": _loop(workload, threads) for threads in dict.fromkeys((most, 1))}


def _pair(name: str, gantlet: Sequence[Candidate]) -> _Sides:
    """gantlet, and next to it the products alone in the same processes with as many threads."""
    products = [replace(candidate, kind="products") for candidate in gantlet]
    return {f"gantlet, {name}": gantlet, f"arithmetic, {name}": products}


def _per_cpu_second(mine: Series, base: Series) -> float:
    return median(mine.efficiencies) / median(base.efficiencies)


def _limit_of(name: str) -> str:
    return name.replace("gantlet", "arithmetic")


def _table(title: str, series: dict[str, Series], base: str) -> Section:
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, dict[str, float | list[float]]] = {}
    for name, found in series.items():
        limit = series.get(_limit_of(name)) if name.startswith("gantlet") else None
        share = found.against(limit) if limit else []
        ratio = found.rate / series[base].rate
        spent = _per_cpu_second(found, series[base])
        part = spread(share) if share else ""
        rows.append((name, spread(found.rates, 0), times(ratio), times(spent), part))
        numbers[name] = {"rates": found.rates, "efficiencies": found.efficiencies, "ratio": ratio, "share": share}
    header = ("side", "member-steps/s", "ratio", "per CPU second", "share of arithmetic")
    return Section(title, header, rows, numbers={"sides": numbers})
