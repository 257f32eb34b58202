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
from gantlet.training.blueprint import Blueprint
from gantlet.training.checkpoint import restore, snapshot
from gantlet.training.fleet import Fleet

__all__ = ["STEPS", "drawn", "sheets"]

STEPS = 20


def sheets() -> Iterator[tuple[str, Blueprint, float]]:
    """What is trained: a name, the blueprint, and how near two processes must come to one."""
    for name, changes in divisible(1).items():
        yield name, drawn(changes), 1e-10
    # Parameters on which no loss depends (biases ahead of a batch norm, a critic's last bias) have a gradient of rounding
    # alone, which Adam magnifies to whole steps unless eps is well above it.
    both = _calm(game_cases.batch_norm(1, d_norm=True), 1e-5)
    yield "batch norm in both", drawn(both), 1e-10
    yield "batch norm, accumulated", drawn(both, accumulate=2), 1e-10
    yield "batch norm in a team", drawn({"k": 2, **both}), 1e-10
    yield "r3gan, accumulated", drawn(divisible(1)["lazy r3gan"], accumulate=2), 1e-10
    yield "team, accumulated", drawn(divisible(1)["team"], accumulate=2), 1e-10
    for name in ("lazy r3gan", "wgan-gp"):
        yield f"{name} in float32", drawn(_calm(divisible(1)[name], 1e-3), dtype=torch.float32, accumulate=2), 1e-6
    yield "vanilla in float32", drawn({}, dtype=torch.float32), 1e-6


def _calm(changes: dict[str, Any], eps: float) -> dict[str, Any]:
    """The same with an Adam that makes little of small gradients."""
    players = {name: changes.get(name, getattr(games.sheet((3,)), name)) for name in game_cases.PLAYERS}
    return changes | {name: replace(player, optimiser=games.adam(1, eps=eps)) for name, player in players.items()}


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
