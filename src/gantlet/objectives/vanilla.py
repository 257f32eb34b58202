r"""The original objective: the discriminator is a classifier trained with the log loss.

Scores are logits, s = σ(l) is the probability of being real; r marks real samples, f fake ones.

.. math::
    L_D = -\mathbb{E} \log s_r - \mathbb{E} \log(1 - s_f), \qquad
    L_G = -\mathbb{E} \log s_f \quad \text{(non-saturating)}, \qquad
    L_G = \mathbb{E} \log(1 - s_f) \quad \text{(saturating)}

The optimal discriminator is s = p / (p + q), where L_D = log 4 - 2 JS(p, q). With one-sided label smoothing ε the
label of real samples is 1 - ε:

.. math::
    L_D = -\mathbb{E} \bigl[(1 - ε) \log s_r + ε \log(1 - s_r)\bigr] - \mathbb{E} \log(1 - s_f)
    = -\mathbb{E} \log s_r + ε\, \mathbb{E}\, l_r - \mathbb{E} \log(1 - s_f),

whose optimum is s = (1 - ε) p / (p + q), that of the measures (1 - ε) p and q + ε p.

References:
    | Generative adversarial nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | Improved techniques for training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498

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
    separable: ClassVar[bool] = True
    logistic: ClassVar[bool] = True

    saturating: bool = setting(False, "the generator minimises log(1 - s), the game's own value, instead of -log s")
    smoothing: float | Tensor = setting(
        0.0, "one-sided label smoothing ε: real samples have the label 1 - ε", low=0.0, below=0.5, varies=True
    )

    @property
    def boundary(self) -> float | Tensor:
        """The undecided logit log((1 - ε)/(1 + ε)): s = 1/2 where nothing is smoothed."""
        if not isinstance(self.smoothing, Tensor):
            return math.log1p(-self.smoothing) - math.log1p(self.smoothing)
        return torch.log1p(-self.smoothing) - torch.log1p(self.smoothing) if bool(self.smoothing.any()) else 0.0

    # logsigmoid, not softplus: torch's softplus turns linear at 20, which is 2e-9 off in float64.
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The log loss of telling real from fake, in nats, without a factor 1/2."""
        return _on_real(real, self.smoothing).mean(-1) - logsigmoid(-fake).mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """The generator's loss, in nats."""
        if self.saturating:
            return logsigmoid(-fake).mean(-1)
        return -logsigmoid(fake).mean(-1)

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The optimal logit log (1 - ε) p - log (q + ε p)."""
        return ((1 - self.smoothing) * real).log() - (fake + self.smoothing * real).log()

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """Log 4 - 2 JS(p, q), or with smoothing minus both divergences KL((1 - ε) p, p + q) and KL(q + ε p, p + q)."""
        return -_kl((1 - self.smoothing) * real, real + fake) - _kl(fake + self.smoothing * real, real + fake)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: both slopes are 1/2 at score 0, hence ±i/2."""
        return dirac_pair(discriminator_slope=0.5, generator_slope=-0.5)


def _on_real(score: Tensor, smoothing: float | Tensor) -> Tensor:  # [..., B] -> [..., B]
    """The log loss of the label 1 - ε: -log(1 - s) = -log s + l, so that ε adds no second logarithm."""
    loss = -logsigmoid(score)
    return loss + smoothing * score if isinstance(smoothing, Tensor) or smoothing > 0 else loss


def _kl(left: Tensor, right: Tensor) -> Tensor:
    return (torch.xlogy(left, left) - torch.xlogy(left, right)).sum(-1)
