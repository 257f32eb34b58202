"""gantlet's teams of generators against the published script, each as it runs, and on one thread each.

As it runs, the script trains one seed after another in one process with torch's own number of threads, and ``gantlet run``
shares members out over one process of one thread per core; a lone team has one process with all threads. Where the script
is faster with one thread (another program holds a core, say), *that* is the base of every ratio but one: the ratio on one
thread, one process of one thread on either side, which says what the stack gains without any help of a second core.

The same is measured with ``dtype=bfloat16``: products in half as many bits, where the processor has them; parameters, losses
and optimisers stay float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from gantlet.cpu import cores

from .baselines import Candidate, shared_out
from .sections import Section, goal, spread, times
from .teams import GAMES, Game
from .workers import Series, measure

__all__ = ["compare"]

_ONE = "1 process × 1 thread"


def compare(*, rounds: int, seconds: float, games: Sequence[Game] = tuple(GAMES.values())) -> Section:
    """Member-steps per second of every side, by game and members, in windows that take turns."""
    rows: list[tuple[str, ...]] = []
    notes = [f"The script is one process of one seed; of its two kinds the faster is the base. Cores: {cores()}."]
    numbers: dict[str, dict[str, dict[str, list[float] | float]]] = {}
    for game in games:
        for members, least in game.goals.items():
            run = _as_it_runs(game, members)
            series = measure(_sides(game, members, run), rounds=rounds, seconds=seconds)
            name = f"{game}, members: {members}"
            base = max((side for side in series if side.startswith("script")), key=lambda side: series[side].rate)
            rows += [(name, "", "", "", ""), *_rows(series, series[base])]
            for words, side in ((", as it runs", "gantlet as it runs"), (", in bfloat16", "bfloat16 as it runs")):
                notes += [goal(name + words, series[side].rate / series[base].rate, least=least)]
            notes += [_said(series, base, run)]
            numbers[name] = {
                side: {
                    "rates": found.rates,
                    "efficiencies": found.efficiencies,
                    "ratio": found.rate / series[base].rate,
                }
                for side, found in series.items()
            }
    header = ("team and side", "member-steps/s", "ratio", "per CPU second", "share of products")
    return Section("teams: all generators in one stack", header, rows, notes, dict(numbers))


def _as_it_runs(game: Game, members: int) -> list[Candidate]:
    """The processes of ``gantlet run``."""
    if members == 1:
        return [Candidate("gantlet", game.name, threads=cores())]
    return shared_out(game.name, members, cores())


def _sides(game: Game, members: int, run: Sequence[Candidate]) -> dict[str, Sequence[Candidate]]:
    alone = [Candidate("gantlet", game.name, members)]
    scripts = {
        f"script, threads: {threads}": [Candidate("plain", game.name, threads=threads)]
        for threads in dict.fromkeys((cores(), 1))
    }
    return {
        **scripts,
        "gantlet as it runs": run,
        "bfloat16 as it runs": [replace(candidate, kind="bfloat16") for candidate in run],
        "products as it runs": [replace(candidate, kind="products") for candidate in run],
        f"gantlet, {_ONE}": alone,
        f"bfloat16, {_ONE}": [replace(candidate, kind="bfloat16") for candidate in alone],
        f"products, {_ONE}": [replace(candidate, kind="products") for candidate in alone],
    }


def _rows(series: Mapping[str, Series], base: Series) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, found in series.items():
        limit = series[name.replace("gantlet", "products")]
        share = f"{median(found.against(limit)):.2f}" if name.startswith("gantlet") else ""
        spent = median(found.efficiencies) / median(base.efficiencies)
        rows.append((f"  {name}", spread(found.rates, 0), times(found.rate / base.rate), times(spent), share))
    return rows


def _said(series: Mapping[str, Series], base: str, run: Sequence[Candidate]) -> str:
    """What the table says of the layout, of the limit, and of one thread."""
    layout = (
        f"{len(run)} process{'es' if len(run) > 1 else ''} × {run[0].threads} thread{'s' if run[0].threads > 1 else ''}"
    )
    limit = series["products as it runs"].rate / series[base].rate
    script = series["script, threads: 1"].rate
    alone, most = (series[f"{side}, {_ONE}"].rate / script for side in ("gantlet", "products"))
    return (
        f"  That is {layout} against '{base}', where a step's products alone, in float32, would give {times(limit)}; "
        f"one thread against one thread: {times(alone)}, the products alone {times(most)}."
    )
