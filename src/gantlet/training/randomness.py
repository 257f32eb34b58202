"""Keyed randomness: a draw depends on (seed, step, name), never on what was drawn before.

A resumed run, a padded fleet and a solo run therefore see the same numbers, on a CPU and on a GPU. Small draws are made
in blocks of n steps, n = clamp(65536 // numbers per step, 1, 64), always as the whole block, on the CPU and in float32,
because torch's draws are not prefix-consistent: ``randn(40)`` is not the start of ``randn(64)``.

Legend: ``S`` members, ``U`` distinct seeds among them, ``n`` steps of a block, ``*d`` one step's draw.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from gantlet.randomness import keyed_generator

__all__ = ["KeyedRandom", "block_length", "moved"]

_Kind = Literal["normal", "uniform"]


def block_length(numbers: int) -> int:
    """How many steps are drawn at once, from how many numbers one step takes.

    Example:
        >>> block_length(256), block_length(30_000), block_length(1_000_000)
        (64, 2, 1)
    """
    return max(1, min(64, 65536 // max(1, numbers)))


class KeyedRandom:
    """The random tensors of a fleet.

    Arguments:
        seeds: One per slot; equal seeds are drawn once and shared.
        device: Where draws are used.
        dtype: The floating type they are cast to.

    Attributes:
        ahead: Whether threads draw each block while the one before is used: a GPU works meanwhile.
    """

    def __init__(self, seeds: Sequence[int], *, device: torch.device, dtype: torch.dtype) -> None:
        self.seeds = tuple(seeds)
        self.device, self.dtype = device, dtype
        self.ahead = device.type != "cpu"
        self.distinct = tuple(dict.fromkeys(self.seeds))
        position = {seed: index for index, seed in enumerate(self.distinct)}
        inverse = torch.tensor([position[seed] for seed in self.seeds], device=device)
        self._inverse = None if len(self.distinct) == len(self.seeds) else inverse
        self._blocks: dict[str, tuple[int, Tensor]] = {}
        self._coming: dict[str, tuple[int, list[Future[Tensor]]]] = {}

    def spread(self, distinct: Tensor) -> Tensor:
        """Values per distinct seed -> values per slot, ``[U, ...] -> [S, ...]``."""
        return distinct if self._inverse is None else distinct.index_select(0, self._inverse)

    def draw(self, name: str, step: int, shape: tuple[int, ...], kind: _Kind) -> Tensor:
        """One step's draw for every slot, ``[S, *shape]``."""

        def fresh(generator: torch.Generator, length: int) -> Tensor:
            out = torch.empty((length, *shape), dtype=torch.float32)
            return out.normal_(generator=generator) if kind == "normal" else out.uniform_(generator=generator)

        return self.custom(name, step, block_length(_numel(shape)), fresh)

    def custom(self, name: str, step: int, length: int, make: Callable[[torch.Generator, int], Tensor]) -> Tensor:
        """One step of a block that ``make(generator, length) -> [length, *d]`` draws per distinct seed."""
        index, offset = divmod(step, length)
        held = self._blocks.get(name)
        if held is None or held[0] != index:
            held = (index, self._block(name, index, length, make))  # [U, n, *d]
            self._blocks[name] = held
        return self.spread(held[1][:, offset])

    def _block(self, name: str, index: int, length: int, make: Callable[[torch.Generator, int], Tensor]) -> Tensor:
        def fresh(seed: int, index: int) -> Tensor:
            return make(keyed_generator(seed, index, name), length)

        if not self.ahead:
            return torch.stack([fresh(seed, index) for seed in self.distinct]).to(self.device, self.dtype)
        coming = self._coming.get(name)
        if coming is None or coming[0] != index:
            coming = (index, [_drawers().submit(fresh, seed, index) for seed in self.distinct])
        drawn = torch.stack([future.result() for future in coming[1]])
        self._coming[name] = (index + 1, [_drawers().submit(fresh, seed, index + 1) for seed in self.distinct])
        return moved(drawn, self.device).to(self.dtype)


def moved(values: Tensor, device: torch.device) -> Tensor:
    """Numbers of the CPU on a device; the host waits for the copy, unless their memory can be kept for it (pinned, on CUDA)."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


@cache
def _drawers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="draws")


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
