r"""How often a discriminator is wrong: the classification error on test reals and fakes, half each.

.. math::
    e = \tfrac12 \, \mathbb{E}_\text{real} \, w(b - D(x)) + \tfrac12 \, \mathbb{E}_\text{fake} \, w(D(x) - b),
    \qquad w(t) = [t > 0] + \tfrac12 [t = 0]

A score exactly at the boundary b counts half. An error of 0.5 means that the discriminator cannot tell the two apart.

Legend: ``S`` members, ``N`` fake samples, ``N'`` test samples.
"""

from __future__ import annotations

import math

from torch import Tensor

from .base import Outcome

__all__ = ["classification_error"]


def classification_error(outcome: Outcome) -> list[float]:
    """The classification error of each member's discriminator, in [0, 1]; nan where nothing can be decided.

    It is nan for critics (no boundary) and where scores are missing. A score that is nan counts as undecided.

    Example:
        >>> import torch
        >>> scores = {"fake_scores": torch.tensor([[-1.0, 2.0]]), "real_scores": torch.tensor([[3.0, 0.0]])}
        >>> classification_error(Outcome(fake=torch.zeros(1, 2, 2), boundary=0.0, **scores))
        [0.375]
    """
    fake, real, boundary = outcome.fake_scores, outcome.real_scores, outcome.boundary
    if fake is None or real is None or boundary is None:
        return [math.nan] * len(outcome.fake)
    wrong_fakes, wrong_reals = _share_above(fake, boundary), _share_above(-real, -boundary)
    return (0.5 * (wrong_fakes + wrong_reals)).tolist()


def _share_above(scores: Tensor, boundary: float) -> Tensor:  # [S, N] -> [S]
    # Half of "not below" and "above": ties and nan, which compare as neither, come to one half.
    above, below = (scores > boundary).double(), (scores < boundary).double()
    return (0.5 * (1 + above - below)).mean(1)
