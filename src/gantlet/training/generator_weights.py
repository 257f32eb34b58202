r"""Learned mixture weights of a team: how often each generator is sampled, trained with the generators.

A team's samples are then a mixture :math:`p_G = \sum_k \pi_k p_k` with :math:`\pi = \mathrm{softmax}(w)`, and both players
see that mixture instead of the uniform one:

.. math::
    \min_{G, w} \; \sum_{k=1}^{K} \pi_k L_G(G_k) - \lambda H(\pi), \qquad
    \min_D \; \sum_{k=1}^{K} \pi_k L_D(G_k), \qquad H(\pi) = -\sum_{k=1}^{K} \pi_k \log \pi_k

Since the weights add up to one, the real term of :math:`L_D` stays as it is. If the losses were constant, the best
weights would be :math:`\pi_k \propto e^{-L_k / \lambda}`: the entropy's weight λ says how much worse a generator may be
before it is hardly sampled any more, and without it one generator would soon be left. The logits w are a player of their own
in the optimisers: they move with the generators, at their own rate.

Differs from the paper in: one discriminator instead of a mixture of them; the entropy, where the paper adds the mean of
:math:`-\log \pi_k`; the rate and λ, which are ours.

Legend: ``S`` members, ``K`` generators.

Reference:
    | Generalization and equilibrium in generative adversarial nets (Arora et al., 2017; MIX+GAN),
      https://arxiv.org/abs/1703.00573
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from .blueprint import Execution, LearnedWeights
from .optimisers import StackOptimiser
from .step import combined

__all__ = ["GeneratorWeights"]


class GeneratorWeights:
    """The weights of S teams.

    Arguments:
        rules: The optimiser of the logits, and λ.
        members: S.
        generators: K.
        execution: Where and in which floating type.
        varies: What will be tuned of the optimiser's numbers.

    Attributes:
        logits: The leaf w, ``[S, K]``; zeros at the start, which is the uniform mixture.
        optimiser: Moves it.

    Example:
        >>> from .optimisers import OptimiserSpec
        >>> rules = LearnedWeights(OptimiserSpec("sgd", (1.0,), (0.0,), (0.0,)), entropy=0.5)
        >>> weights, losses = GeneratorWeights(rules, members=1, generators=2, execution=Execution()), torch.tensor([[1.0, 2.0]])
        >>> for _ in range(100):
        ...     weights.optimiser.zero_grad()
        ...     weights.generator_loss(losses, "mean").sum().backward()
        ...     weights.optimiser.step()
        >>> torch.allclose(weights.shares(), (-losses / 0.5).softmax(1))
        True
    """

    def __init__(
        self,
        rules: LearnedWeights,
        *,
        members: int,
        generators: int,
        execution: Execution,
        varies: frozenset[str] = frozenset(),
    ) -> None:
        start = torch.zeros(members, generators, device=execution.device, dtype=execution.dtype)
        self.logits = nn.Parameter(start)
        self.optimiser = StackOptimiser({"logits": self.logits}, rules.optimiser, members=members, varies=varies)
        self._entropy = rules.entropy

    def shares(self) -> Tensor:  # -> [S, K]
        """The weights π, without a gradient."""
        return self.logits.detach().softmax(-1)

    def generator_loss(self, team: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:  # [S, K] -> [S]
        """The generators' losses as one, with the entropy; its gradient also reaches the logits."""
        chance, entropy = self.logits.softmax(-1), self.entropy(self.logits)
        return _scaled((chance * team).sum(-1) - self._entropy * entropy, team, reduction)

    def discriminator_loss(self, team: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:  # [S, K] -> [S]
        """The discriminator's losses against each generator as one."""
        return _scaled((self.shares() * team).sum(-1), team, reduction)

    @staticmethod
    def entropy(logits: Tensor) -> Tensor:  # [S, K] -> [S]
        """Of the weights, in nats: ln K where they are equal."""
        return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


def _scaled(mean: Tensor, team: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:  # [S], [S, K] -> [S]
    """A weighted mean as large as the reduction of a team whose losses all equal it."""
    return combined(mean.unsqueeze(-1).expand_as(team), reduction)
