"""The hinge objective: values by hand, and which samples still teach."""

from __future__ import annotations

import pytest
import torch

from gantlet.objectives.base import Monitored
from gantlet.objectives.hinge import Hinge

REAL, FAKE = torch.tensor([2.0, 1.0, 0.5, -1.0]), torch.tensor([-3.0, -0.5, 1.0])


def test_values_by_hand() -> None:
    assert Hinge().discriminator(real=REAL, fake=FAKE).item() == pytest.approx(
        (0 + 0 + 0.5 + 2) / 4 + (0 + 0.5 + 2) / 3
    )
    assert Hinge().generator(fake=FAKE).item() == pytest.approx(2.5 / 3)


def test_beyond_the_margin_nothing_is_learnt_by_the_discriminator() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    slopes = torch.autograd.grad(Hinge().discriminator(real=real, fake=fake), (real, fake))
    assert slopes[0].tolist() == [0.0, 0.0, -0.25, -0.25]
    assert slopes[1].tolist() == pytest.approx([0.0, 1 / 3, 1 / 3])


def test_the_monitors_are_the_shares_that_still_teach() -> None:
    objective = Hinge()
    assert isinstance(objective, Monitored)
    seen = objective.monitors(real=REAL, fake=FAKE)
    assert seen["margin_real"].item() == 0.5
    assert seen["margin_fake"].item() == pytest.approx(2 / 3)


def test_disjoint_distributions_cost_nothing_and_equal_ones_2() -> None:
    p, q = torch.tensor([0.25, 0.75, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert Hinge().optimal_value(real=p, fake=q).item() == 0.0
    assert Hinge().optimal_value(real=p, fake=p).item() == 2.0
