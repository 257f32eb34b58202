"""What a penalty and a constraint are.

A penalty is a term added to one player's loss that needs the networks themselves, not only their outputs. It is given
a *discriminator function* and the samples, returns per-member losses, and touches nothing else. Its randomness comes from
outside: it declares :class:`Draw` s and receives the drawn tensors.

A constraint is something done to the parameters after a step.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

from gantlet.objectives.base import DiscriminatorOutput

__all__ = ["Constraint", "DiscriminatorFunction", "Draw", "MonitoredPenalty", "Penalty", "PenaltyNeed"]

PenaltyNeed = Literal["outputs", "parameters", "state"]
"""What a penalty is given beyond the discriminator function, the samples and its noise.

- ``outputs``: keywords ``real_output`` (None in the generator's update unless the objective asks for it) and
  ``fake_output``, as the player's own update computed them (LeCam, pulling-away).
- ``parameters``: keyword ``parameters``, the player's own by name: ``[S, ...]``, or ``[S·K, ...]`` for a team.
- ``state``: keyword ``state``; the penalty then is also :class:`~gantlet.objectives.base.Stateful`, its ``update`` is
  given ``real`` and ``fake`` scores after each update of the discriminator.
"""

DiscriminatorFunction = Callable[[Tensor], DiscriminatorOutput]
"""From samples ``[S, J, B, *x]`` (J batches, each on its own) to an output with score ``[S, J, B]``."""


@dataclass(frozen=True)
class Draw:
    """A random tensor that is drawn each step: ``kind`` and the shape per member (without ``S``)."""

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]


@runtime_checkable
class Penalty(Protocol):
    """A term added to one player's loss.

    Class attributes:
        player: Whose loss it joins.
        requires: What it asks of the discriminator: ``no_batch_statistics`` where it needs per-sample gradients.
        needs: What it is given beyond samples and noise, see :data:`PenaltyNeed`.
        label: The name under which its value is logged.
        separable: Whether its value for a batch is the mean of its values for equal parts of it, as that of a mean over samples
            is and that of a maximum is not; ``images`` where that holds for images alone. One that does not say is taken for
            one that is not, so that its batches are never divided.

    ``every`` is a setting of each penalty: it is applied at every n-th update of its player only, with n times its weight,
    so that its mean over updates stays (lazy regularisation; Karras et al., 2020).
    """

    player: ClassVar[Literal["generator", "discriminator"]]
    requires: ClassVar[frozenset[str]]
    needs: ClassVar[frozenset[str]]
    label: ClassVar[str]

    @property
    def every(self) -> int:
        """At which updates it is applied: those whose number (from 0) it divides."""
        ...

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """The random tensors it wants each step."""
        ...

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The weighted penalty (not yet times ``every``).

        It is called as ``penalty(discriminate, real=…, fake=…, noise=…)`` with real ``[S, 1, B, *x]``, fake ``[S, K, B, *x]``
        and the drawn noise by name, plus the keywords it ``needs``, and returns ``[S, K]``.
        """
        ...


@runtime_checkable
class MonitoredPenalty(Protocol):
    """A penalty that logs more than its weighted value."""

    def monitors(self, *, fake_output: DiscriminatorOutput) -> dict[str, Tensor]:
        """Values per member and generator, ``[S, K]``, by name."""
        ...


@runtime_checkable
class Constraint(Protocol):
    """A projection of the discriminator's parameters after each of its updates."""

    def project(self, parameter: Tensor) -> Tensor:
        """The projected parameter, ``[S, ...] -> [S, ...]``."""
        ...
