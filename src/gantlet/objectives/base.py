"""What an objective is: the losses of both players, as pure functions of the discriminator's outputs.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``d`` features, ``*x`` sample shape.

An objective touches no optimiser, device or random state. Its numeric fields are floats, or tensors that broadcast
against *scores* (per member ``[S, 1, 1]``); they act on per-sample terms, and the one reduction is the last ``.mean(-1)``.
So the same object takes ``[B]``, ``[K, B]`` or a whole fleet ``[S, K, B]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["DiscriminatorOutput", "Monitored", "Need", "Objective", "Stateful", "Theory", "WithCritic"]

Need = Literal["real", "samples", "outputs", "state"]
"""What an objective is given beyond scores.

- ``real``: the generator's loss looks at real scores too (relativistic); without it ``real`` is None in G's step.
- ``samples``: keywords ``real_samples`` ``[S, 1, B, *x]`` and ``fake_samples`` ``[S, K, B, *x]`` (Coulomb, MMD).
- ``outputs``: ``real`` and ``fake`` come as whole :class:`DiscriminatorOutput` (codes for the pulling-away term).
- ``state``: keyword ``state``, what :meth:`Stateful.init` made (BEGAN's k).
"""


@dataclass(frozen=True)
class DiscriminatorOutput:
    """A discriminator's output for a batch.

    Attributes:
        score: A logit, critic value, energy or potential per sample, ``[..., B]``.
        code: The encoder's output of an auto-encoding discriminator, ``[..., B, d]``.
        generator_logits: Which generator made the sample, ``[..., B, K]``.
    """

    score: Tensor
    code: Tensor | None = None
    generator_logits: Tensor | None = None


@runtime_checkable
class Objective(Protocol):
    """A pair of losses.

    Class attributes:
        needs: What it is given beyond scores, see :data:`Need`.
        symmetric: Whether swapping real and fake leaves the losses alone (kernel distances do).
        separable: Whether the losses of a batch are the means of the losses of equal parts of it, as means over samples (or
            pairs in order) are; those with the mean of a whole batch inside, or over all pairs, are not.

    ``boundary`` is the score at which the discriminator is undecided between real and fake (a tensor where it varies by
    member), None where a score has no such meaning (a critic). Losses are ``[..., B] -> [...]``; the team combines them.
    Where scores are logits of being real, ``logistic = True`` has figures show them as probabilities.

    An objective of your own needs only the two losses: ``needs`` is empty and ``boundary`` None where it has none. Its batches
    are divided (``accumulate``, several processes) only if it says ``separable = True``.
    """

    needs: ClassVar[frozenset[str]]
    symmetric: ClassVar[bool]

    @property
    def boundary(self) -> float | Tensor | None:
        """The score at which the discriminator is undecided."""
        ...

    def discriminator(self, *, real: Any, fake: Any) -> Tensor:
        """The discriminator's loss."""
        ...

    def generator(self, *, real: Any = None, fake: Any) -> Tensor:
        """The generator's loss."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """An objective with a state per member, which moves after the discriminator's update."""

    def init(self, members: int) -> dict[str, Tensor]:
        """The state at step 0; tensors broadcast against scores, ``[S, 1, 1]``."""
        ...

    def update(
        self, state: Mapping[str, Tensor], *, real: Any, fake: Any
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The next state and what to log, from the outputs in the discriminator's own step (before its update)."""
        ...


@runtime_checkable
class Monitored(Protocol):
    """An objective with quantities worth watching."""

    def monitors(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Named quantities ``[..., B] -> [...]``, such as the Wasserstein estimate.

        It is given the very keywords of :meth:`Objective.discriminator`, in the discriminator's update.
        """
        ...


@runtime_checkable
class WithCritic(Protocol):
    """An objective whose critic is not the score but a function made of it and of both batches (kernel distances).

    Penalties then act on that critic: its value at ``at``, given the outputs for real and fake samples.
    """

    def critic(self, *, at: DiscriminatorOutput, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        """The critic's value at each sample of ``at``, ``[S, J, B]``."""
        ...


@runtime_checkable
class Theory(Protocol):
    """What theory promises of an objective; the contract tests hold it to this."""

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:
        """The optimal discriminator's score at each atom, from two discrete distributions ``[atoms]``."""
        ...

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's least loss, as the closed form of its divergence."""
        ...
