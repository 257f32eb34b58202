"""What a penalty and a constraint are.

A penalty is a term added to one player's loss that needs the networks themselves, not only their verdicts. It is given
a *judging function* and the samples, returns per-member losses, and touches nothing else. Its randomness comes from
outside: it declares :class:`Draw` s and receives the drawn tensors.

A constraint is something done to the parameters after a step.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

from gantlet.objectives.base import Verdict

__all__ = ["Constraint", "Draw", "Judge", "Penalty"]

Judge = Callable[[Tensor], Verdict]
"""Judges samples ``[S, J, B, *x]`` (J batches, each on its own) and returns a verdict with score ``[S, J, B]``."""


@dataclass(frozen=True)
class Draw:
    """A random tensor that is wanted each step: ``kind`` and the shape per member (without ``S``)."""

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]


@runtime_checkable
class Penalty(Protocol):
    """A term added to one player's loss.

    Class attributes:
        player: Whose loss it joins.
        requires: What it asks of the discriminator: ``no_batch_statistics`` where it needs per-sample gradients.
    """

    player: ClassVar[Literal["generator", "discriminator"]]
    requires: ClassVar[frozenset[str]]

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """The random tensors it wants each step."""
        ...

    def __call__(self, judge: Judge, *, real: Tensor, fake: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The weighted penalty, real ``[S, 1, B, *x]`` and fake ``[S, K, B, *x]`` -> ``[S, K]``."""
        ...


@runtime_checkable
class Constraint(Protocol):
    """A projection of the discriminator's parameters after each of its updates."""

    def project(self, parameter: Tensor) -> Tensor:
        """The projected parameter, ``[S, ...] -> [S, ...]``."""
        ...
