"""Mixtures have exact densities and samples; the sources have their papers' centres and widths."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.data.gaussians import Grid25, Grid100, Mixture8, Ring8, Rotated100, Staggered100
from gantlet.data.mixture import Mixture, equal_mixture
from gantlet.errors import BadValue

HUNDREDS = [Grid100, Rotated100, Staggered100]
SOURCES = [Ring8, Grid25, Mixture8, *HUNDREDS]


def uneven(dtype: torch.dtype = torch.float64) -> Mixture:
    """Three components in space with unequal weights."""
    centres = torch.tensor([[0.0, 1.0, -2.0], [3.0, 0.5, 0.0], [-1.0, -1.0, 1.5]], dtype=dtype)
    return Mixture(centres, 0.7, torch.tensor([0.2, 0.5, 0.3]))


def keyed(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(source: type) -> Dataset:
    return source(train_size=4000, test_size=1000).load()


def test_the_log_density_agrees_with_a_restatement_in_numpy(dtype: torch.dtype) -> None:
    mixture = uneven(dtype)
    x = np.array([[0.1, 0.9, -1.7], [2.0, 2.0, 2.0], [-1.0, -1.0, 1.5]])
    centres, weights = mixture.centres.double().numpy(), np.array([0.2, 0.5, 0.3])
    expected = [
        math.log(
            sum(
                w * math.exp(-float(((p - c) ** 2).sum()) / (2 * 0.49)) / (2 * math.pi * 0.49) ** 1.5
                for w, c in zip(weights, centres, strict=True)
            )
        )
        for p in x
    ]
    found = mixture.log_density(torch.from_numpy(x).to(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6 if dtype == torch.float32 else 1e-6)


def test_the_density_integrates_to_one() -> None:
    mixture = Mixture(torch.tensor([[0.0, 0.0], [1.0, -0.5]]).double(), 0.3, torch.tensor([0.25, 0.75]))
    axis = torch.linspace(-4, 4, 401, dtype=torch.float64)
    density = mixture.log_density(torch.cartesian_prod(axis, axis)).exp()
    # The trapezoidal rule of a smooth function that vanishes at the edge is exact to rounding.
    assert float(density.sum()) * 0.02**2 == pytest.approx(1.0, abs=1e-7)


def test_leading_axes_are_kept_and_each_point_is_judged_alone() -> None:
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64, generator=keyed(0))
    together = uneven().log_density(x)
    assert together.shape == (2, 5, 4)
    alone = torch.stack([uneven().log_density(point) for point in x.reshape(-1, 3)])
    torch.testing.assert_close(together.flatten(), alone, rtol=1e-12, atol=1e-12)


def test_far_away_the_density_is_that_of_the_nearest_component() -> None:
    ring = small(Ring8).mixture
    assert ring is not None
    x = torch.tensor([3.0, 0.0])  # 200 standard deviations away: every exp underflows
    expected = math.log(1 / 8) - 200**2 / 2 - math.log(2 * math.pi * 1e-4)
    assert float(ring.log_density(x)) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_the_score() -> None:
    mixture = uneven()
    x = torch.tensor([[0.4, 0.2, -0.3], [0.0, 1.0, -2.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(mixture.log_density(x).sum(), x)
    step = 1e-6
    for i in range(2):
        for j in range(3):
            shift = torch.zeros_like(x)
            shift[i, j] = step
            with torch.no_grad():
                rise = (mixture.log_density(x + shift) - mixture.log_density(x - shift))[i]
            assert float(gradient[i, j]) == pytest.approx(float(rise) / (2 * step), rel=1e-6, abs=1e-7)


def test_samples_have_the_weights_means_and_covariances_of_the_components() -> None:
    mixture, n = uneven(), 60_000
    samples, labels = mixture.sample(n, keyed(3))
    counts = labels.bincount().double()
    expected = mixture.weights.double() * n
    assert float(((counts - expected) ** 2 / expected).sum()) < 13.8  # χ² with 2 degrees of freedom, p = 0.001
    for m in range(3):
        own = samples[labels == m]
        error = 4 * 0.7 / math.sqrt(len(own))
        torch.testing.assert_close(own.mean(0), mixture.centres[m], atol=error, rtol=0)
        covariance = torch.from_numpy(np.cov(own.numpy().T))
        torch.testing.assert_close(covariance, 0.49 * torch.eye(3, dtype=torch.float64), atol=0.02, rtol=0)


def test_the_entropy_of_the_ring_is_that_of_eight_separate_gaussians() -> None:
    ring = Ring8(train_size=2, test_size=2).load().mixture
    assert ring is not None
    samples, _ = ring.sample(50_000, keyed(5))
    # h = log M + d/2 log(2πe σ²); the log density of a Gaussian in the plane has variance 1.
    entropy = math.log(8) + math.log(2 * math.pi * math.e * 1e-4)
    assert -float(ring.log_density(samples).mean()) == pytest.approx(entropy, abs=4 / math.sqrt(50_000))


@pytest.mark.parametrize("source", SOURCES)
def test_the_high_quality_share_of_a_perfect_model(source: type) -> None:
    data = source(train_size=2, test_size=25_000).load()
    assert data.mixture is not None
    nearest = data.mixture.nearest(data.test)
    share = float((nearest.distance <= 3 * data.mixture.sigma).double().mean())
    perfect = 1 - math.exp(-4.5)
    assert share == pytest.approx(perfect, abs=4 * math.sqrt(perfect * (1 - perfect) / 25_000))
    assert torch.equal(nearest.label, data.test_labels)


def test_nearest_is_euclidean_and_takes_the_first_on_a_tie() -> None:
    mixture = equal_mixture(torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]), sigma=0.1)
    found = mixture.nearest(torch.tensor([[[1.0, 0.0]], [[2.0, 1.5]], [[5.0, 6.0]]]))
    assert found.label.tolist() == [[0], [2], [2]]
    assert found.distance.tolist() == [[1.0], [0.5], [5.0]]


def test_distances_on_the_grid_lose_nothing_to_cancellation() -> None:
    data = Grid25(train_size=2, test_size=25_000).load()
    assert data.mixture is not None
    x, centres = data.test.double(), data.mixture.centres.double()
    exact = (x[:, None] - centres).square().sum(-1).sqrt().min(-1).values
    torch.testing.assert_close(data.mixture.nearest(data.test).distance.double(), exact, atol=1e-6, rtol=0)


def test_the_ring_has_its_centres_and_variance() -> None:
    mixture = small(Ring8).mixture
    assert mixture is not None
    half = math.sqrt(0.5)
    expected = [[half, half], [0, 1], [-half, half], [-1, 0], [-half, -half], [0, -1], [half, -half], [1, 0]]
    torch.testing.assert_close(mixture.centres, torch.tensor(expected), atol=1e-7, rtol=0)
    assert mixture.sigma**2 == pytest.approx(1e-4)
    assert mixture.weights.tolist() == [0.125] * 8


def test_the_grid_has_its_centres_and_variance() -> None:
    mixture = small(Grid25).mixture
    assert mixture is not None
    points = {tuple(centre) for centre in mixture.centres.tolist()}
    assert points == {(float(a), float(b)) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)}
    assert mixture.sigma**2 == pytest.approx(0.0025)
    assert mixture.weights.sum().item() == pytest.approx(1.0)


def test_the_hundreds_are_the_benchmarks_point_by_point() -> None:
    """Restated in plain Python: the line's number i and the place j on it, in the benchmark's order."""
    angle = math.radians(25)
    expected: dict[type, list[tuple[float, float]]] = {source: [] for source in HUNDREDS}
    for i in range(10):
        for j in range(10):
            x, y = i - 4.5, j - 4.5
            expected[Grid100].append((x, y))
            expected[Rotated100].append(
                (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
            )
            expected[Staggered100].append((0.85 * x, y + (0.25 if i % 2 else -0.25)))
    for source, points in expected.items():
        mixture = small(source).mixture
        assert mixture is not None
        torch.testing.assert_close(mixture.centres, torch.tensor(points), atol=1e-6, rtol=0)
        assert mixture.sigma == 0.03


@pytest.mark.parametrize(("source", "gap"), [(Grid100, 1.0), (Rotated100, 1.0), (Staggered100, math.hypot(0.85, 0.5))])
def test_no_two_of_a_hundred_modes_touch(source: type, gap: float) -> None:
    mixture = small(source).mixture
    assert mixture is not None
    apart = torch.cdist(mixture.centres.double(), mixture.centres.double()).fill_diagonal_(math.inf)
    torch.testing.assert_close(apart.min(1).values, torch.full((100,), gap, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_mixture_of_eight_starts_at_the_top_and_turns_clockwise() -> None:
    mixture = small(Mixture8).mixture
    assert mixture is not None
    half = math.sqrt(0.5)
    torch.testing.assert_close(mixture.centres[:3], torch.tensor([[0, 1], [half, half], [1, 0]]), atol=1e-7, rtol=0)
    assert mixture.sigma == 0.01


@pytest.mark.parametrize(
    ("source", "sizes"), [(Ring8, (50_000, 25_000)), (Grid25, (50_000, 25_000)), (Mixture8, (8_000, 25_000))]
)
def test_the_sizes_are_the_papers(source: type, sizes: tuple[int, int]) -> None:
    by_name = {field.name: field.default for field in fields(source)}
    assert (by_name["train_size"], by_name["test_size"], by_name["data_seed"]) == (*sizes, 1)


@pytest.mark.parametrize("source", SOURCES)
def test_labels_name_the_component_that_made_the_sample(source: type) -> None:
    data = small(source)
    assert data.mixture is not None
    pairs: list[tuple[Tensor, Tensor | None]] = [
        (data.train, data.train_labels),
        (data.test, data.test_labels),
    ]
    for samples, labels in pairs:
        assert labels is not None
        residuals = (samples - data.mixture.centres[labels]) / data.mixture.sigma
        assert float(residuals.abs().max()) < 5.5
        assert float(residuals.square().mean()) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("source", SOURCES)
def test_pool_and_test_set_depend_on_nothing_but_the_seed(source: type) -> None:
    first = source(train_size=50, test_size=40, data_seed=2).load()
    resized = source(train_size=60, test_size=40, data_seed=2).load()
    reseeded = source(train_size=50, test_size=40, data_seed=3).load()
    torch.rand(7)  # the global random state plays no part
    again = source(train_size=50, test_size=40, data_seed=2).load()
    assert torch.equal(first.train, again.train)
    assert torch.equal(first.test, again.test)
    assert torch.equal(first.test, resized.test)
    assert not torch.equal(first.train, reseeded.train)
    alike = source(train_size=40, test_size=40, data_seed=2).load()
    assert torch.equal(alike.test, first.test)
    assert not torch.equal(alike.train, alike.test)


@pytest.mark.parametrize("source", SOURCES)
def test_endless_samples_come_from_the_same_mixture_and_never_end(source: type) -> None:
    data = small(source)
    assert data.endless is not None
    assert data.mixture is not None
    generator = keyed(9)
    first, second = data.endless(3000, generator), data.endless(3000, generator)
    assert first.shape == (3000, 2)
    assert first.dtype == data.train.dtype
    assert not torch.equal(first, second)
    assert torch.equal(first, data.endless(3000, keyed(9)))
    quality = data.mixture.nearest(second).distance <= 3 * data.mixture.sigma
    assert float(quality.double().mean()) == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    assert data.mixture.nearest(first).label.unique().numel() == len(data.mixture.centres)


@pytest.mark.parametrize("source", SOURCES)
def test_facts_name_the_mixture_and_can_be_written_as_json(source: type) -> None:
    facts = json.loads(json.dumps(dict(small(source).facts)))
    assert (facts["train"], facts["test"], facts["shape"]) == (4000, 1000, [2])
    modes, sigma = {Grid25: (25, 0.05)}.get(source, (100, 0.03) if source in HUNDREDS else (8, 0.01))
    assert facts["modes"] == facts["classes"] == modes
    assert facts["sigma"] == sigma


@pytest.mark.parametrize(
    ("centres", "sigma", "weights", "words"),
    [
        (torch.zeros(3), 0.1, torch.ones(3) / 3, r"got shapes \[3\] and \[3\]"),
        (torch.zeros(3, 2), 0.1, torch.ones(2) / 2, r"got shapes \[3, 2\] and \[2\]"),
        (torch.zeros(2, 2), 0.0, torch.ones(2) / 2, "sigma=0.0 is out of range"),
        (torch.zeros(2, 2), math.inf, torch.ones(2) / 2, "sigma=inf is out of range"),
        (torch.zeros(2, 2), math.nan, torch.ones(2) / 2, "sigma=nan is out of range"),
        (torch.zeros(2, 2), 0.1, torch.ones(2), "are not a distribution"),
        (torch.zeros(2, 2), 0.1, torch.tensor([1.5, -0.5]), "are not a distribution"),
    ],
)
def test_what_is_no_mixture_is_refused(centres: Tensor, sigma: float, weights: Tensor, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        Mixture(centres, sigma, weights)
