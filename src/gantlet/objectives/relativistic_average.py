r"""Relativistic averaging: is a sample more real than the mean of the other kind?

With the batch means m_r of real scores and m_f of fake ones:

.. math::
    L_D = -\mathbb{E} \log σ(l_r - m_f) - \mathbb{E} \log σ(m_r - l_f), \qquad
    L_G = -\mathbb{E} \log σ(l_f - m_r) - \mathbb{E} \log σ(m_f - l_r)

Scores enter only as differences. For p = q no score is better than a constant one, where L_D = 2 log 2; for
p ≠ q the optimum has no closed form.

Reference:
    | The relativistic discriminator: a key element missing from standard GAN (Jolicoeur-Martineau, 2018),
      https://arxiv.org/abs/1807.00734

Legend: ``B`` real and ``B'`` fake samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid

from .dirac import dirac_pair

__all__ = ["RelativisticAverage"]


@dataclass(frozen=True)
class RelativisticAverage:
    """The relativistic average objective with the logistic loss, without a factor 1/2; batches of any two sizes.

    Example:
        >>> import torch
        >>> RelativisticAverage().discriminator(real=torch.full((4,), 7.0), fake=torch.full((3,), 7.0))  # 2 log 2
        tensor(1.3863)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real"})
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = False

    @property
    def boundary(self) -> None:
        """None: a score has no meaning on its own, only differences have."""
        return None

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B'] -> [...]
        """The log losses of real samples against the mean fake and of fakes against the mean real, in nats."""
        mean_real, mean_fake = real.mean(-1)[..., None], fake.mean(-1)[..., None]
        return -logsigmoid(real - mean_fake).mean(-1) - logsigmoid(mean_real - fake).mean(-1)

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B'] -> [...]
        """The discriminator's loss with the roles exchanged."""
        mean_real, mean_fake = real.mean(-1)[..., None], fake.mean(-1)[..., None]
        return -logsigmoid(fake - mean_real).mean(-1) - logsigmoid(mean_fake - real).mean(-1)

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: a fake moves its score and the mean, 1/2 each, hence ±i."""
        return dirac_pair(discriminator_slope=1.0, generator_slope=-1.0)
