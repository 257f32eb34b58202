"""What every gradient penalty is held to, as plain functions that return or raise AssertionError.

The critics are so simple that their slopes are known: linear (constant slope), quadratic (slope = position), dead.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contracts.cases import MEMBERS, Case
from gantlet.objectives.base import Verdict
from gantlet.penalties.base import Penalty

__all__ = ["PENALTY_CHECKS", "batch", "linear", "quadratic"]

SHAPE = (2, 3)


def batch(members: int = 4, team: int = 4, size: int = 4) -> dict[str, Any]:
    """Real ``[S, 1, B, *x]``, fake ``[S, K, B, *x]`` and the draws, float64."""
    source = torch.Generator().manual_seed(0)
    real = torch.randn((members, 1, size, *SHAPE), generator=source, dtype=torch.float64)
    fake = 0.3 * torch.randn((members, team, size, *SHAPE), generator=source, dtype=torch.float64) + 1
    mix = torch.rand((members, team, size), generator=source, dtype=torch.float64)
    return {"real": real, "fake": fake, "noise": {"mix": mix}}


def linear(slope: float) -> Callable[[Tensor], Verdict]:
    """A critic whose gradient has this norm everywhere, spread unevenly over a sample's six numbers."""
    direction = torch.tensor([[1.0, -2.0, 2.0], [0.0, 4.0, 0.0]], dtype=torch.float64) / 5
    return lambda x: Verdict(slope * (x * direction).sum((-1, -2)) + 7)


def quadratic(x: Tensor) -> Verdict:
    """A critic whose gradient is the sample itself."""
    return Verdict(x.square().sum((-1, -2)) / 2)


def slope_alone_counts(case: Case) -> None:
    """A linear critic of slope 3 costs weight · (3 - target)², and one of slope 1/2 weight · (1/2 - target)²."""
    weight, target = case.values["weight"], case.values["target"]
    for slope in (3.0, 0.5):
        value = case.build()(linear(slope), **batch())
        assert value.shape == (4, 4)
        assert torch.allclose(value, torch.full_like(value, weight * (slope - target) ** 2))


def equals_the_formula(case: Case) -> None:
    """With the quadratic critic, once more in NumPy: one e per sample, real first, norm per sample, mean over B."""
    given = batch()
    real, fake, mix = (part.numpy() for part in (given["real"], given["fake"], given["noise"]["mix"]))
    expected = np.zeros((4, 4))
    for s, k, i in np.ndindex(4, 4, 4):
        point = mix[s, k, i] * real[s, 0, i] + (1 - mix[s, k, i]) * fake[s, k, i]
        norm = np.sqrt((point**2).sum())
        expected[s, k] += case.values["weight"] * (norm - case.values["target"]) ** 2 / 4
    assert np.allclose(case.build()(quadratic, **given).detach().numpy(), expected, rtol=1e-12)


def second_derivatives_are_slopes(case: Case) -> None:
    """The gradient in the critic's parameters (a second derivative) against central differences in float64."""
    source, given = torch.Generator().manual_seed(1), batch(members=1, team=2)
    weights = torch.randn((6, 2), generator=source, dtype=torch.float64).requires_grad_()

    def value(held: Tensor) -> Tensor:
        return case.build()(lambda x: Verdict((x.flatten(-2) @ held).tanh().sum(-1)), **given).sum()

    assert value(weights).requires_grad, "the penalty carries no gradient"
    (found,) = torch.autograd.grad(value(weights), weights)
    h = 1e-5
    for at in np.ndindex(*weights.shape):
        step = torch.zeros_like(weights)
        step[at] = h
        slope = (value(weights + step) - value(weights - step)).detach() / (2 * h)
        assert torch.allclose(found[at], slope, rtol=1e-6, atol=1e-8), f"{found[at]} is not {slope}"


def a_dead_critic_is_survived(case: Case) -> None:
    """Where the critic is flat the penalty is weight · target², and every second derivative is finite."""
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    value = case.build()(lambda x: Verdict((scale * x - 1e3).relu().sum((-1, -2))), **batch())
    assert torch.allclose(value, torch.full_like(value, case.values["weight"] * case.values["target"] ** 2))
    (gradient,) = torch.autograd.grad(value.sum(), scale)
    assert gradient == 0


def members_equal_their_loop(case: Case) -> None:
    """Settings per member ``[S, 1, 1]``: what each member gets alone."""
    given, values = batch(), MEMBERS[case.name]
    held = {name: torch.tensor(held, dtype=torch.float64).reshape(4, 1, 1) for name, held in values.items()}
    together = case.build(**held)(quadratic, **given)
    for s in range(4):
        alone = case.build(**{name: value[s] for name, value in values.items()})
        noise = {"mix": given["noise"]["mix"][s : s + 1]}
        one = alone(quadratic, real=given["real"][s : s + 1], fake=given["fake"][s : s + 1], noise=noise)
        assert torch.allclose(together[s], one[0], rtol=1e-12)


def a_broken_member_stays_alone(case: Case) -> None:
    """A nan in one member's batch reaches that member's penalty and no other's."""
    given = batch()
    clean = case.build()(quadratic, **given)
    given["real"][2] = torch.nan
    value = case.build()(quadratic, **given)
    assert value[2].isnan().all()
    others = [0, 1, 3]
    assert torch.equal(value[others], clean[others])


def samples_get_no_gradient(case: Case) -> None:
    """Neither the real batch nor the generator is trained through the penalty."""
    given = batch()
    given["real"].requires_grad_()
    given["fake"].requires_grad_()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    value = case.build()(lambda x: Verdict(scale * quadratic(x).score), **given).sum()
    found = torch.autograd.grad(value, [scale, given["real"], given["fake"]], allow_unused=True)
    assert found[0] is not None
    assert found[1:] == (None, None)


def is_a_penalty(case: Case) -> None:
    penalty = case.build()
    assert isinstance(penalty, Penalty)
    draws = penalty.draws(generators=3, batch=5, shape=SHAPE)
    assert {name: (draw.kind, draw.shape) for name, draw in draws.items()} == {"mix": ("uniform", (3, 5))}
    assert penalty.player == "discriminator"
    assert penalty.requires == {"no_batch_statistics"}


PENALTY_CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_penalty,
    slope_alone_counts,
    equals_the_formula,
    second_derivatives_are_slopes,
    a_dead_critic_is_survived,
    members_equal_their_loop,
    a_broken_member_stays_alone,
    samples_get_no_gradient,
)
