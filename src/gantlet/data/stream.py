"""A stream: a training pool that stays on disk and is read batch by batch, some batches ahead, by a few threads.

Nothing is kept but the batches that were asked for ahead, so memory does not grow with the pool. The batches are those
that the same pool would give in memory, since only the numbers that are asked for decide; how many threads read them, and
when, does not matter.

Legend: ``N`` images of the pool, ``*i`` any shape of numbers, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .prepared import PreparedSet
from .shards import Pixels

__all__ = ["Stream"]

_THREADS, _PENDING = 2, 16


class Stream:
    """Images of a prepared set, by their place in a list of numbers.

    Arguments:
        prepared: Where they are stored.
        numbers: Which of the set's images make the pool, ``[N]``.

    Attributes:
        waited: Seconds that :meth:`take` spent waiting for the disk so far.
    """

    def __init__(self, prepared: PreparedSet, numbers: NDArray[np.int64]) -> None:
        self.prepared, self.numbers, self.waited = prepared, numbers, 0.0
        self._pending: dict[bytes, Future[Pixels]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._owner = -1

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.prepared.shape

    def take(self, index: Tensor) -> Tensor:  # [*i] -> [*i, C, H, W] uint8
        """Images by place in the pool; what was not fetched ahead is read now."""
        began = time.perf_counter()
        flat = index.flatten().numpy()
        ready = self._pending.pop(flat.tobytes(), None) if self._owner == os.getpid() else None
        images = self._read(flat) if ready is None else ready.result()
        self.waited += time.perf_counter() - began
        return torch.from_numpy(images).reshape(*index.shape, *self.shape)

    def prefetch(self, index: Tensor) -> None:
        """Begin to read a batch in the background; the oldest batch that nobody took is forgotten."""
        if self._threads is None or self._owner != os.getpid():  # threads do not survive a fork
            self._threads, self._owner, self._pending = ThreadPoolExecutor(_THREADS, "stream"), os.getpid(), {}
        flat = index.flatten().numpy()
        key = flat.tobytes()
        if key not in self._pending:
            while len(self._pending) >= _PENDING:
                self._pending.pop(next(iter(self._pending))).cancel()
            self._pending[key] = self._threads.submit(self._read, flat)

    def _read(self, places: NDArray[np.int64]) -> Pixels:
        return self.prepared.read(self.numbers[places])
