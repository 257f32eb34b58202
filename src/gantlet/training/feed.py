"""The feed: which real samples and which latents each member sees at each update.

Two ways to see real data: ``fixed``, a training pool in an order keyed by (seed, epoch), the last partial batch dropped;
and ``endless``, fresh samples from the exact distribution. Members with equal seeds see equal batches, whatever else
differs between them, which is what makes paired comparisons sharp.

Legend: ``S`` members, ``U`` distinct seeds, ``K`` generators, ``B`` batch, ``N`` pool size, ``*x`` sample shape.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, Refused

from .randomness import Draws, block_length, keyed_generator

__all__ = ["POOL_SEED", "Feed", "Latents", "fixed_latents"]

POOL_SEED = 1
"""The seed of everything that all members share (latent pools, test latents), as in the α-GAN experiments."""


class _Order:
    """A keyed order of ``size`` items, anew each epoch, the last partial batch dropped."""

    def __init__(self, draws: Draws, name: str, *, size: int, batch: int) -> None:
        self.draws, self.name, self.size, self.batch = draws, name, size, batch
        self.batches = size // batch
        self._epoch, self._order = -1, torch.empty(0)

    def at(self, update: int) -> Tensor:  # [S, B] int64
        epoch, place = divmod(update, self.batches)
        if epoch != self._epoch:
            orders = [
                torch.randperm(self.size, generator=keyed_generator(seed, epoch, self.name))
                for seed in self.draws.distinct
            ]
            self._epoch, self._order = epoch, torch.stack(orders).to(self.draws.device)  # [U, N]
        return self.draws.spread(self._order[:, place * self.batch : (place + 1) * self.batch])


class Feed:
    """Real batches ``[S, 1, B, *x]`` by discriminator update.

    Raises:
        BadData: The pool holds fewer samples than one batch.
        Refused: Endless sampling of a data set whose distribution is not known.
    """

    def __init__(self, dataset: Dataset, draws: Draws, *, batch: int, kind: Literal["fixed", "endless"]) -> None:
        size = len(dataset.train)
        if size < batch:
            raise BadData(f"The training pool holds {size} samples, fewer than one batch of {batch}. Lower batch_size.")
        if kind == "endless" and dataset.endless is None:
            raise Refused("pool=endless needs a data set whose distribution is known; this one has only its samples.")
        self._draws, self._batch, self._kind, self._dataset = draws, batch, kind, dataset
        self._pool = dataset.train.to(draws.device, draws.dtype)
        self._order = _Order(draws, "real/order", size=size, batch=batch)
        self._length = block_length(batch * self._pool[0].numel())

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self._pool.shape[1:])

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in the pool."""
        return self._order.batches

    def real(self, update: int) -> Tensor:
        """The real batch of discriminator update ``update``, ``[S, 1, B, *x]``."""
        if self._kind == "fixed":
            return self._pool[self._order.at(update)].unsqueeze(1)
        return self._draws.custom("real/endless", update, self._length, self._fresh).unsqueeze(1)

    def _fresh(self, generator: torch.Generator, length: int) -> Tensor:  # [n, B, *x]
        assert self._dataset.endless is not None
        samples = self._dataset.endless(length * self._batch, generator)
        return samples.reshape(length, self._batch, *samples.shape[1:])


class Latents:
    """Latent batches ``[S, K, B, latent]``.

    Arguments:
        prior: ``normal`` or ``uniform`` on [-1, 1].
        pool: The size of a fixed training pool of latents, or None for fresh ones.
        shared: Whether all generators of a team see the same latents, as they do from a pool.
    """

    def __init__(
        self,
        draws: Draws,
        *,
        shape: tuple[int, int, int],
        prior: Literal["normal", "uniform"] = "normal",
        pool: int | None = None,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._generators, self._batch, self._latent = shape  # K, B, latent
        self._draws = draws
        self._prior: Literal["normal", "uniform"] = prior
        self._pool, self._order = torch.empty(0), None
        if pool is not None:
            numbers = fixed_latents(pool, self._latent, prior, name="latent/pool")
            self._pool = numbers.to(draws.device, draws.dtype)
            self._order = _Order(draws, "latent/order", size=pool, batch=self._batch)

    def at(self, name: str, update: int) -> Tensor:
        """The latents of one update of the player ``name``, ``[S, K, B, latent]``."""
        if self._order is not None:
            drawn = self._pool[self._order.at(update)].unsqueeze(1)
            return drawn.expand(-1, self._generators, -1, -1)
        apart = 1 if self._shared else self._generators
        drawn = self._draws.draw(name, update, (apart, self._batch, self._latent), self._prior)
        drawn = drawn * 2 - 1 if self._prior == "uniform" else drawn
        return drawn.expand(-1, self._generators, -1, -1)


def fixed_latents(count: int, latent: int, prior: Literal["normal", "uniform"], *, name: str) -> Tensor:
    """Latents that every member shares, ``[count, latent]`` float32, keyed by :data:`POOL_SEED` and ``name``."""
    generator = keyed_generator(POOL_SEED, 0, name)
    if prior == "normal":
        return torch.empty(count, latent).normal_(generator=generator)
    return torch.empty(count, latent).uniform_(-1, 1, generator=generator)
