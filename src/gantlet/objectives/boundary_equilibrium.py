r"""The boundary equilibrium objective (BEGAN): real and fake energies, kept in balance by a control term k.

The score is an energy e ≥ 0, the reconstruction error of an auto-encoding discriminator.

.. math::
    L_D = \mathbb{E}\, e_r - k\, \mathbb{E}\, e_f, \qquad L_G = \mathbb{E}\, e_f, \\
    k ← \operatorname{clip}(k + λ b, 0, 1), \qquad b = γ\, \mathbb{E}\, e_r - \mathbb{E}\, e_f

k starts at 0 and moves after the discriminator's update, by energies computed before it. The convergence measure
is M = E e_r + |b|. A team's generators share one k, which moves by the mean of their energies.

Reference:
    | BEGAN: boundary equilibrium generative adversarial networks (Berthelot et al., 2017),
      https://arxiv.org/abs/1703.10717

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gantlet.settings import setting

__all__ = ["BoundaryEquilibrium"]


@dataclass(frozen=True)
class BoundaryEquilibrium:
    """The boundary equilibrium objective; its state is ``k``, ``[S, 1, 1]``.

    Example:
        >>> objective = BoundaryEquilibrium(rate=0.5)
        >>> real, fake = torch.full((1, 1, 2), 4.0), torch.full((1, 1, 2), 1.0)
        >>> state, logged = objective.update(objective.init(1), real=real, fake=fake)  # b = 2 - 1
        >>> state["k"].item(), logged["convergence"].item()
        (0.5, 5.0)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"state"})
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    gamma: float | Tensor = setting(
        0.5, "diversity ratio γ: the ratio of fake to real energy that is aimed at", low=0.0, high=1.0, varies=True
    )
    rate: float | Tensor = setting(0.001, "how fast k moves, λ", low=0.0, varies=True)

    @property
    def boundary(self) -> None:
        """None: what counts is the balance of mean energies, not a sample's own."""
        return None

    def init(self, members: int) -> dict[str, Tensor]:  # -> [S, 1, 1]
        """k = 0: at first the discriminator only learns to reconstruct real samples."""
        return {"k": torch.zeros(members, 1, 1)}

    def discriminator(
        self, *, real: Tensor, fake: Tensor, state: Mapping[str, Tensor]
    ) -> Tensor:  # [..., B], [..., B] -> [...]
        """The mean real energy minus k times the mean fake one."""
        return real.mean(-1) - (state["k"] * fake).mean(-1)

    def generator(
        self, *, real: Tensor | None = None, fake: Tensor, state: Mapping[str, Tensor] | None = None
    ) -> Tensor:  # [..., B] -> [...]
        """The mean fake energy."""
        return fake.mean(-1)

    def update(
        self, state: Mapping[str, Tensor], *, real: Tensor, fake: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:  # [S, 1, 1], [S, 1, B], [S, K, B] -> [S, 1, 1]
        """The next k, and ``balance`` b, ``convergence`` M and ``k`` to log."""
        on_real, on_fake = (energy.detach().mean((-2, -1), keepdim=True) for energy in (real, fake))
        balance = self.gamma * on_real - on_fake
        k = (state["k"] + self.rate * balance).clamp(0, 1)
        return {"k": k}, {"balance": balance, "convergence": on_real + balance.abs(), "k": k}
