"""Batch loaders: which real samples and which latents each member sees at each update.

Two ways to see real data: ``fixed``, a training pool in an order keyed by (seed, epoch), the last partial batch dropped
or kept; and ``endless``, fresh samples from the exact distribution. A pool that is streamed gives the batches that it would give in
memory. Members with equal seeds see equal batches, whatever else differs between them, which is what makes paired
comparisons sharp.

Legend: ``S`` members, ``U`` distinct seeds, ``K`` generators, ``B`` batch, ``N`` pool size, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from gantlet.data.base import Dataset, Pool
from gantlet.errors import BadData, Refused
from gantlet.randomness import keyed_generator

from .division import Division
from .randomness import KeyedRandom, block_length, moved

__all__ = ["POOL_SEED", "BatchLoader", "Latents", "fixed_latents"]

POOL_SEED = 1
"""The seed of everything that all members share (latent pools, test latents), as in the α-GAN experiments."""


_MOST = 1 << 25
"""Numbers of an epoch's order up to which it is held on the device: a quarter of a gibibyte."""


class _Order:
    """A keyed order of ``size`` items, anew each epoch, the last partial batch dropped or kept."""

    def __init__(  # noqa: PLR0913 - all named
        self, random: KeyedRandom, name: str, *, size: int, batch: int, division: Division, drop_last: bool = True
    ) -> None:
        self.random, self.name, self.size, self.batch, self.division = random, name, size, batch, division
        self.batches = size // batch if drop_last else -(-size // batch)
        self._epochs: dict[int, Tensor] = {}
        self._moved = (torch.empty(0), torch.empty(0))

    def at(self, update: int) -> Tensor:  # [U, B] int64, on the CPU
        whole, index = self._epoch(update)
        return self._batch(whole, index)

    def on_device(self, update: int) -> Tensor:  # [U, B] int64, where draws are used
        """The same there; an epoch's order is moved at once where it is small enough."""
        device, (whole, index) = self.random.device, self._epoch(update)
        if device.type == "cpu" or whole.numel() > _MOST:
            return self._batch(whole, index).to(device)
        if self._moved[0] is not whole:
            self._moved = (whole, whole.to(device))
        return self._batch(self._moved[1], index)

    def _batch(self, whole: Tensor, index: int) -> Tensor:  # [U, N] -> [U, B]
        return self.division.mine(whole[:, index * self.batch : (index + 1) * self.batch], 1)

    def _epoch(self, update: int) -> tuple[Tensor, int]:  # [U, N], and which batch of it
        epoch, index = divmod(update, self.batches)
        if epoch not in self._epochs:
            orders = [
                torch.randperm(self.size, generator=keyed_generator(seed, epoch, self.name))
                for seed in self.random.distinct
            ]
            # The last epoch stays beside the new one: what is prefetched may belong to either.
            self._epochs = {kept: order for kept, order in self._epochs.items() if abs(kept - epoch) == 1}
            self._epochs[epoch] = torch.stack(orders)  # [U, N]
        return self._epochs[epoch], index


class _Resident:
    """A pool that is held in memory, on the device: 8-bit images stay 8-bit there, and all members share it."""

    def __init__(self, pool: Tensor, random: KeyedRandom) -> None:
        self._random = random
        self._pool = pool.to(random.device) if pool.dtype == torch.uint8 else pool.to(random.device, random.dtype)

    def at(self, order: _Order, update: int) -> Tensor:  # [S, B, *x]
        return _rows(self._pool, self._random.spread(order.on_device(update)))


class _Streaming:
    """A pool that is fetched batch by batch, some batches ahead."""

    def __init__(self, pool: Pool, random: KeyedRandom, *, ahead: int = 4) -> None:
        self._pool, self._random, self._ahead = pool, random, ahead
        self._last = (-1, torch.empty(0))

    def at(self, order: _Order, update: int) -> Tensor:  # [S, B, *x]
        if self._last[0] != update:  # a generator that wants the real batch asks a second time
            batch = self._pool.take(order.at(update))  # [U, B, *x]
            for step in range(1, self._ahead + 1):
                self._pool.prefetch(order.at(update + step))
            self._last = (update, moved(batch, self._random.device))
        return self._random.spread(self._last[1])


class BatchLoader:
    """Real batches ``[S, 1, B, *x]`` by discriminator update; of each, the samples that ``division`` gives this process.

    Raises:
        BadData: The pool holds fewer samples than one batch.
        Refused: Endless sampling of a data set whose distribution is not known.
    """

    def __init__(
        self,
        dataset: Dataset,
        random: KeyedRandom,
        *,
        batch: int,
        kind: Literal["fixed", "endless"],
        division: Division | None = None,
        drop_last: bool = True,
    ) -> None:
        if dataset.size < batch:
            raise BadData(
                f"The training pool holds {dataset.size} samples, fewer than one batch of {batch}. Lower batch_size."
            )
        if kind == "endless" and dataset.endless is None:
            raise Refused("pool=endless needs a data set whose distribution is known; this one has only its samples.")
        self._random, self._batch, self._kind, self._dataset = random, batch, kind, dataset
        self._division = division or Division()
        streamed = dataset.streamed
        self._pool = _Resident(dataset.train, random) if streamed is None else _Streaming(streamed, random)
        self._order = _Order(
            random, "real/order", size=dataset.size, batch=batch, division=self._division, drop_last=drop_last
        )
        self._length = block_length(batch * dataset.train[0].numel())

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self._dataset.shape

    @property
    def batches_per_epoch(self) -> int:
        """Batches in the pool, a partial one included where it is kept."""
        return self._order.batches

    def size_at(self, update: int) -> int:
        """How many real samples discriminator update ``update`` sees."""
        if self._kind == "endless":
            return self._batch
        return min(self._batch, self._dataset.size - update % self._order.batches * self._batch)

    def seen(self, updates: int) -> int:
        """How many real samples the first ``updates`` updates see."""
        if self._kind == "endless":
            return updates * self._batch
        epochs, rest = divmod(updates, self._order.batches)
        whole = min(self._dataset.size, self._order.batches * self._batch)
        return epochs * whole + rest * self._batch

    def real(self, update: int) -> Tensor:
        """The real batch of discriminator update ``update``, ``[S, 1, B, *x]``."""
        if self._kind == "endless":
            fresh = self._random.custom("real/endless", update, self._length, self._fresh)
            return self._division.mine(fresh, 1).unsqueeze(1)
        batch = self._dataset.floats(self._pool.at(self._order, update), self._random.dtype)  # [S, B, *x]
        return (self._mirrored(batch, update) if self._dataset.flips else batch).unsqueeze(1)

    def _mirrored(self, batch: Tensor, update: int) -> Tensor:  # [S, B, *x]
        drawn = self._random.draw("real/flip", update, (self._batch,), "uniform")
        coins = self._division.mine(drawn, 1)[:, : batch.shape[1]] < 0.5  # [S, B]
        return torch.where(coins.reshape(*coins.shape, *[1] * (batch.dim() - 2)), batch.flip(-1), batch)

    def _fresh(self, generator: torch.Generator, length: int) -> Tensor:  # [n, B, *x]
        assert self._dataset.endless is not None
        samples = self._dataset.endless(length * self._batch, generator)
        return samples.reshape(length, self._batch, *samples.shape[1:])


class Latents:
    """Latent batches ``[S, K, B, latent]``; of each, those that ``division`` gives this process.

    Arguments:
        prior: ``normal`` or ``uniform`` on [-1, 1].
        pool: The size of a fixed training pool of latents, or None for fresh ones.
        shared: Whether all generators of a team see the same latents, as they do from a pool.
        size_at: How many an update needs, where that is not always the whole batch.
    """

    def __init__(
        self,
        random: KeyedRandom,
        *,
        shape: tuple[int, int, int],
        prior: Literal["normal", "uniform"] = "normal",
        pool: int | None = None,
        shared: bool = False,
        division: Division | None = None,
        size_at: Callable[[int], int] | None = None,
    ) -> None:
        self._shared = shared
        self._division = replace(division or Division(), groups=1)  # a batch is of one generator
        self._generators, self._batch, self._latent = shape  # K, B, latent
        self._random = random
        self._prior: Literal["normal", "uniform"] = prior
        self._pool, self._order = torch.empty(0), None
        if pool is not None:
            numbers = fixed_latents(pool, self._latent, prior, name="latent/pool")
            self._pool = numbers.to(random.device, random.dtype)
            self._order = _Order(
                random,
                "latent/order",
                size=pool,
                batch=self._batch,
                division=self._division,
                drop_last=size_at is None,
            )
        self._size_at = size_at

    def at(self, name: str, update: int) -> Tensor:
        """The latents of one update of the player ``name``, ``[S, K, B, latent]``."""
        if self._order is not None:
            drawn = _rows(self._pool, self._random.spread(self._order.on_device(update))).unsqueeze(1)
            return drawn.expand(-1, self._generators, -1, -1)
        apart = 1 if self._shared else self._generators
        drawn = self._division.mine(self._random.draw(name, update, (apart, self._batch, self._latent), self._prior), 2)
        drawn = drawn * 2 - 1 if self._prior == "uniform" else drawn
        drawn = drawn if self._size_at is None else drawn[:, :, : self._size_at(update)]
        return drawn.expand(-1, self._generators, -1, -1)


def _rows(pool: Tensor, index: Tensor) -> Tensor:  # [N, *x], [S, B] -> [S, B, *x]
    """``pool[index]``; selecting copies whole samples, where indexing computes the place of each number."""
    return pool.index_select(0, index.reshape(-1)).unflatten(0, index.shape)


def fixed_latents(count: int, latent: int, prior: Literal["normal", "uniform"], *, name: str) -> Tensor:
    """Latents that every member shares, ``[count, latent]`` float32, keyed by :data:`POOL_SEED` and ``name``."""
    generator = keyed_generator(POOL_SEED, 0, name)
    if prior == "normal":
        return torch.empty(count, latent).normal_(generator=generator)
    return torch.empty(count, latent).uniform_(-1, 1, generator=generator)
