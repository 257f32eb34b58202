"""What a step of each method costs, in steps of ``vanilla`` on the same networks, measured by turns in the same run.

The networks are 2×128 perceptrons on points (auto-encoders of that width for energies), so what is compared is the work of
the objective, its penalties and its critic updates, and not that of wide layers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from gantlet import catalogue
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, expand
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

from .sections import Section, times

__all__ = ["costs"]

MEMBERS = 4
SIZES = {"g_width": 128, "g_depth": 2, "d_width": 128, "d_depth": 2, "train_size": 4096, "batch_size": 128}
WARM = 3


def costs(*, rounds: int, seconds: float, methods: Sequence[str] = ()) -> Section:
    """Milliseconds and ratio of each method, all of the catalogue unless some are named."""
    cache = Cache()
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, dict[str, float]] = {}
    for name in methods or catalogue.names("method"):
        energies = "autoencoder" in catalogue.find("method", name).requires
        base, other = (_fleet(cache, each, energies) for each in ("vanilla", name))
        per_step = [(_window(base, seconds), _window(other, seconds)) for _ in range(rounds)]
        ratio = median(theirs / plain for plain, theirs in per_step)
        milliseconds = 1e3 * median(theirs for _, theirs in per_step) / MEMBERS
        updates = other.blueprint.schedule.updates(1000)
        rows.append((name, f"{milliseconds:.2f}", times(ratio), str(updates), times(2 * ratio / (1 + updates))))
        numbers[name] = {"milliseconds": milliseconds, "ratio": ratio, "critic_updates": updates}
    header = ("method", "ms per member-step", "of vanilla's step", "critic updates", "per update")
    notes = [f"{MEMBERS} members, batch 128, 2×128 networks; per update: the ratio over both players' updates."]
    return Section("cost of each method's step", header, rows, notes, numbers)


def _fleet(cache: Cache, method: str, energies: bool) -> Fleet:
    words = {**SIZES, "steps": 100000, "critic_schedule": "constant", "pool": "fixed"}
    if energies:
        words = {
            "network": "autoencoder",
            "g_width": 128,
            "d_width": 128,
            "code": 8,
            "batch_size": 128,
            "steps": 100000,
        }
        words |= {"train_size": 4096}
    (resolved,) = expand(Request("ring8", (method,), tuple(axes_from_mapping(words))))
    dataset = cache.dataset(resolved)
    members = [(resolved, seed) for seed in range(1, MEMBERS + 1)]
    fleet = Fleet(blueprint(members, dataset.specification, Execution(route="stacked")), dataset)
    for _ in range(WARM):
        fleet.advance()
    return fleet


def _window(fleet: Fleet, seconds: float) -> float:
    """Seconds per step over a window of at least so long."""
    steps, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        fleet.advance()
        steps += 1
    return spent / max(1, steps)
