"""The metric for data of one's own: what it picks, what it refuses, and its floor."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gantlet.errors import BadData, BadValue
from gantlet.metrics.base import MetricInput
from gantlet.metrics.points import PointsMetric
from gantlet.metrics.two_sample import Pairwise, energy_distance, precision_recall, sliced_wasserstein


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_columns_are_the_distances_of_each_member() -> None:
    test, fake = normal(60, 2, seed=1), normal(3, 60, 2, seed=2) * torch.tensor([1.0, 0.5, 2.0]).view(3, 1, 1)
    result = PointsMetric(test, samples=60)(MetricInput(fake=fake))
    for member in range(3):
        distances = Pairwise.of(real=test, fake=fake[member])
        precision, recall = precision_recall(distances)
        assert result["energy_distance"][member] == pytest.approx(energy_distance(distances), rel=1e-6)
        assert result["sliced_wasserstein"][member] == pytest.approx(sliced_wasserstein(test, fake[member]))
        assert (result["precision"][member], result["recall"][member]) == (precision, recall)


def test_images_are_compared_as_flat_vectors() -> None:
    test, fake = normal(40, 3, 4, 5, seed=1), normal(1, 40, 3, 4, 5, seed=2)
    flat = PointsMetric(test.flatten(1))(MetricInput(fake=fake.flatten(2)))
    assert PointsMetric(test)(MetricInput(fake=fake)) == flat


def test_samples_sorted_by_generator_are_picked_from_all_of_them() -> None:
    """Two generators, one after the other: the first hundred of four hundred are all of the first."""
    test = torch.cat([normal(200, 2, seed=1) - 10, normal(200, 2, seed=2) + 10])
    fake = torch.cat([normal(200, 2, seed=3) - 10, normal(200, 2, seed=4) + 10])[None]
    result = PointsMetric(test, samples=100)(MetricInput(fake=fake))
    assert result["recall"][0] > 0.8
    assert result["sliced_wasserstein"][0] < 4


def test_fewer_fakes_than_test_samples_are_compared_with_as_many() -> None:
    test = normal(500, 2, seed=1)
    result = PointsMetric(test)(MetricInput(fake=normal(1, 100, 2, seed=2)))
    assert result["sliced_wasserstein"][0] < 0.5
    assert result["precision"][0] > 0.8


def test_a_member_that_is_not_finite_has_no_numbers_and_harms_no_other() -> None:
    fake = normal(2, 50, 2, seed=2)
    alone = PointsMetric(normal(50, 2, seed=1))(MetricInput(fake=fake[:1]))
    fake[1, 7, 0] = math.inf
    result = PointsMetric(normal(50, 2, seed=1))(MetricInput(fake=fake))
    assert {name: values[:1] for name, values in result.items()} == alone
    assert all(math.isnan(values[1]) for values in result.values())


def test_the_floor_is_what_a_perfect_model_would_get() -> None:
    test = normal(1000, 2, seed=1)
    metric = PointsMetric(test)
    floor = metric.facts["real_against_real"]
    assert floor["between"] == "500 test samples against 500 others"
    perfect = metric(MetricInput(fake=normal(1, 500, 2, seed=5)))
    assert 0 < floor["sliced_wasserstein"] < 0.3
    assert floor["precision"] == pytest.approx(perfect["precision"][0], abs=0.06)
    assert perfect["sliced_wasserstein"][0] < 3 * floor["sliced_wasserstein"]


@pytest.mark.parametrize("settings", [{"samples": 3}, {"samples": 10_001}, {"k": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(BadValue, match="1 ≤ k < samples ≤ 10000"):
        PointsMetric(torch.zeros(50, 2), **settings)


def test_a_test_set_that_is_too_small_and_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(BadData, match="Precision and recall need 8 held-out samples; there are 7"):
        PointsMetric(torch.zeros(7, 2))
    with pytest.raises(BadData, match=r"shape \[3\], but.*\[2\]"):
        PointsMetric(torch.zeros(50, 2))(MetricInput(fake=torch.zeros(1, 50, 3)))
