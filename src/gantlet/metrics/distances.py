r"""Distances between distributions of features, and the inception score, on arrays in hand.

The Fréchet distance of two Gaussians with means μ and covariances Σ:

.. math::
    d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{tr} \Sigma_1 + \operatorname{tr} \Sigma_2
        - 2 \operatorname{tr} (\Sigma_1 \Sigma_2)^{1/2}

The inception score of class probabilities: exp of the mean KL of p(y|x) from its own average p(y), a number between 1
and the number of classes C. Whose features and probabilities they are decides what the numbers mean: only those of the
standard Inception network make a "FID" or an "IS".

Legend: ``N`` samples, ``n`` samples of a split, ``d`` features, ``C`` classes.

Reference:
    | GANs trained by a two time-scale update rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500
    | Improved techniques for training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gantlet.errors import BadValue

__all__ = ["Moments", "fixed_order", "frechet", "inception_score", "moments"]

_FLOOR = 1e-16
"""Below the smallest probability that matters, above zero: log stays finite and p log p stays 0."""


class Moments(NamedTuple):
    """The mean and the covariance of features, float64."""

    mean: Tensor  # [..., d]
    covariance: Tensor  # [..., d, d]


def moments(features: Tensor) -> Moments:  # [..., N, d]
    """The mean and the unbiased covariance (divided by N - 1) of features, in float64.

    Raises:
        BadValue: Fewer than two samples.

    Example:
        >>> moments(torch.tensor([[0.0], [2.0]]))
        Moments(mean=tensor([1.], dtype=torch.float64), covariance=tensor([[2.]], dtype=torch.float64))
    """
    count = features.shape[-2]
    if count < 2:
        raise BadValue(f"A covariance needs at least 2 samples; there is {count}.")
    wide = features.double()
    mean = wide.mean(-2, keepdim=True)
    centred = wide - mean
    return Moments(mean.squeeze(-2), centred.mT @ centred / (count - 1))


def fixed_order(count: int, *, draw: int = 0) -> Tensor:  # [N] int64
    """A shuffle that depends on the count alone: samples may come sorted by generator, test samples by class.

    Where two sorted sides are cut into blocks, each needs a ``draw`` of its own: the same shuffle would give both sides'
    blocks the same classes, and distances between them would be too small.

    Example:
        >>> fixed_order(5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    # Far apart in the lower 32 bits, which are all that the generator takes.
    return torch.randperm(count, generator=torch.Generator().manual_seed(count + draw * 1_000_000_007))


def frechet(mu1: Tensor, sigma1: Tensor, mu2: Tensor, sigma2: Tensor) -> Tensor:
    """The squared Fréchet distance, as reported in the field; nan where an input is not finite.

    Arguments:
        mu1: Mean, ``[..., d]``.
        sigma1: Covariance, ``[..., d, d]``.
        mu2: Mean, broadcasts against ``mu1``.
        sigma2: Covariance, broadcasts against ``sigma1``.

    Returns:
        ``[...]`` float64, never negative.

    Example:
        >>> one = torch.eye(2)
        >>> frechet(torch.zeros(2), one, torch.tensor([3.0, 4.0]), 4 * one)  # 25 + 2 (2 - 1)²
        tensor(27., dtype=torch.float64)
    """
    mu1, sigma1, mu2, sigma2 = (value.double() for value in (mu1, sigma1, mu2, sigma2))
    # tr (Σ₁ Σ₂)^½ = Σ √λ(Fᵀ Σ₂ F) with Σ₁ = F Fᵀ: only symmetric eigenvalue problems, which are quick and never leave the
    # reals, where the root of the product costs thirty times as much and fails on singular covariances.
    finite = (sigma1.isfinite() & sigma2.isfinite()).flatten(-2).all(-1)
    sigma1, sigma2 = (sigma.where(finite[..., None, None], 0.0) for sigma in torch.broadcast_tensors(sigma1, sigma2))
    values, vectors = torch.linalg.eigh(sigma1)
    factor = vectors * values.clamp_min(0).sqrt().unsqueeze(-2)
    roots = torch.linalg.eigvalsh(factor.mT @ sigma2 @ factor).clamp_min(0).sqrt().sum(-1)
    traces = (sigma1.diagonal(dim1=-2, dim2=-1) + sigma2.diagonal(dim1=-2, dim2=-1)).sum(-1)
    distance = (mu1 - mu2).square().sum(-1) + traces - 2 * roots
    # Rounding may leave -1e-12 between equal distributions. clamp lets nan through.
    return distance.clamp_min(0).where(finite & distance.isfinite(), torch.nan)


def inception_score(probabilities: Tensor, *, splits: int = 10) -> Tensor:
    """The inception score: the mean over consecutive splits of exp E KL(p(y|x) ‖ p(y)).

    Arguments:
        probabilities: ``[..., N, C]``, rows that sum to 1; their order matters only in how it fills the splits.
        splits: How many parts; sizes differ by at most one sample.

    Returns:
        ``[...]`` float64, between 1 and C.

    Raises:
        BadValue: There are fewer samples than splits.

    Example:
        >>> inception_score(torch.eye(4).repeat(5, 1), splits=5)
        tensor(4., dtype=torch.float64)
    """
    count = probabilities.shape[-2]
    if not 1 <= splits <= count:
        raise BadValue(f"splits={splits} is out of range: expected 1 ≤ splits ≤ {count}, the number of samples.")
    parts = probabilities.double().tensor_split(splits, dim=-2)
    return torch.stack([_score(part) for part in parts]).mean(0)


def _score(given: Tensor) -> Tensor:  # [..., n, C] -> [...]
    overall = given.mean(-2, keepdim=True)
    divergence = given * (given.clamp_min(_FLOOR).log() - overall.clamp_min(_FLOOR).log())
    return divergence.sum(-1).mean(-1).exp()
