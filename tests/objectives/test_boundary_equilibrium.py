"""The boundary equilibrium: how k moves, and what is watched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.objectives.base import Stateful
from gantlet.objectives.boundary_equilibrium import BoundaryEquilibrium


def energies(*members: list[float]) -> Tensor:
    """One batch per member, ``[S, 1, B]``."""
    return torch.tensor(members)[:, None]


REAL, FAKE = energies([4.0, 8.0], [4.0, 8.0]), energies([1.0, 2.0], [8.0, 9.0])


def test_k_follows_the_balance_and_stays_within_0_and_1() -> None:
    """Balances 1/2 · 6 - 1.5 and 1/2 · 6 - 8.5, measures 6 + 1.5 and 6 + 5.5."""
    objective = BoundaryEquilibrium(rate=0.5)
    assert isinstance(objective, Stateful)
    state = objective.init(2)
    assert objective.discriminator(real=REAL, fake=FAKE, state=state).tolist() == [[6.0], [6.0]]
    state, seen = objective.update(state, real=REAL, fake=FAKE)
    assert seen["balance"].tolist() == [[[1.5]], [[-5.5]]]
    assert seen["convergence"].tolist() == [[[7.5]], [[11.5]]]
    assert seen["k"].tolist() == state["k"].tolist() == [[[0.75]], [[0.0]]]
    assert objective.discriminator(real=REAL, fake=FAKE, state=state).tolist() == [[6 - 0.75 * 1.5], [6.0]]
    for _ in range(3):
        state, seen = objective.update(state, real=REAL, fake=FAKE)
    assert seen["k"].tolist() == state["k"].tolist() == [[[1.0]], [[0.0]]]


def test_settings_per_member() -> None:
    """γ 1 and 0.25 at rates 0.01 and 0.02: k moves by 0.01 · (6 - 1.5); 1.5 - 8.5 keeps the other at 0."""
    gamma, rate = (torch.tensor(each).reshape(2, 1, 1) for each in ([1.0, 0.25], [0.01, 0.02]))
    objective = BoundaryEquilibrium(gamma=gamma, rate=rate)
    state, seen = objective.update(objective.init(2), real=REAL, fake=FAKE)
    assert state["k"].flatten().tolist() == pytest.approx([0.045, 0.0])
    assert seen["balance"].flatten().tolist() == pytest.approx([4.5, -7.0])


def test_a_team_shares_one_k() -> None:
    """Generators with mean energies 1 and 3 move k as one with 2."""
    fake = torch.tensor([[[0.5, 1.5], [2.0, 4.0]]])
    objective = BoundaryEquilibrium(rate=0.1)
    state, seen = objective.update(objective.init(1), real=REAL[:1], fake=fake)
    assert state["k"].shape == (1, 1, 1)
    assert state["k"].item() == pytest.approx(0.1 * (3 - 2))
    assert seen["convergence"].item() == pytest.approx(6 + 1)
    losses = objective.discriminator(real=REAL[:1], fake=fake, state=state)
    assert losses.flatten().tolist() == pytest.approx([6 - 0.1 * 1, 6 - 0.1 * 3])


def test_the_state_is_no_way_for_gradients() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    objective = BoundaryEquilibrium()
    state, seen = objective.update(objective.init(2), real=real, fake=fake)
    assert not any(value.requires_grad for value in (*state.values(), *seen.values()))


def test_where_the_ratio_is_gamma_k_rests() -> None:
    """The equilibrium of the paper: E e_f = γ E e_r."""
    objective, state = BoundaryEquilibrium(gamma=0.25), {"k": torch.full((2, 1, 1), 0.3)}
    moved, seen = objective.update(state, real=REAL, fake=energies([1.0, 2.0], [1.5, 1.5]))
    assert torch.equal(moved["k"], state["k"])
    assert seen["convergence"].flatten().tolist() == [6.0, 6.0]
