r"""DRAGAN: the discriminator's gradient norm near the real samples is pushed towards 1.

.. math::
    λ\, \mathbb{E}_i \bigl(\lVert \nabla_x D(r_i + δ_i) \rVert_2 - k\bigr)^2

The score is the logit, and the norm is over all dimensions of a sample. What δ is was told in several ways; u is uniform
in [0, 1] per number of a sample, a uniform per sample, n standard normal per number, and σ the standard deviation of
all numbers of the member's real batch:

================== =================================== ========================================================
``noise``          the perturbed sample                where from
================== =================================== ========================================================
two-sided          r + scale·σ·(2u - 1)                the default: what the authors say they had meant
uniform_onesided   r + a·scale·σ·u                     the authors' first code, between r and r + scale·σ·u
uniform_scaled     r + (2a - 1)·scale·σ·u, in [-1, 1]  another implementation, for samples in [-1, 1]
gaussian           r + scale·n                         the later version of the paper, δ from N(0, c·I)
================== =================================== ========================================================

With ``gaussian``, ``scale`` is √c in the data's own units: the paper's c of about 10 on the scale of 0 to 255 is a
scale of 2·√10/255 ≈ 0.025 for images in [-1, 1].

Reference:
    | On convergence and stability of GANs (Kodali et al., 2017), https://arxiv.org/abs/1705.07215

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorFunction, Draw
from .input_gradient import across, batch_std, input_gradient, sample_norm

__all__ = ["Dragan"]

_Noise = Literal["two-sided", "uniform_onesided", "uniform_scaled", "gaussian"]


@dataclass(frozen=True)
class Dragan:
    """The two-sided gradient penalty near the real samples, on the discriminator's raw score.

    Every generator of a team is given the same value, so that their mean is it.
    ``weight``, ``target`` and ``scale`` are numbers or tensors that broadcast against scores (per member ``[S, 1, 1]``).

    Example:
        >>> import torch
        >>> from gantlet.objectives.base import DiscriminatorOutput
        >>> critic = lambda x: DiscriminatorOutput(x.square().squeeze(-1) / 2)  # gradient = position
        >>> real = torch.tensor([[[[1.0], [3.0]]]])  # σ = 1: u = 1 leads to 1.5 and 3.5, (0.5² + 2.5²)/2 · 10
        >>> Dragan()(critic, real=real, fake=real, noise={"pixel": torch.ones_like(real)}).detach()
        tensor([[32.5000]])
    """

    player: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"no_batch_statistics"})
    needs: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = "dragan_penalty"
    separable: ClassVar[bool] = False

    weight: float | Tensor = setting(10.0, "the penalty's weight λ in the loss", low=0.0, varies=True)
    target: float | Tensor = setting(1.0, "the gradient norm k at which the penalty is 0", low=0.0, varies=True)
    scale: float | Tensor = setting(
        0.5,
        "size of the perturbation, in standard deviations of the batch (gaussian: in the data's own units)",
        low=0.0,
        varies=True,
    )
    noise: _Noise = setting(
        "two-sided",
        "how real samples are perturbed",
        choices=("two-sided", "uniform_onesided", "uniform_scaled", "gaussian"),
    )
    every: int = setting(1, "applied at every n-th update only, with n times the weight", low=1)

    def draws(self, *, generators: int, batch: int, shape: tuple[int, ...]) -> dict[str, Draw]:
        """``pixel``: u or n, ``[1, B, *x]``; ``share``: a where there is one, ``[1, B]``."""
        kind = "normal" if self.noise == "gaussian" else "uniform"
        drawn = {"pixel": Draw(kind, (1, batch, *shape))}
        return drawn | ({"share": Draw("uniform", (1, batch))} if self.noise.startswith("uniform") else {})

    def points(self, samples: Tensor, noise: Mapping[str, Tensor]) -> Tensor:  # [S, 1, B, *x] -> [S, 1, B, *x]
        """The perturbed samples."""
        scale, pixel = across(self.scale, samples), noise["pixel"]
        if self.noise == "gaussian":
            return samples + scale * pixel
        size = scale * batch_std(samples)
        if self.noise == "two-sided":
            return samples + size * (2 * pixel - 1)
        share = across(noise["share"], samples)
        if self.noise == "uniform_onesided":
            return samples + share * size * pixel
        return (samples + (2 * share - 1) * size * pixel).clamp(-1, 1)

    def __call__(
        self,
        discriminate: DiscriminatorFunction,
        *,
        real: Tensor,  # [S, 1, B, *x]
        fake: Tensor,  # [S, K, B, *x]
        noise: Mapping[str, Tensor],  # pixel [S, 1, B, *x], share [S, 1, B]
    ) -> Tensor:  # [S, K]
        """The weighted penalty; no gradient reaches ``real`` or ``fake``."""
        norm = sample_norm(input_gradient(discriminate, self.points(real, noise)))  # [S, 1, B]
        cost = (self.weight * (norm - self.target).square()).mean(-1)  # [S, 1]
        return cost.expand(-1, fake.shape[1])
