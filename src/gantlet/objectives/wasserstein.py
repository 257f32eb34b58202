r"""The Wasserstein objective: the critic's mean on real samples minus its mean on fake ones, maximised.

.. math::
    L_D = \mathbb{E}\, l_f - \mathbb{E}\, l_r, \qquad L_G = -\mathbb{E}\, l_f

Over 1-Lipschitz critics -L_D is at most the Wasserstein-1 distance. The objective itself does not bound the
critic: weight clipping or a gradient penalty must, so there is no optimal score to state here.

Reference:
    | Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875

Legend: ``B`` batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .dirac import dirac_pair

__all__ = ["Wasserstein"]


@dataclass(frozen=True)
class Wasserstein:
    """The Wasserstein objective on critic values.

    Example:
        >>> import torch
        >>> Wasserstein().discriminator(real=torch.tensor([3.0, 1.0]), fake=torch.tensor([0.0, 1.0]))
        tensor(-1.5000)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def boundary(self) -> None:
        """None: a critic's value has no meaning on its own, only differences have."""
        return None

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """Minus the estimate of the Wasserstein distance, in units of the critic."""
        return fake.mean(-1) - real.mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """Minus the critic's mean on fake samples."""
        return -fake.mean(-1)

    def monitors(self, *, real: Tensor, fake: Tensor) -> dict[str, Tensor]:  # [..., B], [..., B] -> [...]
        """``wasserstein_estimate``: the mean on real samples minus the mean on fake ones.

        It is the distance times the critic's Lipschitz constant, from below; it may be negative.
        """
        return {"wasserstein_estimate": real.mean(-1) - fake.mean(-1)}

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: both slopes are 1, hence ±i."""
        return dirac_pair(discriminator_slope=1.0, generator_slope=-1.0)
