"""What the updates of a fleet are given: real samples, latents, noise on a discriminator's input, and penalties' draws.

All of it is keyed by (seed, update, name), drawn for the whole batch, and cut to what this process computes.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``N`` processes, ``b`` micro-batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from gantlet.data.base import Dataset

from .batch_loader import BatchLoader, Latents
from .blueprint import Blueprint
from .discriminator_input import DiscriminatorInput
from .division import Division
from .feed import Feed
from .randomness import KeyedRandom

__all__ = ["StepInputs"]


class StepInputs:
    """The inputs of a fleet's updates.

    Arguments:
        blueprint: What is trained, and how.
        dataset: What on.
        division: Which samples of a batch this process computes, and in how many micro-batches.
        updates: Says how many discriminator updates are done.

    Attributes:
        feed: Hands them on.
        loader: The real samples.
    """

    def __init__(self, blueprint: Blueprint, dataset: Dataset, division: Division, updates: Callable[[], int]) -> None:
        sizes, execution = blueprint.sizes, blueprint.execution
        self.division = division
        self.feed = Feed(updates, device=execution.device, dtype=execution.dtype)
        self._random = KeyedRandom(blueprint.seeds, device=execution.device, dtype=execution.dtype)
        self._disturb = DiscriminatorInput(self._random, self.feed, sizes.pack, blueprint.noise, division, sizes.made)
        self.loader = BatchLoader(
            dataset,
            self._random,
            batch=sizes.batch,
            kind=blueprint.feed,
            division=division,
            drop_last=sizes.drop_last,
        )
        self._latents = Latents(
            self._random,
            shape=(sizes.generators, blueprint.batch_each, sizes.latent),
            prior=blueprint.prior,
            pool=dataset.size if blueprint.schedule.latent == "pool" else None,
            shared=blueprint.team.share_latents or blueprint.team.kind == "average",
            division=division,
            size_at=None if sizes.drop_last else self.loader.size_at,
        )

    def real(self, update: Callable[[], int]) -> Tensor:  # -> [S, 1, B / N, *x]
        """The real samples of a discriminator update that this process computes."""
        return self.feed.tensor("real", lambda: self.loader.real(update()))

    def latents(self, player: str, update: Callable[[], int], part: int) -> Tensor:  # -> [S, K, b, latent]
        """One micro-batch of the latents of a player's update."""
        mine = self.feed.tensor(player, lambda: self._latents.at(player, update()))
        return self.division.part(mine, 2, part)

    def judged(
        self, x: Tensor, name: str, update: Callable[[], int], *, step: Callable[[], int], part: int
    ) -> Tensor:  # [S, J, b, *x] -> [S, J, b/m, m·x₀, …]
        """A micro-batch as a discriminator sees it, with noise and in packs."""
        return self._disturb(x, name=name, update=update, step=step, part=part)

    def draw(
        self, name: str, update: Callable[[], int], shape: tuple[int, ...], kind: Literal["normal", "uniform"]
    ) -> Tensor:  # -> [S, *shape]
        """A penalty's random numbers for the whole batch of an update."""
        return self.feed.tensor(name, lambda: self._random.draw(name, update(), shape, kind))
