r"""Gaussian mixtures in the plane, with exact densities, so that metrics have a truth.

.. math::
    p(x) = \sum_{m=1}^{M} w_m \, (2\pi\sigma^2)^{-d/2} \exp\Big(-\frac{\|x - c_m\|^2}{2\sigma^2}\Big)

A sample of a perfect model lies within r standard deviations of the centre that made it with probability
1 - exp(-r²/2) in the plane: 0.9889 at r = 3, not 1.

Legend: ``M`` modes, ``d`` dimensions, ``N`` samples.

Reference:
    | (α_D, α_G)-GANs (Welfert, Otstot, Kurri, Sankar, 2023), https://arxiv.org/abs/2302.14320: ring and grid
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010: the mixture of eight
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.settings import setting

from .base import Dataset
from .pool import keyed_generator, with_facts

__all__ = ["Grid25", "Mixture", "Mixture8", "Nearest", "Ring8", "equal_mixture"]


class Nearest(NamedTuple):
    """The nearest centre of each sample: its Euclidean distance ``[...]`` and its index ``[...]`` int64."""

    distance: Tensor
    label: Tensor


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of isotropic Gaussians of one width.

    Attributes:
        centres: ``[M, d]``, floating point; its dtype is that of the samples.
        sigma: The standard deviation of every component along every axis.
        weights: The components' probabilities, ``[M]``.

    Raises:
        BadValue: The shapes disagree, sigma is not positive and finite, or the weights are no distribution.

    Example:
        >>> one = Mixture(torch.zeros(1, 2), sigma=1.0, weights=torch.ones(1))
        >>> one.log_density(torch.zeros(2)).exp()  # 1 / 2π
        tensor(0.1592)
    """

    centres: Tensor
    sigma: float
    weights: Tensor

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.weights.shape != self.centres.shape[:1]:
            came = f"{list(self.centres.shape)} and {list(self.weights.shape)}"
            raise BadValue(f"A mixture needs centres [M, d] and weights [M]; the shapes {came} came.")
        if not 0 < self.sigma < math.inf:
            raise BadValue(f"sigma={self.sigma} is out of range: expected 0 < sigma, finite.")
        if bool((self.weights < 0).any()) or not math.isclose(float(self.weights.sum()), 1.0, abs_tol=1e-5):
            raise BadValue(f"The weights of a mixture are no distribution: {self.weights.tolist()}.")

    def log_density(self, x: Tensor) -> Tensor:  # [..., d] -> [...]
        """The exact log density, in nats."""
        exponents = self._distances(x).square() / (-2 * self.sigma**2)  # [..., M]
        normaliser = x.shape[-1] / 2 * math.log(2 * math.pi * self.sigma**2)
        # logsumexp, not log of a sum: finite where every exp underflows, 15 sigma from any centre.
        return (exponents + self.weights.to(exponents).log()).logsumexp(-1) - normaliser

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw samples ``[n, d]`` and the components that made them ``[n]``, on the generator's device."""
        device = generator.device
        labels = self.weights.to(device).multinomial(n, replacement=True, generator=generator)
        centres = self.centres.to(device)[labels]
        noise = torch.randn(centres.shape, generator=generator, dtype=centres.dtype, device=device)
        return centres + self.sigma * noise, labels

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw samples alone, ``[n, d]``: what :attr:`~gantlet.data.base.Dataset.endless` wants."""
        return self.sample(n, generator)[0]

    def nearest(self, x: Tensor) -> Nearest:  # [..., d] -> [...], [...]
        """The nearest centre of each sample; on a tie the first."""
        distances = self._distances(x)
        return Nearest(*distances.min(-1))

    def _distances(self, x: Tensor) -> Tensor:  # [..., d] -> [..., M]
        dtype = torch.promote_types(x.dtype, self.centres.dtype)
        centres = self.centres.to(x.device, dtype)
        # Not ‖x‖² - 2x·c + ‖c‖², torch's choice for many samples: cancellation costs 0.02 sigma on the grid.
        flat = x.to(dtype).reshape(-1, x.shape[-1])
        distances = torch.cdist(flat, centres, compute_mode="donot_use_mm_for_euclid_dist")
        return distances.reshape(*x.shape[:-1], len(centres))


@dataclass(frozen=True)
class Ring8:
    """Eight Gaussians of variance 1e-4 on the unit circle, equally likely.

    Centres (cos 2πi/8, sin 2πi/8), i = 1..8. Pool and test set are drawn once, each by its own key.

    Example:
        >>> ring = Ring8(train_size=100, test_size=50).load()
        >>> ring.train.shape, ring.mixture.sigma
        (torch.Size([100, 2]), 0.01)
    """

    train_size: int = setting(50000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        angles = torch.arange(1, 9, dtype=torch.float64) * (math.pi / 4)
        mixture = equal_mixture(torch.stack([angles.cos(), angles.sin()], dim=1), sigma=0.01)
        return _draw(mixture, "ring8", (self.train_size, self.test_size), self.data_seed)


@dataclass(frozen=True)
class Grid25:
    """Twenty-five Gaussians of variance 0.0025 on the grid {-4, -2, 0, 2, 4}², equally likely.

    Example:
        >>> Grid25(train_size=100, test_size=50).load().mixture.centres[0]
        tensor([-4., -4.])
    """

    train_size: int = setting(50000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        side = torch.arange(-4.0, 5.0, 2.0, dtype=torch.float64)
        mixture = equal_mixture(torch.cartesian_prod(side, side), sigma=0.05)
        return _draw(mixture, "grid25", (self.train_size, self.test_size), self.data_seed)


@dataclass(frozen=True)
class Mixture8:
    """Stackelberg GAN's eight Gaussians of deviation 0.01 on the unit circle, equally likely.

    Centres (sin t, cos t), t = 2πi/8, i = 0..7. Pool and test set are drawn once, each by its own key.
    A generator that ends in tanh cannot reach the outer half of the four components on the axes.

    Differs from the paper's code in:
        - the pool is drawn by a key, there without a seed;
        - no point is dropped, there the last one.

    Example:
        >>> Mixture8(train_size=100, test_size=50).load().mixture.centres[0]
        tensor([0., 1.])
    """

    train_size: int = setting(8000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
        mixture = equal_mixture(torch.stack([angles.sin(), angles.cos()], dim=1), sigma=0.01)
        return _draw(mixture, "mixture8", (self.train_size, self.test_size), self.data_seed)


def equal_mixture(centres: Tensor, *, sigma: float) -> Mixture:
    """A float32 mixture of equally likely components, from centres ``[M, d]``.

    Example:
        >>> equal_mixture(torch.tensor([[0.0], [1.0]]), sigma=0.1).weights
        tensor([0.5000, 0.5000])
    """
    count = len(centres)
    return Mixture(centres.float(), sigma, torch.full((count,), 1 / count))


def _draw(mixture: Mixture, name: str, sizes: tuple[int, int], seed: int) -> Dataset:
    train, train_labels = mixture.sample(sizes[0], keyed_generator(seed, "train"))
    test, test_labels = mixture.sample(sizes[1], keyed_generator(seed, "test"))
    data = Dataset(
        train=train,
        test=test,
        train_labels=train_labels,
        test_labels=test_labels,
        mixture=mixture,
        endless=mixture.draw,
    )
    modes = len(mixture.centres)
    facts = {"modes": modes, "classes": modes, "sigma": mixture.sigma, "data_seed": seed}
    return with_facts(data, source=f"{name}, drawn", **facts)
