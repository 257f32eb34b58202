"""Objectives of every kind with every penalty: gradients of first and second order, solo equals stacked, or a clear refusal.

The sum of both losses is what a discriminator or generator really descends, so it is tried whole: its slope and its
curvature along a random direction of the player's parameters, by central differences in float64.

Legend: ``S`` members.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

import games
from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.networks.autoencoders import DenseAutoEncoder
from gantlet.networks.generator_head import embedded
from gantlet.objectives.base import DiscriminatorOutput, WithCritic
from gantlet.settings import settings_of
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Execution, Player
from gantlet.training.fleet import Fleet
from gantlet.training.step import PenaltyContext, PlayerBatch, critic, losses, needs_of, penalty_losses
from terminal import resolve
from thinning import crossed, fast

OBJECTIVES = catalogue.names("objective")
PENALTIES = catalogue.names("penalty")
ENERGIES = {"energy", "boundary-equilibrium"}
KERNELS = {"mmd", "cramer"}


def kind(objective: str) -> str:
    """What a penalty meets of an objective: its discriminator, or the critic that it makes of the outputs; no more."""
    found = catalogue.find("objective", objective)
    return objective if objective in KERNELS or isinstance(found(), WithCritic) else str(objective in ENERGIES)


FIRST = {kind(objective): objective for objective in reversed(OBJECTIVES)}
IN_STEP = fast(crossed(OBJECTIVES, PENALTIES))
"""Each objective with some penalty, each penalty with some objective."""

PAIRS = [
    (objective, penalty)
    for objective in OBJECTIVES
    for penalty in PENALTIES
    if (objective, penalty) in IN_STEP or objective in FIRST.values()
]
"""Each penalty with one objective of each kind, and those in step."""

every_pair = pytest.mark.parametrize(("objective", "penalty"), PAIRS)
some_pairs_fast = pytest.mark.parametrize(
    ("objective", "penalty"),
    [pair if pair in IN_STEP else pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS],
)


class Smooth(nn.Module):
    """A discriminator without kinks, on which central differences are exact to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Softplus(), nn.Linear(5, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(-1)


class SmoothAutoEncoder(nn.Module):
    """An auto-encoder without kinks, whose energy is the mean square."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 3))
        self.decode = nn.Sequential(nn.Tanh(), nn.Linear(3, 2))

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        code = self.encode(x)
        return DiscriminatorOutput((self.decode(code) - x).square().mean(-1), code=code)


def judge_for(objective: str, penalty: str) -> Callable[[], nn.Module]:
    """The discriminator that a pair needs."""
    if objective in ENERGIES or "autoencoder" in catalogue.find("penalty", penalty).requires:
        return SmoothAutoEncoder
    if objective in KERNELS:
        return lambda: embedded(nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)), 3)
    return Smooth


def fleet(objective: str, penalty: str, seeds: tuple[int, ...], route: Any) -> Fleet:
    """Small fleets of a pair; members differ by seed."""
    sheet = games.sheet(seeds)
    return games.fleet(
        seeds,
        objective=catalogue.find("objective", objective)(),
        penalties=(catalogue.find("penalty", penalty)(),),
        discriminator=Player(judge_for(objective, penalty), games.adam(len(seeds))),
        generator=Player(sheet.generator.build, games.adam(len(seeds))),
        execution=Execution(route=route, dtype=torch.float64),
    )


def whole_loss(trained: Fleet, player: str) -> Callable[[dict[str, Tensor]], Tensor]:
    """The sum of a player's losses over members, as a function of its parameters."""
    sheet = trained.blueprint
    real = trained.loader.real(0)
    latents = trained.inputs._latents.at("generator", 0).flatten(0, 1)  # pyright: ignore[reportPrivateUsage]
    penalties, draws = sheet.penalties, trained.inputs._random  # pyright: ignore[reportPrivateUsage]

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        own = parameters if player == "generator" else None
        fake = trained.generators(latents, parameters=own)["out"].unflatten(0, (trained.members, 1))
        fake = fake if player == "generator" else fake.detach()
        discriminate = partial(trained.discriminate, parameters=None if player == "generator" else parameters)
        batch = PlayerBatch(discriminate(real), discriminate(fake), real, fake, trained.state)
        found = {"loss": losses(sheet.objective, player, batch)}

        def draw(name: str, shape: tuple[int, ...], kind: Literal["normal", "uniform"]) -> torch.Tensor:
            return draws.draw(name, 0, shape, kind)

        given = PenaltyContext(player, 0, 1, draw, parameters)
        found |= penalty_losses(penalties, critic(sheet.objective, discriminate, batch), batch, given)
        return torch.stack([value.sum() for value in found.values()]).sum()

    return loss


def input_gradient(loss: Callable[[dict[str, Tensor]], Tensor], at: dict[str, Tensor]) -> dict[str, Tensor]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in at.items()}
    found = torch.autograd.grad(loss(leaves), list(leaves.values()), create_graph=True, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def moved(at: dict[str, Tensor], way: dict[str, Tensor], by: float) -> dict[str, Tensor]:
    return {name: value.detach() + by * way[name] for name, value in at.items()}


def dot(one: dict[str, Tensor], other: dict[str, Tensor]) -> Tensor:
    return torch.stack([(one[name] * other[name]).sum() for name in one]).sum()


@some_pairs_fast
def test_slope_and_curvature_of_what_is_descended(objective: str, penalty: str) -> None:
    player = catalogue.find("penalty", penalty).player
    trained = games.train(fleet(objective, penalty, (1, 2), "stacked"), 3)
    stack = trained.generators if player == "generator" else trained.discriminators
    loss, at = whole_loss(trained, player), dict(stack.parameters)
    source = torch.Generator().manual_seed(3)
    way = {name: torch.randn(value.shape, generator=source, dtype=torch.float64) for name, value in at.items()}
    h = 1e-5
    with torch.enable_grad():
        rise = (loss(moved(at, way, h)) - loss(moved(at, way, -h))).detach() / (2 * h)
        leaves = {name: value.detach().clone().requires_grad_() for name, value in at.items()}
        first = torch.autograd.grad(loss(leaves), list(leaves.values()), create_graph=True, materialize_grads=True)
        along = torch.stack([(g * w).sum() for g, w in zip(first, way.values(), strict=True)]).sum()
        assert torch.allclose(along, rise, rtol=1e-5, atol=1e-7), f"slope {along} is not {rise}"
        second = torch.autograd.grad(along, list(leaves.values()), materialize_grads=True)
        found = dict(zip(leaves, second, strict=True))
        ends = [input_gradient(loss, moved(at, way, side * h)) for side in (1, -1)]
        bend = (dot(ends[0], way) - dot(ends[1], way)).detach() / (2 * h)
        assert torch.allclose(dot(found, way), bend, rtol=1e-4, atol=1e-5), f"curvature {dot(found, way)} is not {bend}"


@pytest.mark.slow
@every_pair
def test_solo_equals_stacked(objective: str, penalty: str) -> None:
    together = games.train(fleet(objective, penalty, (1, 2, 3), "stacked"), 4)
    alone = games.train(fleet(objective, penalty, (2,), "loop"), 4)
    assert not together.divergences
    for player in ("generator", "discriminator"):
        assert games.difference(games.parameters(together, player, 1), games.parameters(alone, player, 0)) <= 1e-9


@pytest.mark.parametrize("penalty", PENALTIES)
def test_each_penalty_changes_what_its_player_learns(penalty: str) -> None:
    """With its weight at 0 training is another: a penalty that the engine forgot would pass everything above."""
    found = catalogue.find("penalty", penalty)
    ends: list[Tensor] = []
    steep = {"target": 0.0} if "target" in settings_of(found) else {}  # a one-sided penalty is 0 below its target
    for weight in (found().weight, 0.0):
        trained = fleet("vanilla", penalty, (1,), "stacked")
        object.__setattr__(trained.blueprint, "penalties", (found(weight=weight, **steep),))
        ends.append(games.parameters(games.train(trained, 4), found.player, 0).clone())
    assert games.difference(*ends) > 1e-7


def test_the_fast_suite_keeps_every_objective_and_every_penalty() -> None:
    assert {objective for objective, _ in IN_STEP} == set(OBJECTIVES)
    assert {penalty for _, penalty in IN_STEP} == set(PENALTIES)
    assert {(kind(objective), penalty) for objective, penalty in PAIRS} == set(product(FIRST, PENALTIES))


# Refusals

SHARP = [name for name in PENALTIES if "no_batch_statistics" in catalogue.find("penalty", name).requires]


@pytest.mark.parametrize("penalty", SHARP)
@pytest.mark.parametrize("method", ["vanilla", "wgan", "hinge"])
def test_batch_statistics_are_refused_to_penalties_of_single_samples(method: str, penalty: str) -> None:
    with pytest.raises(Refused, match="needs no_batch_statistics of its discriminator, which the network 'dcgan28'"):
        resolve("digits", method, f"penalties={penalty}", "network=dcgan28")


@pytest.mark.parametrize("penalty", SHARP)
def test_a_discriminator_of_one_s_own_with_batch_norm_is_refused_too(penalty: str) -> None:
    (resolved,) = resolve("ring8", "vanilla", f"penalties={penalty}", "discriminator=contracts.test_pairs:normed")
    with pytest.raises(Refused, match="one sample's score depends on the others of its batch"):
        blueprint([(resolved, 1)], games.dataset().specification, Execution())


def normed(shape: tuple[int, ...]) -> nn.Module:
    """A discriminator with batch norm."""
    return nn.Sequential(nn.Linear(shape[0], 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


@pytest.mark.parametrize("method", ["ebgan", "ebgan-pt", "began"])
def test_energies_need_an_auto_encoder(method: str) -> None:
    with pytest.raises(Refused, match="autoencoder"):
        resolve("ring8", method)
    with pytest.raises(Refused, match="autoencoder"):
        resolve("digits", method, "network=fc-mnist")


def test_codes_need_an_auto_encoder() -> None:
    with pytest.raises(Refused, match="autoencoder"):
        resolve("ring8", "vanilla", "penalties=pulling-away")


def test_a_named_network_lifts_the_refusal() -> None:
    """On points no auto-encoder is offered, but one may be named."""
    (resolved,) = resolve("ring8", "ebgan-pt", "network=autoencoder", "code=2", "d_width=8", "g_width=8", "steps=2")
    sheet = blueprint([(resolved, 1)], games.dataset().specification, Execution())
    assert isinstance(sheet.discriminator.build(), type(DenseAutoEncoder(code=2).discriminator(shape=(2,))))
    assert "outputs" in needs_of(sheet.penalties[0])
