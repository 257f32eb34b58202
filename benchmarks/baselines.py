"""Who is measured: gantlet, the plain loop, or the bare products, in one process with a number of threads.

Of convolutional networks also gantlet with everything under ``vmap`` (``vmapped``), and no bare products. Teams of
generators are workloads, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch

from gantlet.training import convolutional
from gantlet.training import updates as engine

from . import images, teams
from .arithmetic import Products
from .images import Images, PlainImages
from .plain import PlainLoop
from .teams import GAMES, Game, PlainTeam
from .workloads import WORKLOADS, Workload, dataset, fleet, resolved

__all__ = ["Candidate", "beside", "shared_out"]

Kind = Literal["gantlet", "bfloat16", "plain", "products", "vmapped"]


@dataclass(frozen=True)
class Candidate:
    """What one process runs.

    Attributes:
        kind: Which side; ``bfloat16`` is gantlet's teams with products in bfloat16.
        workload: Its name.
        members: Trained at once; the plain loop has one.
        threads: Of torch.
        first_seed: Members have consecutive seeds from here on.
        age: Steps done before anything is measured.
        keep_memory: Whether the allocator is told to keep freed memory, as gantlet does by default.
    """

    kind: Kind
    workload: str
    members: int = 1
    threads: int = 1
    first_seed: int = 1
    age: int = 3
    reuse_fake: bool = True
    keep_memory: bool = True

    def make(self) -> Callable[[], None]:
        """Build it; a call is one step of all members."""
        torch.set_num_threads(self.threads)
        if not self.keep_memory:
            engine.keep_freed_memory = _keep_nothing
        if (game := GAMES.get(self.workload)) is not None:
            advance = self._advance_team(game)
        elif (pair := images.PAIRS.get(self.workload)) is not None:
            advance = self._advance_images(pair)
        else:
            advance = self._advance(WORKLOADS[self.workload])
        for _ in range(self.age):
            advance()
        return advance

    def _advance(self, workload: Workload) -> Callable[[], None]:
        if self.kind == "gantlet":
            return fleet(workload, self.members, first_seed=self.first_seed, reuse_fake=self.reuse_fake).advance
        if self.kind == "products":
            return Products(workload, self.members, reuse_fake=self.reuse_fake).advance
        return PlainLoop(workload, dataset(resolved(workload)).train, seed=self.first_seed).advance

    def _advance_team(self, game: Game) -> Callable[[], None]:
        if self.kind in ("gantlet", "bfloat16"):
            dtype = "bfloat16" if self.kind == "bfloat16" else "float32"
            return teams.fleet(game, self.members, first_seed=self.first_seed, dtype=dtype).advance
        if self.kind == "products":
            return teams.products(game, self.members)
        return PlainTeam(game, teams.dataset(teams.resolved(game)).train, seed=self.first_seed).advance

    def _advance_images(self, pair: Images) -> Callable[[], None]:
        if self.kind == "plain":
            return PlainImages(pair, images.dataset(images.resolved(pair)).train, seed=self.first_seed).advance
        made = images.fleet(pair, self.members, first_seed=self.first_seed)
        if self.kind == "vmapped":
            convolutional.InTurn.pays = _never_pays
        return made.advance


def beside(workload: Workload | Images, processes: int, *, reuse_fake: bool = True) -> list[Candidate]:
    """The workload's members shared out over processes of one thread each, as ``gantlet run`` does on a CPU.

    Example:
        >>> from .workloads import RING
        >>> [candidate.members for candidate in beside(RING, 3)]
        [3, 3, 2]
    """
    mine = shared_out(workload.name, workload.members, processes)
    return [replace(candidate, reuse_fake=reuse_fake) for candidate in mine]


def shared_out(workload: str, members: int, processes: int) -> list[Candidate]:
    """So many members of a workload in as many processes of one thread each, or in fewer where members are few."""
    processes = min(processes, members)
    cuts = [-(-members * place // processes) for place in range(processes + 1)]
    return [Candidate("gantlet", workload, stop - start, first_seed=1 + start) for start, stop in pairwise(cuts)]


def _never_pays(self: convolutional.InTurn, batch: int) -> bool:
    return False


def _keep_nothing() -> bool:
    return False
