r"""Relativistic pairing: which of two samples is the real one?

Scores enter only as differences, so a score has no level of its own.

.. math::
    L_D = -\mathbb{E} \log σ(l_r - l_f), \qquad L_G = -\mathbb{E} \log σ(l_f - l_r)

The i-th real sample is paired with the i-th fake one. Over independent pairs the optimal score is
log p - log q plus any constant, where L_D = log 2 - JS(p×q, q×p): the discriminator tells the two orders
of a pair apart.

Reference:
    | The relativistic discriminator: a key element missing from standard GAN (Jolicoeur-Martineau, 2018),
      https://arxiv.org/abs/1807.00734

Legend: ``B`` batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gantlet.errors import Refused

from .dirac import dirac_pair

__all__ = ["Relativistic"]


@dataclass(frozen=True)
class Relativistic:
    """The relativistic objective on pairs, with the logistic loss.

    Example:
        >>> Relativistic().discriminator(real=torch.full((4,), 7.0), fake=torch.full((4,), 7.0))  # log 2
        tensor(0.6931)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"real"})
    symmetric: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def boundary(self) -> None:
        """None: a score has no meaning on its own, only differences have."""
        return None

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The log loss of telling which of a pair is real, in nats.

        Raises:
            Refused: Both batches differ in size.
        """
        return -_log_odds(winner=real, loser=fake).mean(-1)

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        """The discriminator's loss with the roles exchanged.

        Raises:
            Refused: Both batches differ in size.
        """
        # The real scores stay in: they carry no gradient to the generator, but set the slope.
        return -_log_odds(winner=fake, loser=real).mean(-1)

    def optimal_score(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> [atoms]
        """Log p - log q; any constant may be added."""
        return real.log() - fake.log()

    def optimal_value(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [atoms], [atoms] -> []
        """Log 2 - JS(p×q, q×p), over independent pairs."""
        ordered = real[:, None] * fake  # p×q, [atoms, atoms]
        middle = (ordered + ordered.mT) / 2
        # Both halves of JS are equal: exchanging the two orders only transposes the table.
        js = (torch.xlogy(ordered, ordered) - torch.xlogy(ordered, middle)).sum()
        return math.log(2) - js

    def dirac_eigenvalues(self) -> tuple[complex, complex]:
        """Those of :mod:`~gantlet.objectives.dirac`: both slopes are 1/2 at score 0, hence ±i/2."""
        return dirac_pair(discriminator_slope=0.5, generator_slope=-0.5)


def _log_odds(*, winner: Tensor, loser: Tensor) -> Tensor:  # [..., B], [..., B] -> [..., B]
    """Log σ of the difference, pair by pair."""
    if winner.shape[-1] != loser.shape[-1]:
        raise Refused(
            f"The relativistic objective pairs real with fake samples, but the batches hold {winner.shape[-1]} and "
            f"{loser.shape[-1]} samples: use equal sizes, or relativistic-average."
        )
    return logsigmoid(winner - loser)
