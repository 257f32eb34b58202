r"""The bilinear game, on which optimisers that play the game are told from those that do not.

A linear critic :math:`D(x) = \psi x`, a generator that is one number :math:`\theta`, and real data at 0 give
:math:`L_D = \psi\theta`, :math:`L_G = -\psi\theta`: whose only equilibrium is (0, 0), and around which plain gradients
turn.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.training.blueprint import Blueprint, Execution, Player, Sizes
from gantlet.training.fleet import Fleet
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.update_schedule import UpdateSchedule
from thinning import leading

LR = 0.1


class Constant(nn.Module):
    """A generator of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class Slope(nn.Module):
    """A critic of one slope."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.psi * x).squeeze(-1)


def play(name: Any, *, steps: int, route: Any = "stacked", lr: float = LR, **options: Any) -> Fleet:
    members = 2 if route == "stacked" else 1
    extra = options.pop("extra", False)
    zeros = (0.0,) * members
    rule = OptimiserSpec(name, lr=(lr,) * members, beta1=zeros, beta2=(0.9,) * members, **options)
    blueprint = Blueprint(
        seeds=tuple(range(members)),
        sizes=Sizes(batch=2, latent=1, steps=steps),
        generator=Player(Constant, rule),
        discriminator=Player(Slope, rule),
        objective=Wasserstein(),
        schedule=UpdateSchedule(extragradient=extra),
        execution=Execution(route=route, dtype=torch.float64),
    )
    fleet = Fleet(blueprint, Dataset(torch.zeros(8, 1), torch.zeros(2, 1)))
    for _ in range(steps):
        fleet.advance()
    return fleet


def point(fleet: Fleet) -> tuple[float, float]:
    theta, psi = fleet.generators.parameters["theta"], fleet.discriminators.parameters["psi"]
    return float(theta.detach().flatten()[0]), float(psi.detach().flatten()[0])


def test_extragradient_is_korpelevichs_recursion() -> None:
    """From (1, 1): look ahead along (ψ, -θ), and move along the gradient there; 30 steps restated."""
    theta = psi = 1.0
    for _ in range(30):
        ahead_theta, ahead_psi = theta + LR * psi, psi - LR * theta
        theta, psi = theta + LR * ahead_psi, psi - LR * ahead_theta
    assert point(play("sgd", steps=30, extra=True)) == pytest.approx((theta, psi), rel=1e-12)
    # Its map is (1 - η²) I + η J: each step shrinks the radius by √((1 - η²)² + η²).
    assert math.hypot(theta, psi) == pytest.approx(math.sqrt(2) * ((1 - LR**2) ** 2 + LR**2) ** 15, rel=1e-12)


def test_optimism_is_its_recursion() -> None:
    """Alternating optimistic descent: twice the update, less the one before."""
    theta = psi = 1.0
    before_theta = before_psi = 0.0
    for _ in range(30):
        move = -LR * theta
        psi, before_psi = psi + 2 * move - before_psi, move
        move = LR * psi
        theta, before_theta = theta + 2 * move - before_theta, move
    assert point(play("sgd", steps=30, optimistic=True)) == pytest.approx((theta, psi), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "route"),
    leading(
        [
            ({"optimistic": True}, "loop"),
            ({"optimistic": True}, "stacked"),
            ({"extra": True}, "loop"),
            ({"extra": True}, "stacked"),
        ]
    ),
    ids=str,
)
def test_optimisers_that_play_the_game_converge(options: dict[str, Any], route: str) -> None:
    assert math.hypot(*point(play("sgd", steps=150, lr=0.3, route=route, **options))) < 1e-2
    assert math.hypot(*point(play("sgd", steps=150, lr=0.3, route=route))) > 1, "plain gradients turn for ever"


class Adam:
    """Adam's update of one number, restated: β1 = 0, β2 = 0.9."""

    def __init__(self) -> None:
        self.square, self.power = 0.0, 1.0

    def __call__(self, gradient: float) -> float:
        self.square, self.power = 0.9 * self.square + 0.1 * gradient**2, 0.9 * self.power
        return -0.01 * gradient / (math.sqrt(self.square / (1 - self.power)) + 1e-8)


def test_extra_adam_is_its_algorithm() -> None:
    """Gidel et al., Algorithm 4: the moments move in the look ahead and in the step."""
    theta, psi, of_theta, of_psi = 1.0, 1.0, Adam(), Adam()
    for _ in range(25):
        ahead_theta, ahead_psi = theta + of_theta(-psi), psi + of_psi(theta)
        theta, psi = theta + of_theta(-ahead_psi), psi + of_psi(ahead_theta)
    assert point(play("adam", steps=25, lr=0.01, extra=True)) == pytest.approx((theta, psi), rel=1e-10)


def test_optimistic_adam_is_its_algorithm() -> None:
    """Daskalakis et al., Algorithm 1, the critic first."""
    theta, psi, of_theta, of_psi = 1.0, 1.0, Adam(), Adam()
    before_theta = before_psi = 0.0
    for _ in range(25):
        move = of_psi(theta)
        psi, before_psi = psi + 2 * move - before_psi, move
        move = of_theta(-psi)
        theta, before_theta = theta + 2 * move - before_theta, move
    assert point(play("adam", steps=25, lr=0.01, optimistic=True)) == pytest.approx((theta, psi), rel=1e-10)


def test_an_extragradient_step_takes_two_batches() -> None:
    fleet = play("sgd", steps=5, extra=True)
    assert (fleet.step, fleet.discriminator_steps) == (5, 10)


def test_who_diverges_ahead_stays_where_he_stood() -> None:
    """A loss that is not finite at the point ahead leaves the member at its last whole step."""

    class Trips(Wasserstein):
        calls = 0

        def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
            self.__dict__["calls"] = self.calls + 1
            return super().discriminator(real=real, fake=fake) * (torch.nan if self.calls == 4 else 1.0)

    fleet = play("sgd", steps=1, extra=True)
    stood = point(fleet)
    object.__setattr__(fleet.blueprint, "objective", Trips())
    object.__setattr__(fleet.blueprint.objective, "calls", 2)
    fleet.advance()
    assert fleet.alive == [False, False]
    assert point(fleet) == stood
