r"""How a number changes over training: constant, in steps, or along half a cosine.

.. math::
    f_{step}(t) = \max(f_\infty, \delta^{\lfloor t / n \rfloor}), \qquad
    f_{cosine}(t) = f_\infty + (1 - f_\infty) \tfrac12 \bigl(1 + \cos(\pi \min(t, T) / T)\bigr)

A factor multiplies the value at the start; :math:`f_\infty` is where it ends and may be above 1. ``step`` with
:math:`\delta = 0.95`, :math:`n = 3000`, :math:`f_\infty = 0.2` is the fixed schedule of BEGAN's TensorFlow
re-implementation; ``cosine`` over the first part of a run is R3GAN's ramp (there called burn-in). ``on-plateau``
multiplies by δ whenever the measure of convergence M, in the mean over n updates, has not improved (BEGAN's own rule), so
that it is a matter of each member: see :class:`ReduceOnPlateau`.

References:
    | BEGAN: Boundary equilibrium generative adversarial networks (Berthelot et al., 2017), https://arxiv.org/abs/1703.10717
    | The GAN is dead; long live the GAN! A modern baseline GAN (Huang et al., 2024), https://arxiv.org/abs/2501.05441

Legend: ``S`` members.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["ReduceOnPlateau", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """A factor over steps.

    Attributes:
        kind: ``constant``, ``step``, ``cosine``, or ``linear`` (which ends at ``floor`` as the cosine does).
        decay: What a step multiplies by.
        every: Steps between two multiplications; for ``cosine`` and ``linear``, steps until the end.
        floor: Where the factor ends.
        earlier: Lengths of earlier plans, ascending: before the step at which each ended, ``every`` was as long as it.

    Example:
        >>> began = Schedule("step", decay=0.95, every=3000, floor=0.2)
        >>> [round(began.factor(t), 4) for t in (0, 2999, 3000, 10**6)]
        [1.0, 1.0, 0.95, 0.2]
        >>> [round(Schedule("cosine", every=100, floor=0.5).factor(t), 4) for t in (0, 50, 100, 150)]
        [1.0, 0.75, 0.5, 0.5]
        >>> [round(Schedule("cosine", every=100, earlier=(50,)).factor(t), 4) for t in (25, 49, 50, 100)]
        [0.5, 0.001, 0.5, 0.0]
    """

    kind: Literal["constant", "step", "cosine", "linear"] = "constant"
    decay: float = 1.0
    every: int = 1
    floor: float = 0.0
    earlier: tuple[int, ...] = ()

    def factor(self, step: int) -> float:
        """The factor at step ``step``, counted from 0."""
        every = next((length for length in self.earlier if step < length), self.every)
        if self.kind == "constant":
            return 1.0
        if self.kind == "step":
            return max(self.floor, self.decay ** (step // every))
        share = min(1.0, step / every)
        fallen = share if self.kind == "linear" else (1 - math.cos(math.pi * share)) / 2
        return 1.0 + (self.floor - 1.0) * fallen


@dataclass(frozen=True)
class ReduceOnPlateau:
    """A factor per member that falls when a measure stops improving.

    Attributes:
        decay: What a plateau multiplies by.
        every: Updates over which the measure is averaged before it is compared.
        floor: The factor never falls below it.
    """

    decay: float = 0.5
    every: int = 1000
    floor: float = 0.0

    def init(self, members: int) -> dict[str, Tensor]:
        """No measure yet, factor 1; ``[S, 1, 1]`` each."""
        ones = torch.ones(members, 1, 1)
        return {"factor": ones, "best": ones * torch.inf, "sum": ones * 0}

    def update(self, state: Mapping[str, Tensor], measure: Tensor, *, update: int) -> dict[str, Tensor]:
        """The state after discriminator update ``update`` (from 0) with this measure, ``[S, 1, 1]``.

        Example:
            >>> state, plateau = ReduceOnPlateau(every=2).init(1), ReduceOnPlateau(every=2)
            >>> for t, value in enumerate((4.0, 4.0, 3.0, 3.0, 3.0, 3.0)):
            ...     state = plateau.update(state, torch.full((1, 1, 1), value), update=t)
            >>> state["factor"].item(), state["best"].item()
            (0.5, 3.0)
        """
        total = state["sum"] + measure
        if (update + 1) % self.every:
            return {**state, "sum": total}
        mean = total / self.every
        fallen = (state["factor"] * self.decay).clamp(min=self.floor)
        return {
            "factor": torch.where(mean < state["best"], state["factor"], fallen),
            "best": torch.minimum(state["best"], mean),
            "sum": torch.zeros_like(total),
        }
