r"""The gradient penalty of WGAN-GP: the critic's gradient norm between real and fake samples is pushed towards 1.

.. math::
    \hat x_i = e_i r_i + (1 - e_i) f_i, \quad e_i \sim U[0, 1], \qquad
    λ\, \mathbb{E}_i \bigl(\lVert \nabla_x D(\hat x_i) \rVert_2 - 1\bigr)^2

There is one e for a whole sample, the norm is over all dimensions of a sample, and norms below the target
cost as much as norms above it (two-sided).

Reference:
    | Improved training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import between, input_gradient, sample_norm

__all__ = ["GradientPenalty"]


@dataclass(frozen=True)
class GradientPenalty:
    """The two-sided gradient penalty, on the discriminator's raw score.

    ``weight`` and ``target`` are numbers or tensors that broadcast against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> critic = lambda x: DiscriminatorOutput(3 * x.squeeze(-1))  # gradient norm 3: (3 - 1)² · 10
        >>> real, fake = torch.zeros(1, 1, 4, 1), torch.ones(1, 1, 4, 1)
        >>> GradientPenalty()(critic, real=real, fake=fake, noise={"mix": torch.full((1, 1, 4), 0.5)})
        tensor([[40.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"no_batch_statistics"})
    needs: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = "gradient_penalty"
    separable: ClassVar[bool] = True

    weight: float | Tensor = setting(10.0, "the penalty's weight λ in the loss", low=0.0, varies=True)
    target: float | Tensor = setting(1.0, "the gradient norm at which the penalty is 0", low=0.0, varies=True)
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """``mix``: the position of each point between its real and its fake sample, ``[K, B]``."""
        return {"mix": Draw("uniform", (generators, batch))}

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        real: Tensor,  # [S, 1, B, *x]
        fake: Tensor,  # [S, K, B, *x]
        noise: Mapping[str, Tensor],  # mix [S, K, B]
    ) -> Tensor:  # [S, K]
        """The weighted penalty; no gradient reaches ``real`` or ``fake``."""
        norm = sample_norm(input_gradient(discriminate, between(real=real, fake=fake, mix=noise["mix"])))  # [S, K, B]
        return (self.weight * (norm - self.target).square()).mean(-1)
