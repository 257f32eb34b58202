r"""Maximum mean discrepancy (MMD): both players pull at a kernel distance between features of real and fake samples.

.. math::
    L_D = -\mathrm{MMD}^2, \qquad L_G = \mathrm{MMD}^2, \\
    k(a, b) = \sum_{σ ∈ \{1, 2, 4, 8, 16\}} e^{-‖a - b‖² / 2σ²} \quad \text{(gaussian)}, \qquad
    k(a, b) = \sum_{α ∈ \{0.2, 0.5, 1, 2, 5\}} \Bigl(1 + \frac{‖a - b‖²}{2α}\Bigr)^{-α} \quad
    \text{(rational quadratic)}

with the unbiased estimate of :mod:`~gantlet.objectives.pairs`. Features are the discriminator's code, or its score
as the one feature. Kernels do not bound the discriminator: a gradient penalty on the critic, or a constraint, must.

References:
    | MMD GAN: towards deeper understanding of moment matching network (Li et al., 2017),
      https://arxiv.org/abs/1705.08584
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401

Legend: ``B`` real, ``B'`` fake and ``A`` further samples, ``d`` features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gantlet.settings import setting

from .base import DiscriminatorOutput
from .mixtures import mixture
from .pairs import critic_values, features, squared_distances, unbiased_terms

__all__ = ["MMD"]


@dataclass(frozen=True)
class MMD:
    """The MMD objective, for batches of any two sizes from 2 samples on.

    Example:
        Two points at 0 against two far off: k is 5 at distance 0 and almost 0 between them, so MMD² = 5 + 5.

        >>> import torch
        >>> real, fake = DiscriminatorOutput(torch.zeros(2)), DiscriminatorOutput(torch.full((2,), 1e3))
        >>> MMD().generator(real=real, fake=fake)
        tensor(10.)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real", "outputs"})
    symmetric: ClassVar[bool] = True
    separable: ClassVar[bool] = False

    kernel: Literal["gaussian", "rational-quadratic"] = setting(
        "gaussian", "mixture of kernels on the features", choices=("gaussian", "rational-quadratic")
    )
    linear: bool = setting(False, "add the linear kernel, which keeps the gradient of far-off fakes alive")

    @property
    def boundary(self) -> None:
        """None: the critic is a function of the features of both batches, not the score."""
        return None

    def discriminator(
        self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # codes [..., B, d], [..., B', d] -> [...]
        """Minus the unbiased MMD².

        Raises:
            Refused: A batch of one sample.
        """
        on_real, on_fake = unbiased_terms(self._kernel, real=features(real), fake=features(fake))
        return -on_real.mean(-1) - on_fake.mean(-1)

    def generator(
        self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # codes [..., B, d], [..., B', d] -> [...]
        """The unbiased MMD²; below 0 by chance where both laws are near.

        Raises:
            Refused: A batch of one sample.
        """
        on_real, on_fake = unbiased_terms(self._kernel, real=features(real), fake=features(fake))
        return on_real.mean(-1) + on_fake.mean(-1)

    def critic(
        self, *, at: DiscriminatorOutput, real: DiscriminatorOutput, fake: DiscriminatorOutput
    ) -> Tensor:  # [..., A, d], ... -> [..., A]
        """The critic of the method: how much nearer a sample's features are to real than to fake ones."""
        return critic_values(self._kernel, at=features(at), real=features(real), fake=features(fake))

    def monitors(self, *, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> dict[str, Tensor]:  # -> [...]
        """``mmd2``: the unbiased MMD² under the present features."""
        return {"mmd2": self.generator(real=real, fake=fake)}

    def _kernel(self, left: Tensor, right: Tensor) -> Tensor:  # [..., A, d], [..., B, d] -> [..., A, B]
        """The kernel of every pair of features."""
        squared = squared_distances(left, right)
        mixed = mixture(squared, self.kernel)
        return mixed + left @ right.mT if self.linear else mixed
