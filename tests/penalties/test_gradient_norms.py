"""R1, R2, the one-sided and the maximum penalty by hand: a quadratic critic, whose slope is the position."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.max_gradient import MaxGradient
from gantlet.penalties.one_sided import OneSidedGradient
from gantlet.penalties.r1 import R1
from gantlet.penalties.r2 import R2


def quadratic(x: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(x.flatten(3).square().sum(-1) / 2)


REAL = torch.tensor([1.0, 3.0]).reshape(1, 1, 2, 1)
FAKES = torch.tensor([[2.0, 4.0], [6.0, 0.0]]).reshape(1, 2, 2, 1)


def test_r1_looks_at_real_samples_once_for_the_whole_team() -> None:
    """γ/2 · (1 + 9)/2, for each generator the same: the mean over the team is the one value."""
    assert R1(weight=4.0)(quadratic, real=REAL, fake=FAKES).tolist() == [[10.0, 10.0]]


def test_r2_looks_at_each_generators_samples() -> None:
    """γ/2 · (4 + 16)/2 and γ/2 · (36 + 0)/2."""
    assert R2(weight=4.0)(quadratic, real=REAL, fake=FAKES).tolist() == [[20.0, 36.0]]


@pytest.mark.parametrize("penalty", [R1, R2])
def test_pixels_are_summed(penalty: type[R1 | R2]) -> None:
    """A slope of 1 in each of 3·8·8 pixels: γ/2 · 192, whatever the size of the batch."""
    x = torch.ones(1, 1, 5, 3, 8, 8)
    assert penalty()(quadratic, real=x, fake=x).tolist() == [[5 * 192.0]]


def test_r1_makes_the_dirac_gan_converge() -> None:
    """Simultaneous descent of ψ θ without a penalty circles outwards; with R1 on D = ψ x it spirals into (0, 0)."""
    distance: dict[float, float] = {}
    for weight in (0.0, 1.0):
        theta, psi = torch.tensor(1.0), torch.tensor(1.0, requires_grad=True)
        real = torch.zeros(1, 1, 1, 1)
        for _ in range(100):
            drift = R1(weight=weight)(
                lambda x, psi=psi: DiscriminatorOutput((psi * x).squeeze(-1)), real=real, fake=real
            ).sum()
            (pull,) = torch.autograd.grad(drift, psi)
            theta, psi = theta + 0.1 * psi.detach(), (psi.detach() - 0.1 * (theta + pull)).requires_grad_()
        distance[weight] = float((theta**2 + psi.detach() ** 2).sqrt())
    assert distance[0.0] > 2
    assert distance[1.0] < 0.02


def test_one_sided_forgives_small_slopes() -> None:
    """At the fakes (mix 0), slopes 2 and 4 against a target of 3: (0 + 1)/2; 6 and 0: (9 + 0)/2."""
    noise = {"mix": torch.zeros(1, 2, 2)}
    value = OneSidedGradient(weight=1.0, target=3.0)(quadratic, real=REAL, fake=FAKES, noise=noise)
    assert value.tolist() == [[0.5, 4.5]]


def test_the_maximum_is_of_each_batch() -> None:
    """Halfway: (1 + 2)/2 and (3 + 4)/2 for the first generator, (1 + 6)/2 and 3/2 for the second."""
    noise = {"mix": torch.full((1, 2, 2), 0.5)}
    value = MaxGradient(weight=2.0)(quadratic, real=REAL, fake=FAKES, noise=noise)
    assert value.tolist() == [[2 * 3.5**2, 2 * 3.5**2]]


def test_only_the_steepest_sample_is_pressed() -> None:
    """D = Σ w_i x_i²/2 with a weight per sample: the gradient of max (w_i x_i)² is 2 w x² at the larger one."""
    w = torch.tensor([1.0, 1.0]).requires_grad_()
    noise = {"mix": torch.ones(1, 1, 2)}
    value = MaxGradient(weight=1.0)(
        lambda x: DiscriminatorOutput(w * x.square().squeeze(-1) / 2), real=REAL, fake=REAL, noise=noise
    )
    (found,) = torch.autograd.grad(value.sum(), w)
    assert found.tolist() == [0.0, 18.0]
