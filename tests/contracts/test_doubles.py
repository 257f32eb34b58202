"""The stand-ins for whatever an objective may need give known answers through the protocols as they are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contracts.doubles import AutoEncoders, BalanceLike, CoulombLike, EnergyLike, potential
from gantlet.networks.base import Family
from gantlet.objectives.base import DiscriminatorOutput, Objective, Stateful


@pytest.mark.parametrize("objective", [CoulombLike(), EnergyLike(), BalanceLike()])
def test_they_are_objectives(objective: object) -> None:
    assert isinstance(objective, Objective)
    assert isinstance(objective, Stateful) == (type(objective) is BalanceLike)


def points(*values: float) -> Tensor:
    """Samples on a line for one member and one generator, ``[1, 1, B, 1]``."""
    return torch.tensor(values).reshape(1, 1, -1, 1)


def test_coulomb_potential_of_two_charges() -> None:
    """A real and a fake point at distance √3: k = 1/2 between them and 1 at each, so P = ±1/2 and L_D = 1/4 + 1/4."""
    real, fake = points(0.0), points(math.sqrt(3))
    for at, value in ((real, 0.5), (fake, -0.5)):
        assert potential(at, real=real, fake=fake, epsilon=1.0).item() == pytest.approx(value)
    zero = torch.zeros(1, 1, 1)
    loss = CoulombLike().discriminator(real=zero, fake=zero, real_samples=real, fake_samples=fake)
    assert loss.tolist() == [[pytest.approx(0.5)]]


def test_coulomb_takes_two_batch_sizes_and_teams() -> None:
    """S = 2, K = 3, four real and five fake samples: each generator's charges make a field of their own."""
    source = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 1, 4, 2, generator=source), torch.randn(2, 3, 5, 2, generator=source)
    scores = torch.randn(2, 1, 4, generator=source), torch.randn(2, 3, 5, generator=source)
    objective = CoulombLike(epsilon=torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
    together = objective.discriminator(real=scores[0], fake=scores[1], real_samples=real, fake_samples=fake)
    assert together.shape == (2, 3)
    for s, epsilon in enumerate((0.5, 2.0)):
        for k in range(3):
            alone = CoulombLike(epsilon=epsilon).discriminator(
                real=scores[0][s : s + 1],
                fake=scores[1][s : s + 1, k : k + 1],
                real_samples=real[s : s + 1],
                fake_samples=fake[s : s + 1, k : k + 1],
            )
            assert torch.allclose(together[s, k], alone[0, 0])


def test_the_hinge_is_per_sample() -> None:
    """Energies 0 and 4 at margin 1: hinge (1 + 0)/2, though their mean lies beyond the margin."""
    real, fake = DiscriminatorOutput(torch.tensor([0.5, 1.5])), DiscriminatorOutput(torch.tensor([0.0, 4.0]))
    assert EnergyLike().discriminator(real=real, fake=fake).item() == pytest.approx(1.0 + 0.5)


def test_the_pulling_away_term_leaves_the_diagonal_out() -> None:
    """Codes at angles 0, 90 and 45 degrees: squared cosines 0, 1/2, 1/2, mean 1/3 over the pairs."""
    code = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    loss = EnergyLike(pulling=0.6).generator(fake=DiscriminatorOutput(torch.tensor([1.0, 2.0, 6.0]), code=code))
    assert loss.item() == pytest.approx(3.0 + 0.6 / 3)


def test_k_follows_the_balance_and_stays_within_0_and_1() -> None:
    objective, state = BalanceLike(rate=0.5), BalanceLike().init(2)
    real, fake = torch.tensor([[[4.0, 8.0]], [[4.0, 8.0]]]), torch.tensor([[[1.0, 2.0]], [[8.0, 9.0]]])
    assert objective.discriminator(real=real, fake=fake, state=state).tolist() == [[6.0], [6.0]]
    state, seen = objective.update(state, real=real, fake=fake)
    assert seen["balance"].flatten().tolist() == [1.5, -5.5]
    assert seen["convergence"].flatten().tolist() == [7.5, 11.5]
    assert state["k"].flatten().tolist() == [0.75, 0.0]
    assert objective.discriminator(real=real, fake=fake, state=state).tolist() == [[6 - 0.75 * 1.5], [6.0]]
    for _ in range(3):
        state, _ = objective.update(state, real=real, fake=fake)
    assert state["k"].flatten().tolist() == [1.0, 0.0]


def test_an_auto_encoder_gives_energy_and_code() -> None:
    torch.manual_seed(0)
    family = AutoEncoders(width=3)
    assert isinstance(family, Family)
    discriminator = family.discriminator(shape=(1, 2, 2))
    x = family.generator(latent=2, shape=(1, 2, 2))(torch.randn(5, 2))
    output = discriminator(x)
    assert output.code.shape == (5, 3)
    assert torch.allclose(output.score, (discriminator.decode(output.code) - x.flatten(1)).square().sum(-1))
