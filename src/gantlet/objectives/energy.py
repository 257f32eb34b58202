r"""The energy objective (EBGAN): low energies for real samples, at least a margin for fake ones.

The score is an energy e ≥ 0, such as the reconstruction error of an auto-encoding discriminator.

.. math::
    L_D = \mathbb{E}\, e_r + \mathbb{E} \max(0, m - e_f), \qquad L_G = \mathbb{E}\, e_f

The optimal energy is m where p < q and 0 elsewhere, where L_D = m Σ min(p, q) ≤ m (Lemma 1). At the game's
equilibrium p = q, and L_D = m (Theorem 1).

Reference:
    | Energy-based generative adversarial network (Zhao et al., 2017), https://arxiv.org/abs/1609.03126

Differs from the paper in: the pulling-away term is a penalty of its own.

Legend: ``B`` batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gantlet.settings import setting

from .dirac import dirac_pair

__all__ = ["Energy"]


@dataclass(frozen=True)
class Energy:
    """The energy objective; the hinge acts sample by sample, or on the batch's mean energy.

    Class attributes:
        least_score: What :meth:`optimal_score` is optimal among: energies of at least 0.

    Example:
        >>> Energy(margin=1.0).discriminator(real=torch.tensor([0.5, 1.5]), fake=torch.tensor([0.0, 4.0]))  # 1 + 1/2
        tensor(1.5000)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True
    least_score: ClassVar[float] = 0.0

    margin: float | Tensor = setting(10.0, "the energy m towards which fake samples are pushed", above=0.0, varies=True)

    hinge: Literal["sample", "batch"] = setting(
        "sample", "what must reach the margin: each fake's energy, or their mean", choices=("sample", "batch")
    )

    def __post_init__(self) -> None:
        if self.hinge == "batch":  # a hinge of a batch's mean is not the mean of its parts' hinges
            object.__setattr__(self, "separable", False)

    @property
    def boundary(self) -> None:
        """None: where p = q every energy between 0 and the margin is optimal."""
        return None

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The mean real energy plus by how much fakes fall short of the margin, in units of energy."""
        return real.mean(-1) + self._short(fake).mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        """The mean fake energy."""
        return fake.mean(-1)

    def monitors(self, *, real: Tensor, fake: Tensor) -> dict[str, Tensor]:  # [..., B], [..., B] -> [...]
        """``energy_real``, ``energy_fake`` and ``hinge``, by how much fakes fall short of the margin."""
        return {"energy_real": real.mean(-1), "energy_fake": fake.mean(-1), "hinge": self._short(fake).mean(-1)}

    def _short(self, fake: Tensor) -> Tensor:  # [..., B] -> [..., B]
        """By how much fakes fall short of the margin."""
        return (self.margin - (fake if self.hinge == "sample" else fake.mean(-1, keepdim=True))).relu()

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """The margin where p < q, else 0; of a batch's hinge, m / q where p / q is least, if that is below 1, and else 0."""
        if self.hinge == "batch":
            least = torch.zeros_like(real)
            least[(real / fake).argmin()] = 1.0
            return self.margin * least * (real < fake).to(real.dtype) / fake.clamp_min(torch.finfo(fake.dtype).tiny)
        return self.margin * (real < fake).to(real.dtype)

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """The margin times Σ min(p, q), what both distributions share; of a batch's hinge, times min(1, min p / q)."""
        if self.hinge == "batch":
            return self.margin * (real / fake).min().clamp(max=1.0)
        return self.margin * torch.minimum(real, fake).sum(-1)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: slopes -1 and 1 below the margin, hence ±i.

        That of the formula only: ψx takes both signs, so it is not the energy of an auto-encoder.
        """
        return dirac_pair(discriminator_slope=-1.0, generator_slope=1.0)
