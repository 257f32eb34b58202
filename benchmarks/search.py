"""A search that trains its trials at once, against the same search run one trial after another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import gantlet
from gantlet.requests.grid import parse_axis
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request
from gantlet.studies.launch import create, start
from gantlet.studies.planning import plan_study
from gantlet.studies.search.loop import Budget, plan_search, search

from .sections import Section, goal, times
from .workloads import NARROW

__all__ = ["compare"]

TRIALS, SEEDS, FRESH, STEPS, ALONE = 32, (1, 2, 3, 4), 8, 1500, 3
GOAL = 5.0


def compare() -> Section:
    """Trials per minute of ``gantlet tune`` on ring8, of trials one after another, and of members one after another."""
    fixed = [
        f"steps={STEPS}",
        "evaluations=1",
        f"g_width={NARROW.g_width}",
        f"d_width={NARROW.d_width}",
        f"batch_size={NARROW.batch}",
    ]
    space = ["lr=1e-5..1e-2:log", "beta1=0.0..0.9"]
    with tempfile.TemporaryDirectory() as name, chdir(name):
        options = Options(out=Path("search"), recorded=0, executor="inline", workers=1)
        create(plan_search("ring8", "vanilla", [*space, *fixed], options, Budget(TRIALS, SEEDS, FRESH)))
        training: list[float] = []

        def train(store: object, fleets: Sequence[object], go: object) -> None:
            began = time.perf_counter()
            go(None)  # pyright: ignore[reportCallIssue]
            training.append(time.perf_counter() - began)

        state = search(Path("search"), train)  # pyright: ignore[reportArgumentType]
        searching = sum(training[:-1])  # the last round is the confirmation
        found = gantlet.Study("search")
        trained = len([run for run in found.runs["seed"] if run in SEEDS])
        alone = [_seconds(f"alone{place}", [*fixed, f"lr={1e-4 * (place + 1)}"], SEEDS, None) for place in range(ALONE)]
        single = [_seconds(f"single{place}", fixed, (place + 1,), "loop") for place in range(ALONE)]
    whole = TRIALS * len(SEEDS)
    rates = {
        "gantlet tune": 60 * TRIALS / searching,
        "one trial after another, its seeds at once": 60 / (sum(alone) / ALONE),
        "one member after another": 60 / (len(SEEDS) * sum(single) / ALONE),
    }
    rows = [(what, f"{rate:.1f}", times(rates["gantlet tune"] / rate)) for what, rate in rates.items()]
    ratio = rates["gantlet tune"] / rates["one member after another"]
    gain = state.confirmed
    notes = [
        goal("Trials per minute against members one after another", ratio, least=GOAL),
        f"{trained} of {whole} members were trained; the others belonged to trials that were left as hopeless.",
    ]
    if gain is not None:
        notes.append(
            f"Chosen: trial {state.chosen.place if state.chosen else '?'}; modes on {FRESH} fresh seeds {gain.mean_a:.2f}, the "
            f"defaults {gain.mean_b:.2f}: {gain.difference.estimate:+.2f} "
            f"[{gain.difference.low:.2f}, {gain.difference.high:.2f}]."
        )
    title = f"search: {TRIALS} trials × {len(SEEDS)} seeds × {STEPS:,} steps on ring8, narrow networks, one process"
    return Section(title, ("", "trials/min", "ratio"), rows, notes, {"rates": rates})


def _seconds(out: str, words: list[str], seeds: tuple[int, ...], route: str | None) -> float:
    request = Request("ring8", ("vanilla",), tuple(parse_axis(word) for word in words), seeds)
    options = Options(out=Path(out), recorded=0, executor="inline", workers=1, route=route)  # pyright: ignore[reportArgumentType]
    planned = plan_study(request, options)
    began = time.perf_counter()
    start(planned)
    return time.perf_counter() - began
