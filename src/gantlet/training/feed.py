"""What a step is fed: tensors and numbers that differ from step to step, while everything else about it stays.

By itself a feed hands on what it is asked to make. *Fixed*, it keeps each tensor in one place of its own, so that a step
that was recorded finds the next one there; it then also remembers how everything was made, to make it again. Batches of
another size have places of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Feed", "Feeding"]

_RECORDING = ("cuda",)  # kinds of devices on which steps are recorded, so that numbers must lie there
_Place = tuple[int, str, int]
"""The samples of a batch, a name, and what was asked for before."""


@dataclass(frozen=True)
class Feeding:
    """One thing that is fed: its place, how it is made, and how many discriminator updates of the phase come before it."""

    place: Tensor
    make: Callable[[], Tensor | float]
    after: int

    def again(self) -> None:
        """Make it again, in its place."""
        fresh = self.make()
        if isinstance(fresh, Tensor):
            self.place.copy_(fresh, non_blocking=True)
        else:
            self.place.fill_(fresh)


class Feed:
    """Hands out what steps are fed.

    Arguments:
        updates: Says how many discriminator updates are done.
        device: Where numbers become tensors when they are kept; those of a CPU stay numbers.
        dtype: Their floating type.
    """

    def __init__(self, updates: Callable[[], int], *, device: torch.device, dtype: torch.dtype) -> None:
        self._updates, self._device, self._dtype = updates, device, dtype
        self._places: dict[_Place, Tensor] = {}
        self._asked: list[Feeding] = []
        self._mode, self._start, self._batch = "open", 0, 0

    def tensor(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` gives; of one shape whenever it is asked for under this name for batches of one size."""
        if self._mode == "open":
            return make()
        key = self._batch, name, len(self._asked)
        if self._mode == "fixed":
            fresh = make()
            if key not in self._places:
                self._places[key] = torch.empty(fresh.shape, dtype=fresh.dtype, device=fresh.device)
            self._places[key].copy_(fresh)
        return self._given(key, make)

    def number(self, name: str, make: Callable[[], float], *, varies: bool) -> Tensor | float:
        """What ``make`` gives, as a tensor where it varies and a recorded step on a GPU must find it."""
        if self._mode == "open" or not varies or self._device.type not in _RECORDING:
            return make()
        key = self._batch, name, len(self._asked)
        if self._mode == "fixed":
            place = self._places.setdefault(key, torch.zeros((), dtype=self._dtype, device=self._device))
            place.fill_(make())
        return self._given(key, make)

    @contextmanager
    def fixed(self, batch: int) -> Generator[list[Feeding]]:
        """Keep each tensor for batches of this size in a place of its own; what was fed stands in the list afterwards."""
        with self._as("fixed", batch) as asked:
            yield asked

    @contextmanager
    def filled(self, batch: int) -> Generator[None]:
        """Hand out the places as they are, in the order in which they were asked for when they were fixed."""
        with self._as("filled", batch):
            yield

    def _given(self, key: _Place, make: Callable[[], Tensor | float]) -> Tensor:
        place = self._places[key]
        self._asked.append(Feeding(place, make, self._updates() - self._start))
        return place

    @contextmanager
    def _as(self, mode: str, batch: int) -> Generator[list[Feeding]]:
        self._mode, self._asked, self._start, self._batch = mode, [], self._updates(), batch
        try:
            yield self._asked
        finally:
            self._mode = "open"
