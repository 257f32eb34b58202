"""gantlet's convolutional fleets against the plain loop, and against the same fleet under ``vmap``."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from gantlet.cpu import cores

from .baselines import Candidate, beside
from .images import Images
from .sections import Section, goal, spread, times
from .workers import measure

__all__ = ["compare"]


def compare(pair: Images, *, rounds: int, seconds: float) -> Section:
    """Member-steps per second, each process with one thread, as ``gantlet run`` has them on a CPU."""
    plain = Candidate("plain", pair.name)
    wanted: dict[str, Sequence[Candidate]] = {
        "plain loop": [plain],
        "gantlet": [Candidate("gantlet", pair.name, pair.members)],
        "gantlet under vmap": [Candidate("vmapped", pair.name, pair.members)],
    }
    side = cores()
    loops, fleets = f"{side} plain loops side by side", f"gantlet, {side} processes"
    if side > 1:
        wanted |= {loops: [plain] * side, fleets: beside(pair, side)}
    series = measure(wanted, rounds=rounds, seconds=seconds)
    base = series["plain loop"]
    rows: list[tuple[str, ...]] = []
    sides: dict[str, dict[str, float | list[float]]] = {}
    for name, found in series.items():
        ratio, spent = found.rate / base.rate, median(found.efficiencies) / median(base.efficiencies)
        rows.append((name, spread(found.rates, 1), times(ratio), times(spent)))
        sides[name] = {"rates": found.rates, "efficiencies": found.efficiencies, "ratio": ratio}
    notes = [goal("Ratio to the plain loop, one process each", series["gantlet"].rate / base.rate, least=pair.goal)]
    if side > 1:
        ratio = series[fleets].rate / series[loops].rate
        notes.append(f"With {side} processes on either side, the ratio is {times(ratio)}.")
    title = f"{pair.name}: {pair}, {pair.members} members, 1 thread per process"
    return Section(title, ("side", "member-steps/s", "ratio", "per CPU second"), rows, notes, {"sides": sides})
