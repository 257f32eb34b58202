"""What happened at each step, thinned: at most 1,000 points per member and name, each the mean over a log interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.devices import widest

__all__ = ["POINTS", "History", "Rows"]

POINTS = 1000


@dataclass(frozen=True)
class Rows:
    """Rows of the long table: slot, step, name, value."""

    slot: list[int]
    step: list[int]
    name: list[str]
    value: list[float]


class History:
    """Means over log intervals of named quantities per member.

    Arguments:
        slots: Members of the fleet, pads included.
        steps: Steps of the whole run; they set the log interval.
    """

    def __init__(self, slots: int, steps: int, device: torch.device) -> None:
        self.log_interval = max(1, -(-steps // POINTS))
        self._slots, self._device, self._type = slots, device, widest(device)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._taken = 0
        self._done: list[tuple[int, str, Tensor, list[bool]]] = []  # on the device until they are taken

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in quantities of this step, ``[S]`` or ``[S, K]`` (their mean over the team)."""
        for name, value in values.items():
            if name in self._sums:
                self._sums[name] += value.detach()
            else:
                self._sums[name] = value.detach().to(self._type, copy=True)
            self._counts[name] = self._counts.get(name, 0) + 1

    def close_interval(self, step: int, alive: Sequence[bool]) -> None:
        """At the last step of a log interval, turn the sums into points of the members that have not diverged."""
        if step % self.log_interval:
            return
        for name, count in self._counts.items():
            total = self._sums[name]
            self._done.append((step, name, total.reshape(self._slots, -1).mean(1) / count, list(alive)))
            total.zero_()  # in place: a recorded step adds to this very tensor
        self._counts = {}

    def take(self) -> Rows:
        """The finished points since the last call."""
        rows = Rows([], [], [], [])
        for step, name, values, alive in self._done:
            for slot, (value, inside) in enumerate(zip(values.tolist(), alive, strict=True)):
                if inside:
                    rows.slot.append(slot)
                    rows.step.append(step)
                    rows.name.append(name)
                    rows.value.append(value)
        self._taken += len(self._done)
        self._done = []
        return rows

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """The open log interval: sums by name, counts by name."""
        return {name: self._sums[name] for name in self._counts}, dict(self._counts)

    def load(self, sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
        """Continue an open log interval."""
        self._sums = {name: value.to(self._device, self._type).clone() for name, value in sums.items()}
        self._counts = dict(counts)
        self._done = []

    def tensors(self) -> list[Tensor]:
        """The sums, as they lie in memory; those of names that have no count are zero."""
        return list(self._sums.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many values of each name the open log interval holds."""
        return dict(self._counts)

    def count(self, more: Mapping[str, int]) -> None:
        """Values were added to the sums by a recorded step."""
        for name, number in more.items():
            self._counts[name] = self._counts.get(name, 0) + number

    def mark(self) -> tuple[dict[str, int], int, frozenset[str]]:
        """Where it stands beside its sums, for :meth:`go_back`."""
        return dict(self._counts), self._taken + len(self._done), frozenset(self._sums)

    def go_back(self, mark: tuple[dict[str, int], int, frozenset[str]]) -> None:
        """Be where :meth:`mark` was called, after the sums that were there have been set to what they were."""
        self._counts = dict(mark[0])
        del self._done[max(0, mark[1] - self._taken) :]
        for name in self._sums.keys() - mark[2]:
            self._sums[name].zero_()
