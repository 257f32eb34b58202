"""Mixtures of Gaussians in the plane: the ring of eight, the grid of twenty-five, Stackelberg GAN's eight, three of a hundred.

Legend: ``N`` samples.

Reference:
    | (α_D, α_G)-GANs (Welfert, Otstot, Kurri, Sankar, 2023), https://arxiv.org/abs/2302.14320: ring and grid
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010: the mixture of eight
    | ParticleGAN (Garcia, 2025), https://github.com/255BITS/ParticleGAN, benchmarks/toy100/problems.py: the three of a hundred
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.randomness import keyed_generator
from gantlet.settings import setting

from .base import Dataset
from .mixture import Mixture, equal_mixture
from .pool import with_facts

__all__ = ["Grid25", "Grid100", "Mixture8", "Ring8", "Rotated100", "Staggered100"]

_SIGMA_OF_A_HUNDRED = 0.03
_TURN = math.radians(25.0)


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


@dataclass(frozen=True)
class Grid100:
    """A hundred Gaussians of deviation 0.03 on the grid {-4.5, -3.5, ..., 4.5}², equally likely.

    Two neighbours are 33 standard deviations apart.

    Example:
        >>> Grid100(train_size=100, test_size=50).load().mixture.centres[0]
        tensor([-4.5000, -4.5000])
    """

    train_size: int = setting(50000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        return _draw(_hundred(_grid_of_a_hundred()), "grid100", (self.train_size, self.test_size), self.data_seed)


@dataclass(frozen=True)
class Rotated100:
    """The grid of a hundred, turned by 25 degrees counter-clockwise: no axis of the data is an axis of the plane.

    Example:
        >>> Rotated100(train_size=100, test_size=50).load().mixture.centres[0].round(decimals=2)
        tensor([-2.1800, -5.9800])
    """

    train_size: int = setting(50000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        c, s = math.cos(_TURN), math.sin(_TURN)
        turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        centres = _grid_of_a_hundred() @ turn.T
        return _draw(_hundred(centres), "rotated100", (self.train_size, self.test_size), self.data_seed)


@dataclass(frozen=True)
class Staggered100:
    """The grid of a hundred with its lines 0.85 apart, and every second one shifted by half a cell.

    Line i of the grid lies at x = 0.85 (i - 4.5); its ten centres are shifted by -1/4 along y for even i, by +1/4 for odd i.

    Example:
        >>> Staggered100(train_size=100, test_size=50).load().mixture.centres[0]
        tensor([-3.8250, -4.7500])
    """

    train_size: int = setting(50000, "samples in the fixed training pool", low=2, high=100_000_000)
    test_size: int = setting(25000, "held-out samples", low=2, high=100_000_000)
    data_seed: int = setting(1, "seed of both draws; the same data for every member", low=0)

    def load(self) -> Dataset:
        """Draw the data set."""
        x, y = _grid_of_a_hundred().unbind(1)
        line = torch.arange(100) // 10
        centres = torch.stack([0.85 * x, y + torch.where(line % 2 == 0, -0.25, 0.25)], dim=1)
        return _draw(_hundred(centres), "staggered100", (self.train_size, self.test_size), self.data_seed)


def _grid_of_a_hundred() -> Tensor:  # [100, 2] float64, the second axis fastest
    side = torch.arange(10, dtype=torch.float64) - 4.5
    return torch.cartesian_prod(side, side)


def _hundred(centres: Tensor) -> Mixture:
    return equal_mixture(centres, sigma=_SIGMA_OF_A_HUNDRED)


def _draw(mixture: Mixture, name: str, sizes: tuple[int, int], seed: int) -> Dataset:
    train, train_labels = mixture.sample(sizes[0], keyed_generator(seed, "train", namespace="data"))
    test, test_labels = mixture.sample(sizes[1], keyed_generator(seed, "test", namespace="data"))
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
