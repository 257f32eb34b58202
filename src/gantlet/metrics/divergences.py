r"""How far the samples' distribution over modes is from the true one.

One is added to each count, so that logarithms are finite:

.. math::
    \hat p(m) = \frac{n_m + 1}{N + M}, \quad
    \mathrm{KL} = \sum_m p \ln\frac{p}{\hat p}, \quad
    \mathrm{RKL} = \sum_m \hat p \ln\frac{\hat p}{p}, \quad
    \mathrm{TVD} = \tfrac12 \sum_m |p - \hat p|

and JSD is half the sum of the two KLs to (p + p̂)/2.

Legend: ``S`` members, ``N`` fake samples, ``M`` modes.

Reference:
    | (α_D, α_G)-GANs (Welfert, Otstot, Kurri, Sankar, 2023), https://arxiv.org/abs/2302.14320
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.special import xlogy

from .base import MetricColumn

__all__ = ["DIVERGENCES", "divergences"]

DIVERGENCES = (
    MetricColumn("kl", "KL(truth ‖ samples) over the modes, in nats", "lower"),
    MetricColumn("reverse_kl", "KL(samples ‖ truth) over the modes, in nats", "lower"),
    MetricColumn("jsd", "Jensen-Shannon divergence over the modes, in nats (at most ln 2)", "lower"),
    MetricColumn("tvd", "total variation distance over the modes, in [0, 1]", "lower"),
)
"""What :func:`divergences` reports, in order."""


def divergences(counts: Tensor, weights: Tensor) -> dict[str, list[float]]:  # [S, M + 1], [M]
    """The four divergences of each member, from its samples per mode; the last count is of samples that have no mode.

    The truth has no mass there, so that one such sample makes ``reverse_kl`` inf. ``weights`` need not sum to 1.

    Example:
        >>> found = divergences(torch.tensor([[18, 0, 0]]), torch.ones(2))
        >>> [round(value, 4) for value in (*found["kl"], *found["tvd"])]  # ½ ln(½ / (19/20)) + ½ ln(½ / (1/20)), 19/20 - ½
        [0.8304, 0.45]
    """
    modes = counts.shape[1] - 1
    added = torch.ones(modes + 1, dtype=torch.float64, device=counts.device)
    added[-1] = 0
    fake = (counts + added) / (counts.sum(1, keepdim=True) + modes)
    truth = weights.to(fake)
    real = F.pad(truth / truth.sum(), (0, 1)).expand_as(fake)
    middle = (real + fake) / 2
    found = {
        "kl": _kl(real, fake),
        "reverse_kl": _kl(fake, real),
        "jsd": (_kl(real, middle) + _kl(fake, middle)) / 2,
        "tvd": (real - fake).abs().sum(1) / 2,
    }
    return {name: values.tolist() for name, values in found.items()}


def _kl(left: Tensor, right: Tensor) -> Tensor:  # [S, M + 1], [S, M + 1] -> [S]
    # A term of zero mass on the left is 0 also where the right is 0; xlogy knows only half of that.
    terms = xlogy(left, left / right).where(left > 0, 0.0)
    return terms.sum(1)
