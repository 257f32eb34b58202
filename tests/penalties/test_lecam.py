"""LeCam by hand: the penalty, its averages, and that it holds scores together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.lecam import LeCam


def scores(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, -1)


def held(penalty: LeCam, *, real: Tensor, fake: Tensor, state: dict[str, Tensor]) -> Tensor:
    return penalty(
        DiscriminatorOutput, real_output=DiscriminatorOutput(real), fake_output=DiscriminatorOutput(fake), state=state
    )


def test_each_kind_is_held_to_the_others_average() -> None:
    """Real 1 and 3 against α_F = -1: (4 + 16)/2; fakes 5 of the one and 1 of the other generator against α_R = 2: 9, 1."""
    state = {"real": scores(2.0), "fake": scores(-1.0)}
    value = held(LeCam(weight=0.5), real=scores(1.0, 3.0), fake=torch.tensor([[[5.0], [1.0]]]), state=state)
    assert value.tolist() == [[0.5 * 19, 0.5 * 11]]


def test_it_starts_as_a_pull_to_zero() -> None:
    value = held(LeCam(weight=1.0), real=scores(2.0, 0.0), fake=scores(-3.0), state=LeCam().init(1))
    assert value.item() == 2 + 9


def test_the_averages_move_by_a_hundredth() -> None:
    """From 0 towards 4, and from 0 towards the mean -2 of both generators."""
    penalty = LeCam()
    state, seen = penalty.update(penalty.init(1), real=scores(3.0, 5.0), fake=torch.tensor([[[-1.0], [-3.0]]]))
    assert state["real"].item() == pytest.approx(0.04)
    assert state["fake"].item() == pytest.approx(-0.02)
    assert set(seen) == {"lecam_real", "lecam_fake"}
    state, _ = penalty.update(state, real=scores(4.0), fake=scores(-2.0))
    assert state["real"].item() == pytest.approx(4 * (1 - 0.99**2))


def test_members_have_their_own_averages() -> None:
    penalty = LeCam(decay=torch.tensor([0.0, 0.5]).reshape(2, 1, 1))
    state, _ = penalty.update(penalty.init(2), real=torch.tensor([[[1.0]], [[3.0]]]), fake=torch.zeros(2, 1, 1))
    assert state["real"].flatten().tolist() == [1.0, 1.5]


def test_a_critic_that_would_grow_without_end_is_held() -> None:
    """Wasserstein on two points, free scores: r' = 1 - 2 w (r - α_F). At rest r = -f = 1/(4 w)."""
    penalty, real, fake = LeCam(weight=0.5, decay=0.5), scores(0.0), scores(0.0)
    state = penalty.init(1)
    for _ in range(300):
        leaves = real.clone().requires_grad_(), fake.clone().requires_grad_()
        loss = leaves[1].mean() - leaves[0].mean() + held(penalty, real=leaves[0], fake=leaves[1], state=state).sum()
        state, _ = penalty.update(state, real=leaves[0], fake=leaves[1])
        slopes = torch.autograd.grad(loss, leaves)
        real, fake = real - 0.1 * slopes[0], fake - 0.1 * slopes[1]
    # At rest α_F = f: 1 = 2 w (r - f) = 4 w r, so r = 1/2.
    assert real.item() == pytest.approx(0.5, abs=1e-3)
    assert fake.item() == pytest.approx(-0.5, abs=1e-3)
