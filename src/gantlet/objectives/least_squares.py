r"""Least squares: the discriminator regresses to one target on real samples and to another on fake ones.

.. math::
    L_D = \tfrac12 \mathbb{E} (l_r - b)^2 + \tfrac12 \mathbb{E} (l_f - a)^2, \qquad
    L_G = \tfrac12 \mathbb{E} (l_f - c)^2, \qquad
    L_G = -\tfrac12 \mathbb{E} (l_f - a)^2 \quad \text{(saturating)}

The optimal score is (b p + a q) / (p + q), where L_D = (b - a)²/4 · (1 - χ²(p, m)) with Pearson's divergence
χ²(p, m) = Σ (p - m)²/m of p from the mixture m = (p + q)/2. The usual codings of a, b, c are 0, 1, 1 and
-1, 1, 0.

Reference:
    | Least squares generative adversarial networks (Mao et al., 2017), https://arxiv.org/abs/1611.04076

Legend: ``B`` batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gantlet.settings import setting

from .dirac import dirac_pair, single_value

__all__ = ["LeastSquares"]


@dataclass(frozen=True)
class LeastSquares:
    """Least squares on unbounded scores, with 1/2 on each term.

    Example:
        >>> import torch
        >>> LeastSquares().discriminator(real=torch.tensor([3.0]), fake=torch.tensor([1.0]))  # 4/2 + 1/2
        tensor(2.5000)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    a: float | Tensor = setting(0.0, "the discriminator's target on fake samples", varies=True)
    b: float | Tensor = setting(1.0, "the discriminator's target on real samples", varies=True)
    c: float | Tensor = setting(1.0, "the score that the generator aims at", varies=True)
    saturating: bool = setting(False, "the generator maximises the discriminator's fake term instead of aiming at c")

    @property
    def boundary(self) -> float | Tensor:
        """Halfway between both targets."""
        return (self.a + self.b) / 2

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """Half the mean squared error on real samples plus half of that on fake ones."""
        return 0.5 * (real - self.b).square().mean(-1) + 0.5 * (fake - self.a).square().mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """Half the mean squared distance to c, or minus the discriminator's fake term."""
        if self.saturating:
            return -0.5 * (fake - self.a).square().mean(-1)
        return 0.5 * (fake - self.c).square().mean(-1)

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The targets' mean, weighted by p and q; p + q > 0 at each atom."""
        return (self.b * real + self.a * fake) / (real + fake)

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """(b - a)²/4 · (1 - χ²(p, m)), see the module; p + q > 0 at each atom."""
        middle = (real + fake) / 2
        chi2 = ((real - middle).square() / middle).sum(-1)
        return (self.b - self.a) ** 2 / 4 * (1 - chi2)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: ±√(a c), or ±i|a| when saturating.

        With a = 0 (the default coding) both vanish: a fake sample of score 0 already has its target.

        Raises:
            BadValue: A setting holds one value per member.
        """
        a, c = single_value(self.a, name="a"), single_value(self.c, name="c")
        return dirac_pair(discriminator_slope=-a, generator_slope=a if self.saturating else -c)
