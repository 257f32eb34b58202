r"""The other side of the comparison: the (α_D, α_G) experiment as it is usually written, one seed after another.

A list of 50,000 points and one of 50,000 fixed latents, each behind a shuffling ``DataLoader``; two ``nn.Sequential``
and two ``torch.optim.Adam``; one generator forward serves both players; both losses are logged as Python floats at each
step. The losses are those of the paper on probabilities s that are kept within [1e-7, 1 - 1e-7],

.. math::
    \ell_α(s) = \frac{α}{α - 1} \bigl(1 - s^{(α-1)/α}\bigr), \qquad \ell_1(s) = -\log s.

Legend: ``B`` batch.

Reference:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .workloads import LATENT, Workload

__all__ = ["PlainLoop", "alpha_loss"]

ALPHA_D, ALPHA_G = 0.5, 1.0


def alpha_loss(probability: Tensor, alpha: float, *, label: int) -> Tensor:  # [B] -> []
    """The mean α-loss of probabilities of being real, for samples of one label (1 real, 0 fake)."""
    if alpha == 1:
        return nn.functional.binary_cross_entropy(probability, torch.full_like(probability, label))
    kept = probability.clamp(1e-7, 1 - 1e-7)
    right = kept if label == 1 else 1 - kept
    return (alpha / (alpha - 1) * (1 - right ** ((alpha - 1) / alpha))).mean()


class PlainLoop:
    """One seed in training.

    Arguments:
        workload: Sizes of networks and batch.
        points: The training pool, ``[N, 2]``.

    Attributes:
        losses: (discriminator's, generator's) by step.
    """

    def __init__(self, workload: Workload, points: Tensor, *, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.generator = _dense(workload.generator_sizes, nn.ReLU)
        self.discriminator = _dense(workload.discriminator_sizes, lambda: nn.LeakyReLU(0.2)).append(nn.Sigmoid())
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=1e-4)
        self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=1e-4)
        self.losses: list[tuple[float, float]] = []
        latents = torch.randn(len(points), LATENT)
        self._real = DataLoader(list(points), batch_size=workload.batch, shuffle=True, drop_last=True)  # pyright: ignore[reportArgumentType]
        self._latents = DataLoader(list(latents), batch_size=workload.batch, shuffle=True, drop_last=True)  # pyright: ignore[reportArgumentType]
        self._batches = self._endlessly()

    def advance(self) -> None:
        """Do one step with the next batch."""
        self.step(*next(self._batches))

    def step(self, real: Tensor, latents: Tensor) -> None:  # [B, 2], [B, latent]
        """Do one step: the discriminator moves, then the generator against it."""
        fake = self.generator(latents)
        self.discriminator_optimiser.zero_grad()
        on_real = alpha_loss(self.discriminator(real).squeeze(1), ALPHA_D, label=1)
        on_fake = alpha_loss(self.discriminator(fake.detach()).squeeze(1), ALPHA_D, label=0)
        loss_d = on_real + on_fake
        loss_d.backward()
        self.discriminator_optimiser.step()
        self.generator_optimiser.zero_grad()
        loss_g = alpha_loss(self.discriminator(fake).squeeze(1), ALPHA_G, label=1)
        loss_g.backward()
        self.generator_optimiser.step()
        self.losses.append((float(loss_d.detach()), float(loss_g.detach())))

    def _endlessly(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from zip(self._real, self._latents, strict=True)


def _dense(sizes: tuple[int, ...], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])
