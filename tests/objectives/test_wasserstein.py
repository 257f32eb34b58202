"""The Wasserstein objective: it is linear, and its monitor is the estimate."""

from __future__ import annotations

import torch

from gantlet.objectives.base import Monitored, Theory
from gantlet.objectives.wasserstein import Wasserstein

REAL, FAKE = torch.tensor([[1.0, 3.0, 8.0], [0.0, 0.0, 3.0]]), torch.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]])


def test_values_by_hand() -> None:
    assert Wasserstein().discriminator(real=REAL, fake=FAKE).tolist() == [-3.0, 4.0]
    assert Wasserstein().generator(fake=FAKE).tolist() == [-1.0, -5.0]


def test_the_estimate_is_minus_the_critics_loss() -> None:
    objective = Wasserstein()
    assert isinstance(objective, Monitored)
    assert objective.monitors(real=REAL, fake=FAKE)["wasserstein_estimate"].tolist() == [3.0, -4.0]


def test_no_level_and_no_optimum() -> None:
    """Adding a constant changes nothing, doubling the critic doubles the loss: unbounded, without a boundary."""
    objective = Wasserstein()
    loss = objective.discriminator(real=REAL, fake=FAKE)
    assert torch.equal(objective.discriminator(real=REAL + 7, fake=FAKE + 7), loss)
    assert torch.equal(objective.discriminator(real=2 * REAL, fake=2 * FAKE), 2 * loss)
    assert objective.boundary is None
    assert not isinstance(objective, Theory)
