"""The energy objective: the hinge is per sample, and the game's value is the margin."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gantlet.objectives.base import Monitored
from gantlet.objectives.energy import Energy

REAL, FAKE = torch.tensor([0.5, 1.5]), torch.tensor([0.0, 4.0])


def test_the_hinge_is_per_sample() -> None:
    """Fake energies 0 and 4 at margin 1: hinge (1 + 0)/2, though their mean lies beyond the margin."""
    objective = Energy(margin=1.0)
    assert objective.discriminator(real=REAL, fake=FAKE).item() == 1.0 + 0.5
    assert objective.generator(fake=FAKE).item() == 2.0


def test_a_fake_beyond_the_margin_teaches_only_the_generator() -> None:
    fake = torch.tensor([9.0, 11.0], requires_grad=True)
    objective = Energy()
    (judged,) = torch.autograd.grad(objective.discriminator(real=REAL, fake=fake), fake)
    (made,) = torch.autograd.grad(objective.generator(fake=fake), fake)
    assert (judged.tolist(), made.tolist()) == ([-0.5, 0.0], [0.5, 0.5])


def test_monitors_add_up_to_the_loss() -> None:
    objective = Energy(margin=torch.tensor([1.0, 3.0]).reshape(2, 1, 1))
    assert isinstance(objective, Monitored)
    real, fake = REAL.expand(2, 1, 2), FAKE.expand(2, 3, 2)
    seen = objective.monitors(real=real, fake=fake)
    assert seen["hinge"].tolist() == [[0.5] * 3, [1.5] * 3]
    assert seen["energy_real"].tolist() == [[1.0], [1.0]]
    assert seen["energy_fake"].tolist() == [[2.0] * 3] * 2
    assert torch.equal(seen["energy_real"] + seen["hinge"], objective.discriminator(real=real, fake=fake))


@pytest.mark.parametrize("energy", [0.0, 0.4, 0.7])
def test_the_value_at_the_equilibrium_is_the_margin(energy: float) -> None:
    """Theorem 1: for p = q the loss is m, whichever energy in [0, m] every sample has."""
    objective, level = Energy(margin=0.7), torch.full((5,), energy)
    p = torch.tensor([0.1, 0.2, 0.7])
    assert objective.optimal_value(real=p, fake=p).item() == pytest.approx(0.7)
    assert objective.discriminator(real=level, fake=level).item() == pytest.approx(0.7)


def test_disjoint_distributions_cost_nothing() -> None:
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert Energy().optimal_score(real=p, fake=q).tolist() == [0.0, 10.0]
    assert Energy().optimal_value(real=p, fake=q).item() == 0.0


def test_a_hinge_of_the_batchs_mean_is_not_that_of_its_parts() -> None:
    """Energies 0 and 4 at margin 1: max(0, 1 - 2) = 0, and the parts' hinges 1 and 0 have the mean 1/2."""
    fake, real = torch.tensor([[0.0, 4.0]]), torch.zeros(1, 2)
    whole = Energy(margin=1.0, hinge="batch")
    parts = torch.stack([whole.discriminator(real=real[:, [i]], fake=fake[:, [i]]) for i in range(2)]).mean()
    assert (whole.discriminator(real=real, fake=fake).item(), parts.item()) == (0.0, 0.5)
    assert not replace(whole, margin=2.0).separable
    assert Energy().separable
