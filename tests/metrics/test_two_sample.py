"""Energy distance, sliced Wasserstein distance, precision and recall: closed forms, SciPy, and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.metrics.two_sample import DIRECTIONS, Pairwise, energy_distance, precision_recall, sliced_wasserstein


def normal(n: int, d: int, seed: int) -> Tensor:  # [n, d]
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_energy_distance_on_a_line_is_that_of_scipy() -> None:
    x, y = normal(80, 1, 1), 2 * normal(50, 1, 2) + 1
    expected = stats.energy_distance(x.squeeze().numpy(), y.squeeze().numpy())
    assert energy_distance(Pairwise.of(real=x, fake=y)) == pytest.approx(expected, rel=1e-9)


def test_energy_distance_of_two_points_is_known_in_any_dimension() -> None:
    x, y = torch.zeros(6, 5), torch.full((9, 5), 2.0)
    assert energy_distance(Pairwise.of(real=x, fake=y)) == pytest.approx(math.sqrt(2 * 2 * math.sqrt(5)))


def test_energy_distance_agrees_with_sums_over_pairs() -> None:
    x, y = normal(12, 3, 1).numpy(), normal(9, 3, 2).numpy() + 1

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([math.dist(p, q) for p in a for q in b]))

    expected = math.sqrt(2 * mean(x, y) - mean(x, x) - mean(y, y))
    distances = Pairwise.of(real=torch.tensor(x), fake=torch.tensor(y))
    assert energy_distance(distances) == pytest.approx(expected, rel=1e-7)


def test_equal_samples_have_no_distance_in_any_order() -> None:
    x = normal(300, 4, 3)
    assert energy_distance(Pairwise.of(real=x, fake=x.flip(0))) == pytest.approx(0, abs=1e-5)
    assert sliced_wasserstein(x, x.flip(0)) == 0


def test_distances_survive_float32_points_that_lie_close_together_far_away() -> None:
    """Through the matrix form in float32, distances of 0.01 at 100 would be lost in rounding of 0.03."""
    x = 100 + 0.01 * torch.arange(64.0)[:, None]
    found = Pairwise.of(real=x, fake=x).between
    expected = (x.double() - x.double().T).abs()
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize("d", [1, 2, 16, DIRECTIONS])
def test_moving_a_sample_moves_it_by_its_length_over_root_d(d: int) -> None:
    x, shift = normal(50, d, 1), normal(1, d, 2)
    expected = float(shift.norm()) / math.sqrt(d)
    assert sliced_wasserstein(x, x + shift) == pytest.approx(expected, rel=1e-9)


def test_more_dimensions_than_directions_are_looked_at_in_part() -> None:
    x, shift = normal(20, 4 * DIRECTIONS, 1), normal(1, 4 * DIRECTIONS, 2)
    expected = float(shift.norm()) / math.sqrt(4 * DIRECTIONS)
    # Var of the mean of L squares of cosines: a relative error of about √(2 / L) / 2 = 4 % in the root.
    assert sliced_wasserstein(x, x + shift) == pytest.approx(expected, rel=0.15)


def test_on_a_line_the_sliced_distance_is_the_wasserstein_distance() -> None:
    x, y = normal(40, 1, 1), 3 * normal(40, 1, 2)
    expected = np.sqrt(np.mean((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2))
    assert sliced_wasserstein(x, y) == pytest.approx(float(expected), rel=1e-12)


def test_widening_an_isotropic_gaussian_costs_the_difference_of_deviations() -> None:
    x, y = normal(4000, 3, 1), 2 * normal(4000, 3, 2)
    assert sliced_wasserstein(x, y) == pytest.approx(1.0, abs=0.05)


def test_the_sliced_distance_needs_equal_sizes() -> None:
    with pytest.raises(BadValue, match="there are 3 and 4"):
        sliced_wasserstein(torch.zeros(3, 2), torch.zeros(4, 2))


def in_balls(centres: np.ndarray, points: np.ndarray, k: int) -> float:
    """The share of points that lie in the k-nearest-neighbour ball of some centre, one by one."""
    inside = 0
    radii = [sorted(math.dist(c, other) for other in centres)[k] for c in centres]
    for point in points:
        inside += any(math.dist(point, c) <= radius for c, radius in zip(centres, radii, strict=True))
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_agree_with_brute_force(k: int) -> None:
    real, fake = normal(40, 2, 1), 0.6 * normal(30, 2, 2) + 0.7
    precision, recall = precision_recall(Pairwise.of(real=real, fake=fake), k=k)
    assert precision == in_balls(real.numpy(), fake.numpy(), k)
    assert recall == in_balls(fake.numpy(), real.numpy(), k)
    assert precision != recall


def test_half_of_the_modes_is_full_precision_and_half_recall() -> None:
    two = torch.tensor([[-10.0, 0.0], [10.0, 0.0]], dtype=torch.float64)
    real = normal(400, 2, 1) + two.repeat(200, 1)
    fake = 0.5 * normal(400, 2, 2) + two[0]
    precision, recall = precision_recall(Pairwise.of(real=real, fake=fake))
    assert precision > 0.95
    assert 0.25 < recall < 0.5
    assert precision_recall(Pairwise.of(real=fake, fake=real)) == (recall, precision)


def test_far_samples_have_neither() -> None:
    assert precision_recall(Pairwise.of(real=normal(20, 2, 1), fake=normal(20, 2, 2) + 100)) == (0, 0)


def test_a_ball_is_closed() -> None:
    """Reals at 0, 1, 3: with k = 1 the balls are [-1, 1], [0, 2], [1, 5]; 5 is inside, 5.5 is not."""
    real, fake = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[5.0], [5.5]])
    assert precision_recall(Pairwise.of(real=real, fake=fake), k=1).precision == 0.5


@pytest.mark.parametrize("k", [0, 4])
def test_too_few_samples_for_k_neighbours_are_refused(k: int) -> None:
    with pytest.raises(BadValue, match=f"k={k}.*< 4"):
        precision_recall(Pairwise.of(real=torch.zeros(4, 1), fake=torch.zeros(5, 1)), k=k)
