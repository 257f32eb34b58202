r"""R1: the discriminator's gradient at the real samples is pushed towards 0.

.. math::
    \tfrac{γ}{2}\, \mathbb{E}_i \lVert \nabla_x D(r_i) \rVert_2^2

The squares are summed over all numbers of a sample and averaged over the batch. The penalty vanishes at the equilibrium,
where the discriminator is constant, and makes training converge near it.

Reference:
    | Which training methods for GANs do actually converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import input_gradient, squared_norm

__all__ = ["R1"]


@dataclass(frozen=True)
class R1:
    """Half the squared gradient norm at the real samples, on the discriminator's raw score.

    Every generator of a team is given the same value, so that their mean is it.
    ``weight`` is γ, a number or a tensor that broadcasts against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> critic = lambda x: DiscriminatorOutput(x.square().squeeze(-1) / 2)  # gradient = position: (1 + 9)/2 · 10/2
        >>> at, other = torch.tensor([[[[1.0], [3.0]]]]), torch.zeros(1, 1, 2, 1)
        >>> R1()(critic, real=at, fake=other).detach()
        tensor([[25.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"no_batch_statistics"})
    needs: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = "r1_penalty"
    separable: ClassVar[bool] = True

    weight: float | Tensor = setting(10.0, "γ: the squared gradient norm is multiplied by γ/2", low=0.0, varies=True)
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """None."""
        return {}

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        real: Tensor,  # [S, 1, B, *x]
        fake: Tensor,  # [S, K, B, *x]
        **_: Any,
    ) -> Tensor:  # [S, K]
        """The weighted penalty; no gradient reaches ``real`` or ``fake``."""
        cost = (self.weight / 2 * squared_norm(input_gradient(discriminate, real))).mean(-1)  # [S, 1]
        return cost.expand(-1, fake.shape[1])
