r"""The hinge objective: real scores are pushed above 1, fake ones below -1, and scores beyond cost nothing.

.. math::
    L_D = \mathbb{E} \max(0, 1 - l_r) + \mathbb{E} \max(0, 1 + l_f), \qquad L_G = -\mathbb{E}\, l_f

The optimal score is the sign of p - q, where L_D = 2 Σ min(p, q) = 2 - 2 TV(p, q) with the total variation
TV = ½ Σ |p - q|.

References:
    | Geometric GAN (Lim, Ye, 2017), https://arxiv.org/abs/1705.02894
    | Spectral normalization for generative adversarial networks (Miyato et al., 2018),
      https://arxiv.org/abs/1802.05957

Legend: ``B`` batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .dirac import dirac_pair

__all__ = ["Hinge"]


@dataclass(frozen=True)
class Hinge:
    """The hinge objective on unbounded scores, margins at ±1.

    Example:
        >>> Hinge().discriminator(real=torch.tensor([3.0, 0.5]), fake=torch.tensor([0.0, -2.0]))  # 1/4 + 1/2
        tensor(0.7500)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def boundary(self) -> float:
        """Halfway between both margins."""
        return 0.0

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """By how much scores fall short of their margins, without a factor 1/2."""
        return (1 - real).relu().mean(-1) + (1 + fake).relu().mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """Minus the mean score; no hinge, so that fakes are pulled up wherever they are."""
        return -fake.mean(-1)

    def monitors(self, *, real: Tensor, fake: Tensor) -> dict[str, Tensor]:  # [..., B], [..., B] -> [...]
        """``margin_real`` and ``margin_fake``: the shares of samples short of their margin, which alone teach."""
        return {
            "margin_real": (real < 1).to(real.dtype).mean(-1),
            "margin_fake": (fake > -1).to(fake.dtype).mean(-1),
        }

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The sign of p - q; where they are equal, any score within the margins does, and this is 0."""
        return (real - fake).sign()

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """2 Σ min(p, q), twice what both distributions share."""
        return 2 * torch.minimum(real, fake).sum(-1)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: both slopes are 1 within the margins, hence ±i."""
        return dirac_pair(discriminator_slope=1.0, generator_slope=-1.0)
