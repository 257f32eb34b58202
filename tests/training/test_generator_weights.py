r"""Learned mixture weights: the gradient, the optimum that theory gives, both players' losses, sampling, divergence.

Legend: ``S`` members, ``K`` generators, ``B`` batch.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

import games
from gantlet.data.base import Dataset
from gantlet.objectives.vanilla import Vanilla
from gantlet.training.blueprint import Blueprint, Execution, LearnedWeights, Route, TeamRules
from gantlet.training.fleet import Fleet
from gantlet.training.generator_weights import GeneratorWeights
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.sampling import draw_latents, owners_by_weight, sample
from gantlet.training.update_schedule import UpdateSchedule
from thinning import leading

Reduction = Literal["mean", "sum"]
SCALE = {"mean": 1.0, "sum": 3.0}
DOUBLE = Execution(dtype=torch.float64)


def rules(members: int, *, entropy: float = 0.2, lr: float = 0.05, **more: Any) -> TeamRules:
    return TeamRules(learned=LearnedWeights(games.adam(members, lr), entropy), **more)


def sheet(seeds: tuple[int, ...] = (4, 9), *, k: int = 3, route: Route = "stacked", **more: Any) -> Blueprint:
    more = {"team": rules(len(seeds)), **more}
    return games.sheet(seeds, k=k, execution=Execution(route=route, dtype=torch.float64), **more)


def uneven(fleet: Fleet) -> Fleet:
    """The fleet with weights that differ between generators and members."""
    assert fleet.generator_weights is not None
    with torch.no_grad():
        numbers = torch.arange(fleet.generator_weights.logits.numel(), dtype=torch.float64)
        fleet.generator_weights.logits.copy_(torch.sin(1 + 3 * numbers).reshape(fleet.generator_weights.logits.shape))
    return fleet


def scores(fleet: Fleet, x: Tensor, slot: int) -> Tensor:  # [..., 2] -> [...]
    """The discriminator of a member by hand: layers in turn, a leaky rectifier between them."""
    tensors = [value[slot] for value in fleet.discriminators.parameters.values()]
    layers = list(pairwise(tensors))[::2]
    for place, (weight, bias) in enumerate(layers):
        x = x @ weight.mT + bias
        x = torch.nn.functional.leaky_relu(x, 0.2) if place < len(layers) - 1 else x
    return x.squeeze(-1)


def objective(logits: np.ndarray, losses: np.ndarray, *, entropy: float) -> float:
    """Σ_k π_k L_k - λ H(π), of one team."""
    chance = np.exp(logits - logits.max())
    chance /= chance.sum()
    return float((chance * losses).sum() + entropy * (chance * np.log(chance)).sum())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_of_the_logits_is_that_of_finite_differences(reduction: Reduction) -> None:
    fleet = uneven(Fleet(sheet(team=rules(2, reduction=reduction)), games.dataset()))
    assert fleet.generator_weights is not None
    fake = fleet._generate("generator", lambda: 0).detach()  # pyright: ignore[reportPrivateUsage]
    losses = [softplus(-scores(fleet, fake[slot], slot)).mean(-1).detach().numpy() for slot in range(2)]
    fleet._differentiate_generator(lambda: 0)  # pyright: ignore[reportPrivateUsage]
    assert fleet.generator_weights.logits.grad is not None
    for slot in range(2):
        at, step = fleet.generator_weights.logits.detach()[slot].numpy(), 1e-6
        for place in range(3):
            nudge = step * np.eye(3)[place]
            ends = [objective(at + sign * nudge, losses[slot], entropy=0.2) for sign in (1, -1)]
            expected = SCALE[reduction] * (ends[0] - ends[1]) / (2 * step)
            assert float(fleet.generator_weights.logits.grad[slot, place]) == pytest.approx(
                expected, rel=1e-6, abs=1e-9
            )


def test_both_players_play_against_the_weighted_mixture() -> None:
    fleet = uneven(Fleet(sheet(), games.dataset()))
    assert fleet.generator_weights is not None
    shares = fleet.generator_weights.shares()
    fleet._differentiate_discriminator()  # pyright: ignore[reportPrivateUsage]
    real, fake = fleet.loader.real(0), fleet._generate("discriminator", lambda: 0).detach()  # pyright: ignore[reportPrivateUsage]
    for slot in range(2):
        weighted = (shares[slot] * softplus(scores(fleet, fake[slot], slot)).mean(-1)).sum()
        loss = softplus(-scores(fleet, real[slot, 0].double(), slot)).mean() + weighted
        for parameter in fleet.discriminators.parameters.values():
            assert parameter.grad is not None
            (expected,) = torch.autograd.grad(loss, parameter, retain_graph=True)
            torch.testing.assert_close(parameter.grad[slot], expected[slot], rtol=1e-9, atol=1e-12)
    assert fleet.generator_weights.logits.grad is None, "the weights are the generators'"
    fleet._differentiate_generator(lambda: 0)  # pyright: ignore[reportPrivateUsage]
    made = fleet._generate("generator", lambda: 0)  # pyright: ignore[reportPrivateUsage]
    name, leaf = next(iter(fleet.generators.parameters.items()))
    for slot in range(2):
        loss = (shares[slot] * softplus(-scores(fleet, made[slot], slot)).mean(-1)).sum()
        (expected,) = torch.autograd.grad(loss, leaf, retain_graph=True)
        assert fleet.generators.parameters[name].grad is not None
        torch.testing.assert_close(leaf.grad.unflatten(0, (2, 3))[slot], expected.unflatten(0, (2, 3))[slot])  # pyright: ignore


@pytest.mark.parametrize("reduction", leading(("sum", "mean")))
def test_the_best_weights_of_losses_that_stand_still_are_those_of_gibbs(reduction: Reduction) -> None:
    """π_k ∝ exp(-L_k / λ), whatever the reduction; the least value is -λ log Σ exp(-L_k / λ)."""
    rate = (5 / SCALE[reduction],) * 2
    rule = LearnedWeights(OptimiserSpec("sgd", rate, (0.0, 0.0), (0.0, 0.0)), entropy=0.4)
    mixture = GeneratorWeights(rule, members=2, generators=3, execution=DOUBLE)
    losses = torch.tensor([[0.3, 0.9, 1.1], [2.0, 0.5, 0.7]], dtype=torch.float64)
    for _ in range(900):
        mixture.optimiser.zero_grad()
        mixture.generator_loss(losses, reduction).sum().backward()
        mixture.optimiser.step()
    torch.testing.assert_close(mixture.shares(), (-losses / 0.4).softmax(-1), rtol=1e-9, atol=1e-12)
    least = -0.4 * torch.logsumexp(-losses / 0.4, 1) * SCALE[reduction]
    torch.testing.assert_close(mixture.generator_loss(losses, reduction).detach(), least)


@pytest.mark.slow
def test_a_generator_that_stays_wrong_is_hardly_asked_any_more() -> None:
    """Two generators that cannot learn: one makes the data, the other makes points far away."""
    points = 0.05 * torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    learned = LearnedWeights(games.adam(1, 0.05), entropy=0.05)
    drawn = sheet((3,), k=2, team=TeamRules(learned=learned), steps=300)
    drawn = replace(
        drawn,
        generator=replace(drawn.generator, optimiser=games.adam(1, 1e-12)),
        discriminator=replace(drawn.discriminator, optimiser=games.adam(1, 0.01)),
    )
    fleet = Fleet(drawn, Dataset(points, points))
    assert fleet.generator_weights is not None
    with torch.no_grad():
        *_, weight, bias = fleet.generators.parameters.values()
        weight.mul_(0.05)
        bias.copy_(torch.tensor([[0.0, 0.0], [0.0, 3.0]]))
    assert fleet.generator_weights.shares().tolist() == [[0.5, 0.5]]
    games.train(fleet)
    assert float(fleet.generator_weights.shares()[0, 1]) < 0.02
    assert (draw_latents(fleet, 1000).owners == 0).float().mean() > 0.95


@pytest.mark.parametrize(
    "schedule",
    leading([UpdateSchedule(order="g_first", latent="shared"), UpdateSchedule(), UpdateSchedule(extragradient=True)]),
)
def test_solo_equals_stacked(schedule: UpdateSchedule) -> None:
    together = games.train(Fleet(sheet(schedule=schedule), games.dataset()))
    assert together.generator_weights is not None
    for slot, seed in enumerate((4, 9)):
        drawn = sheet((seed,), route="loop", schedule=schedule)
        alone = games.train(Fleet(drawn, games.dataset()))
        assert alone.generator_weights is not None
        torch.testing.assert_close(
            alone.generator_weights.logits[0], together.generator_weights.logits[slot], rtol=1e-9, atol=1e-12
        )
        assert float(alone.generator_weights.logits.detach().abs().max()) > 0.01, "nothing was learned"
        for player in ("generator", "discriminator"):
            mine, theirs = games.parameters(alone, player, 0), games.parameters(together, player, slot)
            assert games.difference(theirs, mine) <= 1e-9


def test_equal_weights_that_never_move_are_the_plain_team() -> None:
    still = TeamRules(learned=LearnedWeights(games.adam(2, 0.0), entropy=0.2))
    learned, plain = (games.train(Fleet(sheet(team=team), games.dataset()), 5) for team in (still, TeamRules()))
    for player in ("generator", "discriminator"):
        for slot in range(2):
            mine, theirs = games.parameters(learned, player, slot), games.parameters(plain, player, slot)
            assert games.difference(mine, theirs) <= 1e-9


def test_rates_are_a_members_own() -> None:
    fleet = Fleet(sheet(team=TeamRules(learned=LearnedWeights(games.adam(2, (0.0, 0.1)), 0.2))), games.dataset())
    games.train(fleet, 3)
    assert fleet.generator_weights is not None
    assert fleet.generator_weights.logits[0].tolist() == [0.0, 0.0, 0.0]
    assert float(fleet.generator_weights.logits[1].detach().abs().min()) > 0.0


class Trips(Vanilla):
    """The second member meets infinity in one generator's loss at the fourth update."""

    calls = 0

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:
        self.__dict__["calls"] = self.calls + 1
        loss = super().generator(fake=fake)
        hit = torch.zeros_like(loss, dtype=torch.bool)
        hit[1, 2] = self.calls == 4
        return loss + torch.where(hit, torch.inf, 0.0)


def test_a_member_that_left_keeps_its_weights_bit_for_bit() -> None:
    fleet = games.train(Fleet(sheet(objective=Trips()), games.dataset()), 3)
    assert fleet.generator_weights is not None
    before = fleet.generator_weights.logits.detach().clone()
    games.train(fleet, 4)
    assert fleet.alive == [True, False]
    assert torch.equal(fleet.generator_weights.logits[1], before[1])
    assert not torch.equal(fleet.generator_weights.logits[0], before[0])
    undisturbed = games.train(Fleet(sheet(), games.dataset()), 7).generator_weights
    assert undisturbed is not None
    assert torch.equal(fleet.generator_weights.logits[0], undisturbed.logits[0])


def test_samples_come_from_each_generator_as_often_as_it_weighs() -> None:
    fleet = uneven(Fleet(sheet(), games.dataset()))
    assert fleet.generator_weights is not None
    draw, count = draw_latents(fleet, 20_000), 20_000
    assert draw.owners.shape == (2, count)
    for slot in range(2):
        share = torch.bincount(draw.owners_of([slot])[0], minlength=3) / count
        error = (fleet.generator_weights.shares()[slot] * (1 - fleet.generator_weights.shares()[slot]) / count).sqrt()
        assert bool(((share - fleet.generator_weights.shares()[slot]).abs() < 4 * error).all())
    assert not torch.equal(draw.owners[0], draw.owners[1])
    made = sample(fleet, draw, [1, 0])
    for row, slot in enumerate((1, 0)):
        for place in (0, 77, 19_999):
            network = 3 * slot + int(draw.owners[slot, place])
            own = {n: p.detach()[network : network + 1] for n, p in fleet.generators.parameters.items()}
            expected = fleet.generators.evaluate(network, own, draw.latents[place : place + 1].double())
            torch.testing.assert_close(made[row, place : place + 1], expected)


def test_nobody_is_picked_beyond_the_last_or_without_weight() -> None:
    owners = owners_by_weight(torch.tensor([0.0, 0.1, 0.0, 0.2]), 10_000, torch.Generator().manual_seed(2))
    assert owners.unique().tolist() == [1, 3]
    assert float((owners == 3).float().mean()) == pytest.approx(2 / 3, abs=0.02)


def test_the_entropy_is_logged_from_its_highest_value_on() -> None:
    fleet = games.train(Fleet(sheet(), games.dataset()), 10)
    rows = fleet.history.take()
    seen = [value for name, value in zip(rows.name, rows.value, strict=True) if name == "generator_weights_entropy"]
    assert seen[0] == pytest.approx(np.log(3))
    assert min(seen) < np.log(3) - 1e-6
    assert max(seen) <= np.log(3) + 1e-12
