r"""The original objective: the discriminator is a classifier trained with the log loss.

Scores are logits, s = σ(l) is the probability of being real; r marks real samples, f fake ones.

.. math::
    L_D = -\mathbb{E} \log s_r - \mathbb{E} \log(1 - s_f), \qquad
    L_G = -\mathbb{E} \log s_f \quad \text{(non-saturating)}, \qquad
    L_G = \mathbb{E} \log(1 - s_f) \quad \text{(saturating)}

The optimal discriminator is s = p / (p + q), where L_D = log 4 - 2 JS(p, q).

Reference:
    | Generative adversarial nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661

Legend: ``B`` batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gantlet.settings import setting

from .dirac import dirac_pair

__all__ = ["Vanilla"]


@dataclass(frozen=True)
class Vanilla:
    """The original objective on logits; finite at any finite score.

    Example:
        >>> Vanilla().discriminator(real=torch.zeros(8), fake=torch.zeros(8))  # 2 log 2
        tensor(1.3863)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False

    saturating: bool = setting(False, "the generator minimises log(1 - s), the game's own value, instead of -log s")

    @property
    def boundary(self) -> float:
        """The undecided logit, s = 1/2."""
        return 0.0

    # logsigmoid, not softplus: torch's softplus turns linear at 20, which is 2e-9 off in float64.
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The log loss of telling real from fake, in nats, without a factor 1/2."""
        return -logsigmoid(real).mean(-1) - logsigmoid(-fake).mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """The generator's loss, in nats."""
        if self.saturating:
            return logsigmoid(-fake).mean(-1)
        return -logsigmoid(fake).mean(-1)

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The optimal logit log p - log q."""
        return real.log() - fake.log()

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """Log 4 - 2 JS(p, q)."""
        middle = (real + fake) / 2
        js = (_kl(real, middle) + _kl(fake, middle)) / 2
        return math.log(4) - 2 * js

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: both slopes are 1/2 at score 0, hence ±i/2."""
        return dirac_pair(discriminator_slope=0.5, generator_slope=-0.5)


def _kl(left: Tensor, right: Tensor) -> Tensor:
    return (torch.xlogy(left, left) - torch.xlogy(left, right)).sum(-1)
