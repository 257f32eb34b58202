"""MMD and the Cramér objective: no bias, which features count, and critics that a gradient penalty can take."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput, Monitored, WithCritic
from gantlet.objectives.cramer import Cramer
from gantlet.objectives.mmd import MMD

EVERY = [MMD(), MMD("rational-quadratic"), MMD("rational-quadratic", linear=True), Cramer()]


def coded(code: Tensor) -> DiscriminatorOutput:
    """A output whose scores mean nothing."""
    return DiscriminatorOutput(torch.full(code.shape[:-1], math.nan, dtype=code.dtype), code=code)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("objective", EVERY, ids=repr)
def test_equal_laws_have_distance_0_on_average(objective: Any) -> None:
    """Within four standard errors, for 5 real and 3 fake samples; the estimate with self pairs is clearly above 0."""
    rounds = 2000
    real, fake = coded(normal(rounds, 5, 2)), coded(normal(rounds, 3, 2, seed=1))
    found = objective.generator(real=real, fake=fake)
    error = found.std() / math.sqrt(rounds)
    assert abs(found.mean()) < 4 * error
    biased = objective.critic(at=real, real=real, fake=fake).mean(-1) - objective.critic(
        at=fake, real=real, fake=fake
    ).mean(-1)
    assert biased.mean() > 10 * error


@pytest.mark.parametrize("objective", EVERY, ids=repr)
def test_the_players_want_the_opposite(objective: Any) -> None:
    real, fake = coded(normal(2, 4, 3)), coded(normal(2, 5, 3, seed=1) + 2)
    made = objective.generator(real=real, fake=fake)
    assert torch.equal(objective.discriminator(real=real, fake=fake), -made)
    assert (made > 0).all()
    assert isinstance(objective, Monitored)
    (seen,) = objective.monitors(real=real, fake=fake).values()
    assert torch.equal(seen, made)


def test_the_monitors_have_their_names() -> None:
    real, fake = DiscriminatorOutput(normal(4)), DiscriminatorOutput(normal(5, seed=1))
    assert [*MMD().monitors(real=real, fake=fake)] == ["mmd2"]
    assert [*Cramer().monitors(real=real, fake=fake)] == ["energy_distance"]


@pytest.mark.parametrize("objective", EVERY, ids=repr)
def test_without_a_code_the_score_is_the_feature(objective: Any) -> None:
    real, fake = normal(4), normal(5, seed=1)
    plain = objective.generator(real=DiscriminatorOutput(real), fake=DiscriminatorOutput(fake))
    assert plain == objective.generator(real=coded(real[:, None]), fake=coded(fake[:, None]))


@pytest.mark.parametrize("objective", EVERY, ids=repr)
def test_one_sample_has_no_other_to_be_paired_with(objective: Any) -> None:
    with pytest.raises(Refused, match="the batch holds 1 sample: use at least 2"):
        objective.generator(real=DiscriminatorOutput(torch.zeros(3)), fake=DiscriminatorOutput(torch.zeros(1)))


def test_the_energy_distance_is_twice_the_cramer_distance() -> None:
    """With self pairs, that is the mean witness at real less at fake samples: 2 ∫ (F - G)² of both step functions."""
    real, fake = normal(6), normal(4, seed=1) + 0.5
    r, f = DiscriminatorOutput(real), DiscriminatorOutput(fake)
    witness = [Cramer().critic(at=each, real=r, fake=f).mean().item() for each in (r, f)]
    steps, _ = torch.cat([real, fake]).sort()
    gap = (real <= steps[:, None]).double().mean(-1) - (fake <= steps[:, None]).double().mean(-1)
    area = (gap[:-1].square() * steps.diff()).sum()
    assert witness[0] - witness[1] == pytest.approx(2 * area.item())


def test_the_linear_kernel_keeps_far_off_fakes_alive() -> None:
    """Fakes at 1000: the Gaussian mixture is flat there, with the linear kernel they go down by 2 · gap / B'."""
    for linear, slope in ((False, 0.0), (True, 2 * 1000 / 2)):
        fake = torch.full((2,), 1e3, requires_grad=True, dtype=torch.float64)
        real = DiscriminatorOutput(torch.zeros(2, dtype=torch.float64))
        loss = MMD(linear=linear).generator(real=real, fake=DiscriminatorOutput(fake))
        found = torch.autograd.grad(loss, fake)[0]
        assert found.tolist() == pytest.approx([slope, slope], abs=1e-6)


def test_the_rational_quadratic_has_heavier_tails() -> None:
    """Two pairs at distance 1000: Σ (1 + d²/2α)^-α of α = 0.2 and 0.5 is still felt, the Gaussian mixture is 0."""
    real, fake = DiscriminatorOutput(torch.zeros(2).double()), DiscriminatorOutput(torch.full((2,), 1e3).double())
    across = sum((1 + 1e6 / (2 * alpha)) ** -alpha for alpha in (0.2, 0.5, 1.0, 2.0, 5.0))
    assert MMD().generator(real=real, fake=fake).item() == pytest.approx(10.0)
    found = MMD("rational-quadratic").generator(real=real, fake=fake).item()
    assert found == pytest.approx(10.0 - 2 * across)
    assert across > 0.05


@pytest.mark.parametrize("objective", EVERY, ids=repr)
def test_a_gradient_penalty_can_take_the_witness(objective: Any) -> None:
    """Even at a sample that coincides with real ones: the slope, and the slope of its square, are finite."""
    assert isinstance(objective, WithCritic)
    real, fake = normal(4, 3), normal(4, 3, seed=1)
    weight = torch.eye(3, dtype=torch.float64).requires_grad_()
    x = torch.cat([real[:1], normal(2, 3, seed=2)]).requires_grad_()
    outputs = [coded(each @ weight) for each in (x, real, fake)]
    critic = objective.critic(at=outputs[0], real=outputs[1], fake=outputs[2])
    (slope,) = torch.autograd.grad(critic.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), weight)
    assert slope.isfinite().all()
    assert second.isfinite().all()
    assert (second != 0).any()


def test_the_critic_prefers_real_places() -> None:
    real, fake = DiscriminatorOutput(normal(50) + 3), DiscriminatorOutput(normal(50, seed=1) - 3)
    at = DiscriminatorOutput(torch.tensor([3.0, -3.0]).double())
    for objective in EVERY:
        high, low = objective.critic(at=at, real=real, fake=fake).tolist()
        assert high > 0 > low


def test_slopes_are_bounded_where_codes_nearly_coincide() -> None:
    """float32, fakes 1e-4 apart at 100: each pulls with at most 4/B' (2/B' at the real and at the other fakes)."""
    real = torch.full((3, 8), 100.0)
    fake = (100 + 1e-4 * torch.arange(6.0)[:, None].expand(6, 8)).clone().requires_grad_()
    (slope,) = torch.autograd.grad(Cramer().generator(real=coded(real), fake=coded(fake)), fake)
    assert slope.norm(dim=-1).max() <= 4 / 6 + 1e-5
