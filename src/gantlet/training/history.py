"""What happened at each step, thinned: at most 1,000 points per member and name, each the mean over a log interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
        self._slots, self._device = slots, device
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._done: list[tuple[int, str, list[float], list[bool]]] = []

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in quantities of this step, ``[S]`` or ``[S, K]`` (their mean over the team)."""
        for name, value in values.items():
            if name in self._sums:
                self._sums[name] += value.detach()
                self._counts[name] += 1
            else:
                self._sums[name], self._counts[name] = value.detach().to(torch.float64, copy=True), 1

    def close_interval(self, step: int, alive: Sequence[bool]) -> None:
        """At the last step of a log interval, turn the sums into points of the members that have not diverged."""
        if step % self.log_interval:
            return
        for name, total in self._sums.items():
            mean = total.reshape(self._slots, -1).mean(1) / self._counts[name]
            self._done.append((step, name, mean.tolist(), list(alive)))
        self._sums, self._counts = {}, {}

    def take(self) -> Rows:
        """The finished points since the last call."""
        rows = Rows([], [], [], [])
        for step, name, values, alive in self._done:
            for slot, (value, inside) in enumerate(zip(values, alive, strict=True)):
                if inside:
                    rows.slot.append(slot)
                    rows.step.append(step)
                    rows.name.append(name)
                    rows.value.append(value)
        self._done = []
        return rows

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """The open log interval: sums by name, counts by name."""
        return dict(self._sums), dict(self._counts)

    def load(self, sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
        """Continue an open log interval."""
        self._sums = {name: value.to(self._device, torch.float64).clone() for name, value in sums.items()}
        self._counts = dict(counts)
        self._done = []
