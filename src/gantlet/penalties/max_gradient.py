r"""The maximum gradient penalty of Lipschitz GANs: only the largest gradient norm of a batch is penalised.

.. math::
    \hat x_i = e_i r_i + (1 - e_i) f_i, \quad e_i \sim U[0, 1], \qquad
    λ\, \max_i \lVert \nabla_x D(\hat x_i) \rVert_2^2

The largest gradient norm of a batch estimates the Lipschitz constant, which the theory asks to be small; it need not
have a certain value.

Reference:
    | Lipschitz generative adversarial nets (Zhou et al., 2019), https://arxiv.org/abs/1902.05687

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import between, input_gradient, squared_norm

__all__ = ["MaxGradient"]


@dataclass(frozen=True)
class MaxGradient:
    """The largest squared gradient norm between real and fake samples, on the discriminator's raw score.

    It is taken over each generator's batch apart.
    ``weight`` is a number or a tensor that broadcasts against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> critic = lambda x: DiscriminatorOutput(x.square().squeeze(-1) / 2)  # gradient = position: 1 and 3, 3² · 10
        >>> real, fake = torch.tensor([[[[0.0], [6.0]]]]), torch.tensor([[[[2.0], [0.0]]]])
        >>> MaxGradient()(critic, real=real, fake=fake, noise={"mix": torch.full((1, 1, 2), 0.5)}).detach()
        tensor([[90.]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"no_batch_statistics"})
    needs: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = "max_gradient_penalty"
    separable: ClassVar[bool] = False

    weight: float | Tensor = setting(10.0, "the penalty's weight λ in the loss", low=0.0, varies=True)
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
        squared = squared_norm(
            input_gradient(discriminate, between(real=real, fake=fake, mix=noise["mix"]))
        )  # [S, K, B]
        return (self.weight * squared).amax(-1)  # a weight is at least 0, so the order does not matter
