"""Fréchet distance and inception score: closed forms, and independent restatements."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.metrics.distances import fixed_order, frechet, inception_score, moments


def features(n: int, d: int, seed: int) -> Tensor:  # [n, d]
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mixing + torch.randn(d, generator=generator)


def test_moments_are_those_of_numpy() -> None:
    x = features(40, 6, 1)
    mean, covariance = moments(x)
    np.testing.assert_allclose(mean, x.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(x.numpy(), rowvar=False), rtol=1e-12)


def test_moments_of_float32_far_from_zero_do_not_cancel() -> None:
    x = torch.tensor([[4000.0], [4001.0], [4002.0]])
    assert moments(x).covariance.item() == 1.0


def test_moments_refuse_a_single_sample() -> None:
    with pytest.raises(BadValue, match="at least 2 samples; there is 1"):
        moments(torch.zeros(1, 3))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(1, 12))
def test_frechet_agrees_with_the_square_root_of_a_matrix(seed: int, d: int) -> None:
    first, second = moments(features(60, d, seed)), moments(features(50, d, seed + 1))
    product = (first.covariance @ second.covariance).numpy()
    traces = np.trace(first.covariance.numpy()) + np.trace(second.covariance.numpy())
    gap = (first.mean - second.mean).numpy()
    expected = gap @ gap + traces - 2 * np.trace(sqrtm(product)).real
    assert frechet(*first, *second).item() == pytest.approx(expected, rel=1e-8)
    assert frechet(*second, *first).item() == pytest.approx(expected, rel=1e-8)


def test_frechet_of_diagonal_gaussians_is_its_closed_form() -> None:
    deviations = torch.tensor([[1.0, 2.0, 0.5], [3.0, 0.0, 0.5]], dtype=torch.float64)
    means = torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], dtype=torch.float64)
    first, second = deviations.square().diag_embed()
    # Σ (μ₁ - μ₂)² + Σ (σ₁ - σ₂)² = 8 + 4 + 4 + 0; the second is singular.
    assert frechet(means[0], first, means[1], second).item() == pytest.approx(16.0, abs=1e-9)


def test_frechet_of_equal_distributions_is_zero_also_where_they_are_singular() -> None:
    full = moments(features(100, 8, 3))
    assert frechet(*full, *full).item() == pytest.approx(0.0, abs=1e-9)
    few = moments(features(4, 8, 3))  # rank 3 of 8
    assert 0 <= frechet(*few, *few).item() <= 1e-5


def test_frechet_is_batched_over_members() -> None:
    reference = moments(features(30, 5, 0))
    members = torch.stack([features(20, 5, seed) for seed in (1, 2, 3)])
    together = frechet(*moments(members), *reference)
    alone = [frechet(*moments(member), *reference).item() for member in members]
    np.testing.assert_allclose(together, alone, rtol=1e-10)


def test_frechet_is_nan_for_the_member_that_is_not_finite_alone() -> None:
    members = torch.stack([features(20, 5, seed) for seed in (1, 2)])
    members[1, 3, 2] = math.nan
    distance = frechet(*moments(members), *moments(features(30, 5, 0)))
    assert distance.isnan().tolist() == [False, True]


def test_inception_score_has_its_two_ends() -> None:
    assert inception_score(torch.eye(10).repeat(30, 1)).item() == pytest.approx(10.0, rel=1e-12)
    assert inception_score(torch.eye(10)[:1].repeat(30, 1)).item() == pytest.approx(1.0, rel=1e-12)
    assert inception_score(torch.full((30, 10), 0.1)).item() == pytest.approx(1.0, rel=1e-6)


def test_inception_score_of_two_kinds_of_doubt_is_the_mutual_information() -> None:
    """Half the rows (¾, ¼), half (¼, ¾): p(y) is uniform, so the score is exp(ln 2 - H(¼))."""
    rows = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=torch.float64).repeat(8, 1)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert inception_score(rows, splits=4).item() == pytest.approx(2 * math.exp(-entropy), rel=1e-12)


@pytest.mark.parametrize("splits", [1, 3, 10])
def test_inception_score_agrees_with_a_restatement(splits: int) -> None:
    generator = torch.Generator().manual_seed(5)
    given = torch.randn(2, 47, 6, generator=generator).mul(3).softmax(-1)  # 47 is no multiple of 3 or 10
    for member, score in zip(given.double().numpy(), inception_score(given, splits=splits), strict=True):
        scores = []
        for part in np.array_split(member, splits):
            overall = part.mean(0)
            divergences = [sum(p * math.log(p / q) for p, q in zip(row, overall, strict=True)) for row in part]
            scores.append(math.exp(sum(divergences) / len(divergences)))
        assert score.item() == pytest.approx(sum(scores) / splits, rel=1e-9)


@pytest.mark.parametrize("splits", [0, 6])
def test_inception_score_refuses_more_splits_than_samples(splits: int) -> None:
    with pytest.raises(BadValue, match=f"splits={splits}.*≤ 5"):
        inception_score(torch.eye(5), splits=splits)


def test_the_fixed_order_is_a_shuffle_of_everything() -> None:
    order = fixed_order(1000)
    assert order.sort().values.tolist() == list(range(1000))
    assert torch.equal(order, fixed_order(1000))
    # A random permutation has one fixed point on average.
    assert (order == torch.arange(1000)).sum() < 10
