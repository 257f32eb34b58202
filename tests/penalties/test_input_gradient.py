"""Slopes, norms and spreads that gradient penalties share."""

from __future__ import annotations

import pytest
import torch

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.input_gradient import across, batch_std, between, input_gradient, sample_norm, squared_norm


def test_the_norm_of_known_gradients() -> None:
    """3-4-5 spread over two axes, zero, and a tiny one."""
    gradient = torch.zeros(1, 1, 3, 2, 2)
    gradient[0, 0, 0] = torch.tensor([[3.0, 0.0], [0.0, -4.0]])
    gradient[0, 0, 2, 1, 1] = 1e-15
    assert sample_norm(gradient)[0, 0].tolist() == [5.0, 0.0, pytest.approx(1e-15)]


def test_the_norms_derivatives_at_zero_and_beside_it() -> None:
    gradient = torch.tensor([0.0, 0.0, 0.6, 0.8]).reshape(1, 1, 2, 2).requires_grad_()
    (first,) = torch.autograd.grad(sample_norm(gradient).sum(), gradient, create_graph=True)
    assert first.flatten().tolist() == pytest.approx([0.0, 0.0, 0.6, 0.8])
    (second,) = torch.autograd.grad((first * torch.tensor([1.0, 1.0])).sum(), gradient)
    # The Hessian of |g| is (1 - ĝ ĝᵀ)/|g|; at zero it is taken as 0.
    assert second.flatten().tolist() == pytest.approx([0.0, 0.0, 1 - 0.6 * 1.4, 1 - 0.8 * 1.4], abs=1e-6)


def test_nan_is_not_taken_for_zero() -> None:
    assert sample_norm(torch.full((1, 1, 1, 2), torch.nan)).isnan().all()


def test_the_squared_norm_is_a_sum_over_all_places() -> None:
    """Twelve numbers of 2: 12 · 4, not 4."""
    assert squared_norm(torch.full((1, 2, 3, 1, 3, 4), 2.0)).tolist() == [[[48.0] * 3] * 2]


def test_a_slope_is_that_of_each_sample_and_can_be_differentiated_again() -> None:
    """D = w x³: slope 3 w x², whose derivative in w is 3 x²."""
    w = torch.tensor(2.0, requires_grad=True)
    at = torch.tensor([1.0, -3.0]).reshape(1, 1, 2, 1).requires_grad_()
    found = input_gradient(lambda x: DiscriminatorOutput((w * x**3).squeeze(-1)), at)
    assert found.flatten().tolist() == [6.0, 54.0]
    first, second = torch.autograd.grad(found.sum(), [w, at], allow_unused=True)
    assert first is not None
    assert first.item() == pytest.approx(3 + 27)
    assert second is None, "the place itself is a constant"


def test_points_between_are_not_attached_to_either_end() -> None:
    """S = 1, K = 2: one real batch for both generators, each with its own mix."""
    real = torch.tensor([0.0, 8.0]).reshape(1, 1, 2, 1).requires_grad_()
    fake = torch.tensor([4.0, 4.0, 16.0, 0.0]).reshape(1, 2, 2, 1).requires_grad_()
    mix = torch.tensor([0.25, 0.5, 0.75, 1.0]).reshape(1, 2, 2)
    found = between(real=real, fake=fake, mix=mix)
    assert found.flatten().tolist() == [3.0, 6.0, 4.0, 8.0]
    assert not found.requires_grad


def test_the_spread_is_one_number_per_batch() -> None:
    """Over samples and places at once, divided by n: {0, 2, 4, 6} has the variance 5."""
    x = torch.stack([torch.tensor([[0.0, 2.0], [4.0, 6.0]]), torch.full((2, 2), 7.0)]).reshape(2, 1, 2, 1, 2)
    found = batch_std(x)
    assert found.shape == (2, 1, 1, 1, 1)
    assert found.flatten().tolist() == [pytest.approx(5**0.5), 0.0]


def test_settings_reach_across_samples() -> None:
    like = torch.zeros(2, 1, 3, 4, 5)
    assert across(0.5, like) == 0.5
    per_member = across(torch.tensor([1.0, 2.0]).reshape(2, 1, 1), like)
    assert (like + per_member)[:, 0, 2, 3, 4].tolist() == [1.0, 2.0]
    assert torch.equal(across(torch.tensor(3.0), like) + like, like + 3)
