"""Objectives in their smallest form, one for each thing that an objective may need: they prove that the protocols have room.

``CoulombLike`` needs samples (of two batch sizes), ``EnergyLike`` needs whole outputs of an auto-encoder,
``BalanceLike`` has a state. Training tests use them as stand-ins: ``from contracts.doubles import EnergyLike``.

Legend: ``S`` members, ``K`` generators of a team, ``B`` real and ``B'`` fake samples, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

__all__ = ["AutoEncoders", "BalanceLike", "CoulombLike", "EnergyLike", "potential"]


@dataclass(frozen=True)
class CoulombLike:
    """The discriminator regresses to the potential of the samples; the generator climbs it."""

    needs: ClassVar[frozenset[str]] = frozenset({"samples"})
    symmetric: ClassVar[bool] = False

    epsilon: float | Tensor = setting(1.0, "width of the Plummer kernel", above=0.0, varies=True)

    @property
    def boundary(self) -> float:
        return 0.0

    def discriminator(
        self, *, real: Tensor, fake: Tensor, real_samples: Tensor, fake_samples: Tensor
    ) -> Tensor:  # scores [S, 1, B], [S, K, B'], samples [S, 1, B, *x], [S, K, B', *x] -> [S, K]
        r, f = real_samples.detach(), fake_samples.detach()
        on_real = (real - potential(r, real=r, fake=f, epsilon=self.epsilon)).square().mean(-1)
        on_fake = (fake - potential(f, real=r, fake=f, epsilon=self.epsilon)).square().mean(-1)
        return on_real + on_fake

    def generator(
        self,
        *,
        real: Tensor | None = None,
        fake: Tensor,
        real_samples: Tensor | None = None,
        fake_samples: Tensor | None = None,
    ) -> Tensor:
        return -fake.mean(-1)


def potential(at: Tensor, *, real: Tensor, fake: Tensor, epsilon: float | Tensor) -> Tensor:
    """The mean kernel to real samples minus that to fake ones, ``[S, J, B*, *x] -> [S, max(J, K), B*]``."""

    def kernel(others: Tensor) -> Tensor:  # 1 / sqrt(d² + ε²): the Plummer kernel in three dimensions
        gap = at.flatten(3).unsqueeze(-2) - others.flatten(3).unsqueeze(-3)
        squared = gap.square().sum(-1)
        width = epsilon.unsqueeze(-1) if isinstance(epsilon, Tensor) else epsilon
        return (squared + width**2).rsqrt().mean(-1)

    return kernel(real) - kernel(fake)


@dataclass(frozen=True)
class EnergyLike:
    """Low energy for real samples, at least the margin for fake ones, sample by sample; codes are pulled apart."""

    needs: ClassVar[frozenset[str]] = frozenset({"outputs"})
    symmetric: ClassVar[bool] = False

    margin: float | Tensor = setting(1.0, "the energy towards which fake samples are pushed", above=0.0, varies=True)
    pulling: float | Tensor = setting(0.1, "weight of the pulling-away term", low=0.0, varies=True)

    @property
    def boundary(self) -> None:
        return None

    def discriminator(self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return real.score.mean(-1) + (self.margin - fake.score).relu().mean(-1)

    def generator(self, *, real: DiscriminatorOutput | None = None, fake: DiscriminatorOutput) -> Tensor:
        assert fake.code is not None
        unit = nn.functional.normalize(fake.code, dim=-1)  # [..., B, d]
        cosines = (unit @ unit.mT).square()  # [..., B, B]
        size = unit.shape[-2]
        # The diagonal is 1 each; one row's share of the N(N - 1) pairs, so that the reduction stays a mean over B.
        apart = (cosines.sum(-1) - 1) / (size - 1)
        return (fake.score + self.pulling * apart).mean(-1)


@dataclass(frozen=True)
class BalanceLike:
    """Energies in a balance that a state k per member keeps."""

    needs: ClassVar[frozenset[str]] = frozenset({"state"})
    symmetric: ClassVar[bool] = False

    gamma: float | Tensor = setting(0.5, "the ratio of fake to real energy that is aimed at", low=0.0, varies=True)
    rate: float | Tensor = setting(0.001, "how fast k moves", above=0.0, varies=True)

    @property
    def boundary(self) -> None:
        return None

    def init(self, members: int) -> dict[str, Tensor]:
        return {"k": torch.zeros(members, 1, 1)}

    def discriminator(self, *, real: Tensor, fake: Tensor, state: Mapping[str, Tensor]) -> Tensor:
        return real.mean(-1) - (state["k"] * fake).mean(-1)

    def generator(
        self, *, real: Tensor | None = None, fake: Tensor, state: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        return fake.mean(-1)

    def update(
        self, state: Mapping[str, Tensor], *, real: Tensor, fake: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        on_real, on_fake = (energy.detach().mean((-2, -1), keepdim=True) for energy in (real, fake))
        balance = self.gamma * on_real - on_fake  # [S, 1, 1]: a team's generators share one k
        k = (state["k"] + self.rate * balance).clamp(0, 1)
        return {"k": k}, {"balance": balance, "convergence": on_real + balance.abs(), "k": k}


class AutoEncoder(nn.Module):
    """Outputs with the reconstruction error as energy ``[B]`` and the code ``[B, d]``."""

    def __init__(self, *, size: int, width: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.Tanh())
        self.decode = nn.Linear(width, size)

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        code = self.encode(x)
        return DiscriminatorOutput(score=(self.decode(code) - x.flatten(1)).square().sum(-1), code=code)


@dataclass(frozen=True)
class AutoEncoders:
    """A tiny family whose discriminator is an auto-encoder."""

    width: int = setting(4, "size of the code", low=1)

    @property
    def provides(self) -> frozenset[str]:
        return frozenset({"autoencoder", "no_batch_statistics"})

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(latent, math.prod(shape)), nn.Unflatten(-1, shape))

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:
        return AutoEncoder(size=math.prod(shape), width=self.width)
