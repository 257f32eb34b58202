"""A program for the tests of ranks: one of two processes that train small fleets together, and keep what rank 0 has.

``python together.py RANK FOLDER``; the test that starts it trains the same fleets alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import game_cases
import games
from division_cases import divisible
from gantlet.studies.executors.group import Place, grouped
from gantlet.training.blueprint import Blueprint, Player
from gantlet.training.checkpoint import restore, snapshot
from gantlet.training.fleet import Fleet

__all__ = ["STEPS", "drawn", "sheets"]

STEPS = 20


def sheets() -> Iterator[tuple[str, Blueprint, float]]:
    """What is trained: a name, the blueprint, and how near two processes must come to one."""
    for name, changes in divisible(1).items():
        yield name, drawn(changes), 1e-10
    both = game_cases.batch_norm(1, d_norm=True)
    team = {"k": 2, **game_cases.batch_norm(1, d_norm=True)}
    yield "batch norm in both", drawn(both), 1e-10
    yield "batch norm, accumulated", drawn(both, accumulate=2), 1e-10
    yield "batch norm in a team", drawn(team), 1e-10
    yield "r3gan, accumulated", drawn(divisible(1)["lazy r3gan"], accumulate=2), 1e-10
    yield "team, accumulated", drawn(divisible(1)["team"], accumulate=2), 1e-10
    # Adam makes steps of what rounding leaves of a zero gradient, unless eps is well above it.
    calm = {p: Player(getattr(games.sheet(), p).build, games.adam(1, eps=1e-3)) for p in game_cases.PLAYERS}
    for name in ("lazy r3gan", "wgan-gp"):
        yield f"{name} in float32", drawn(divisible(1)[name] | calm, dtype=torch.float32, accumulate=2), 1e-6
    yield "vanilla in float32", drawn({}, dtype=torch.float32), 1e-6


def drawn(changes: dict[str, Any], *, dtype: torch.dtype = torch.float64, accumulate: int = 1) -> Blueprint:
    """One member, trained in turn."""
    found = games.sheet((3,), steps=STEPS, **changes)
    execution = replace(found.execution, route="loop", dtype=dtype)
    return replace(found, execution=execution, sizes=replace(found.sizes, accumulate=accumulate))


def main(rank: int, folder: Path) -> None:
    """Train."""
    torch.set_num_threads(1)
    kept: dict[str, Any] = {}
    with grouped(Place(rank, rank, 2, folder / "meeting"), "cpu") as (ranks, _):
        for name, sheet, _ in sheets():
            trained = games.train(Fleet(sheet, games.dataset(), ranks))
            kept[name] = snapshot(trained)[0]
        own = drawn(game_cases.batch_norm(1, d_norm=True))
        own = replace(own, execution=replace(own.execution, batch_norm="per-rank"))
        kept["per rank"] = snapshot(games.train(Fleet(own, games.dataset(), ranks)))[0]
        begun = Fleet(drawn(divisible(1)["team"]), games.dataset(), ranks)
        restore(begun, *torch.load(folder / "begun.pt", weights_only=False))
        kept["resumed"] = snapshot(games.train(begun, STEPS - 7))[0]
    torch.save(kept, folder / f"kept-{rank}.pt")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
