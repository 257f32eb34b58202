"""The gradient penalty on a real network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.gradient import GradientPenalty


def test_each_samples_slope_is_its_own() -> None:
    """Against one backward pass per sample through a network, float64."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    real, fake = (torch.randn(2, width, 3, 2, 3, dtype=torch.float64) for width in (1, 2))
    mix = torch.rand(2, 2, 3, dtype=torch.float64)
    value = GradientPenalty(weight=2.0)(
        lambda x: DiscriminatorOutput(network(x.flatten(0, 2)).reshape(x.shape[:3])),
        real=real,
        fake=fake,
        noise={"mix": mix},
    )
    for s in range(2):
        for k in range(2):
            costs = []
            for i in range(3):
                point = (mix[s, k, i] * real[s, 0, i] + (1 - mix[s, k, i]) * fake[s, k, i]).requires_grad_()
                (slope,) = torch.autograd.grad(network(point.unsqueeze(0)).sum(), point)
                costs.append(2.0 * (slope.norm() - 1) ** 2)
            assert value[s, k].item() == pytest.approx(torch.stack(costs).mean().item())


def test_the_ends_of_the_mix_are_fake_and_real() -> None:
    """e = 1 looks at the real samples, e = 0 at the fake ones: quadratic critic, slopes 3 and 5."""
    real, fake = torch.full((1, 1, 4, 1), 3.0), torch.full((1, 1, 4, 1), 5.0)
    for e, slope in ((1.0, 3.0), (0.0, 5.0), (0.5, 4.0)):
        noise = {"mix": torch.full((1, 1, 4), e)}
        value = GradientPenalty(weight=1.0)(
            lambda x: DiscriminatorOutput(x.square().squeeze(-1) / 2), real=real, fake=fake, noise=noise
        )
        assert value.item() == pytest.approx((slope - 1) ** 2)


def test_the_critic_learns_the_target_slope() -> None:
    """Gradient descent on the penalty alone drives a linear critic's slope to the target, from below too."""
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 8, 2), torch.randn(2, 1, 8, 2)
    weights = torch.tensor([[0.1, 0.2], [3.0, -4.0]]).reshape(2, 1, 1, 2).requires_grad_()

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((x * weights).sum(-1))

    penalty = GradientPenalty(weight=torch.tensor([1.0, 0.5]).reshape(2, 1, 1), target=2.0)
    for _ in range(60):
        loss = penalty(discriminate, real=real, fake=fake, noise={"mix": torch.rand(2, 1, 8)})
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        with torch.no_grad():
            weights -= 0.2 * gradient
    assert weights.detach().norm(dim=-1).flatten().tolist() == pytest.approx([2.0, 2.0], abs=1e-4)
