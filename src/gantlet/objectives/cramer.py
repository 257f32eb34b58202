r"""The Cramér objective: both players pull at the energy distance between features of real and fake samples.

.. math::
    \mathcal{E} = 2\, \mathbb{E} ‖r - f‖ - \mathbb{E} ‖r - r'‖ - \mathbb{E} ‖f - f'‖, \qquad
    L_D = -\mathcal{E}, \qquad L_G = \mathcal{E}

This is MMD² (:mod:`~gantlet.objectives.pairs`) with the kernel -‖a - b‖, and the same unbiased estimate. Features are
the discriminator's code, or its score as the one feature, where 𝓔 is twice the Cramér distance ∫ (F - G)². Its
critic, on which a gradient penalty acts, is w(x) = E‖x - f‖ - E‖x - r‖.

References:
    | The Cramér distance as a solution to biased Wasserstein gradients (Bellemare et al., 2017),
      https://arxiv.org/abs/1705.10743
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401

Differs from the paper in: the discriminator maximises the energy distance itself, not the paper's surrogate, which
puts 0 in place of a second real sample (Bińkowski et al.); all pairs of the batches are used.

Legend: ``B`` real, ``B'`` fake and ``A`` further samples, ``d`` features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .base import DiscriminatorOutput
from .pairs import critic_values, features, unbiased_terms

__all__ = ["Cramer"]


@dataclass(frozen=True)
class Cramer:
    """The energy distance, for batches of any two sizes from 2 samples on.

    Example:
        >>> real, fake = DiscriminatorOutput(torch.tensor([0.0, 1.0])), DiscriminatorOutput(torch.tensor([2.0, 3.0]))
        >>> Cramer().generator(real=real, fake=fake)  # 2 · 2 - 1 - 1
        tensor(2.)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real", "outputs"})
    symmetric: ClassVar[bool] = True
    separable: ClassVar[bool] = False

    @property
    def boundary(self) -> None:
        """None: the critic is a function of the features of both batches, not the score."""
        return None

    def discriminator(
        self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # codes [..., B, d], [..., B', d] -> [...]
        """Minus the energy distance, in units of the features.

        Raises:
            Refused: A batch of one sample.
        """
        on_real, on_fake = unbiased_terms(_nearness, real=features(real), fake=features(fake))
        return -on_real.mean(-1) - on_fake.mean(-1)

    def generator(
        self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # codes [..., B, d], [..., B', d] -> [...]
        """The energy distance; below 0 by chance where both laws are near.

        Raises:
            Refused: A batch of one sample.
        """
        on_real, on_fake = unbiased_terms(_nearness, real=features(real), fake=features(fake))
        return on_real.mean(-1) + on_fake.mean(-1)

    def critic(
        self, *, at: DiscriminatorOutput, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # [..., A, d], ... -> [..., A]
        """The critic of the method: the mean distance from fake features minus that from real ones."""
        return critic_values(_nearness, at=features(at), real=features(real), fake=features(fake))

    def monitors(self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> dict[str, Tensor]:  # -> [...]
        """``energy_distance``: 𝓔 under the present features."""
        return {"energy_distance": self.generator(real=real, fake=fake)}


def _nearness(left: Tensor, right: Tensor) -> Tensor:  # [..., A, d], [..., B, d] -> [..., A, B]
    """Minus the distance of every pair."""
    # From differences, not from squares: a root magnifies what |a|² + |b|² - 2ab leaves of two samples that nearly
    # coincide. Of those that do, the slope is put to 0, in a way that has a second derivative too.
    squared = (left[..., :, None, :] - right[..., None, :, :]).square().sum(-1)
    apart = squared > 1e-24
    return -torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)
