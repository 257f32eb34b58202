r"""Teams against the loop that one would write by hand: over generators, in plain modules, with torch's own Adam.

The loop knows nothing of stacks. It walks through layers, normalises batches by the formula, and has each objective and
penalty restated on one batch of real and one of fake scores. Only latents, batches and the penalty's draws are the fleet's.

What is asked of batch statistics: the real batch and each generator's are scored on their own. In the discriminator's
update the real batch moves the running statistics first; each generator's batch moves them from there, and their mean
stays. Nothing else moves them.

Legend: ``S`` members, ``K`` generators, ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import games
from gantlet import catalogue
from gantlet.networks.autoencoders import AutoEncoder
from gantlet.objectives.base import Objective
from gantlet.objectives.energy import Energy
from gantlet.objectives.least_squares import LeastSquares
from gantlet.objectives.relativistic import Relativistic
from gantlet.objectives.relativistic_average import RelativisticAverage
from gantlet.objectives.vanilla import Vanilla
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.penalties.base import Penalty
from gantlet.penalties.gradient import GradientPenalty
from gantlet.penalties.r1 import R1
from gantlet.penalties.r2 import R2
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, expand
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.training.blueprint import Execution, Player, TeamRules
from gantlet.training.fleet import Fleet
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.stack import Stack
from gantlet.training.update_schedule import UpdateSchedule
from thinning import covering, crossed, leading

SEEDS = (4, 9)
STEPS = 10
EPS = 1e-5
"""Adam's. A critic's last bias has no gradient but rounding errors, which the usual 1e-8 would make steps of 1e-9."""
PLAYERS = ("generator", "discriminator")
Running = list[Tensor]
"""Mean and variance of each batch norm of a network, ``[2, 6]``."""
Losses = Callable[[Tensor, Tensor], Tensor]
"""Real and fake scores ``[B], [B] -> []``."""


def first(inputs: int, norm: bool) -> list[nn.Module]:
    """A layer of six; what shifts a whole batch before its norm would have no gradient but rounding errors."""
    return [nn.Linear(inputs, 6, bias=not norm), *([nn.BatchNorm1d(6)] if norm else [])]


def generator(norm: bool) -> nn.Module:
    return nn.Sequential(*first(3, norm), nn.Tanh(), nn.Linear(6, 2))


def discriminator(norm: bool) -> nn.Module:
    return nn.Sequential(*first(2, norm), nn.LeakyReLU(0.2), nn.Linear(6, 1), nn.Flatten(0))


def autoencoder(norm: bool) -> nn.Module:
    encoder = nn.Sequential(*first(2, norm), nn.LeakyReLU(0.2), nn.Linear(6, 1))
    return AutoEncoder(encoder, nn.Linear(1, 2), kind="l2", features=1)


class Plain:
    """One network out of a stack, run layer by layer."""

    def __init__(self, module: nn.Module, stack: Stack, row: int) -> None:
        self.module = module.double()
        for name, parameter in module.named_parameters():
            parameter.data.copy_(stack.parameters[name].detach()[row])
        self.layers = [m for m in module.modules() if not list(m.children()) and not isinstance(m, nn.Flatten)]
        norms = sum(isinstance(layer, nn.BatchNorm1d) for layer in self.layers)
        self.running: Running = [torch.tensor([[0.0], [1.0]]).double().expand(2, 6)] * norms

    def __call__(self, x: Tensor, running: Running | None = None) -> tuple[Tensor, Running]:
        """What comes out, and where running statistics move from those given."""
        before, moved = iter(self.running if running is None else running), list[Tensor]()
        for layer in self.layers:
            if not isinstance(layer, nn.BatchNorm1d):
                x = layer(x)
                continue
            mean, square = x.mean(0), (x - x.mean(0)).square().sum(0)
            moved.append(0.9 * next(before) + 0.1 * torch.stack([mean, square / (len(x) - 1)]).detach())
            x = (x - mean) / (square / len(x) + 1e-5).sqrt() * layer.weight + layer.bias
        return x, moved

    def score(self, x: Tensor, running: Running | None = None) -> tuple[Tensor, Running]:
        """Scores ``[B]``: the last number, or how far a sample is from its reconstruction."""
        out, moved = self(x, running)
        return ((x - out).square().sum(1).sqrt() if isinstance(self.module, AutoEncoder) else out.squeeze(1)), moved


@dataclass(frozen=True)
class Game:
    """An objective as gantlet has it and as one writes it.

    ``penalty`` is given the discriminator, real and fake samples ``[B, 2]``, and places between them ``[B]``.
    """

    objective: Objective
    loss_d: Losses
    loss_g: Losses
    penalties: tuple[Penalty, ...] = ()
    penalty: Callable[[Plain, Tensor, Tensor, Tensor], Tensor] | None = None
    discriminator: Callable[[bool], nn.Module] = discriminator
    d_norm: bool = False
    g_norm: bool = False
    schedule: UpdateSchedule = field(default_factory=UpdateSchedule)


def slopes(d: Plain, at: Tensor) -> Tensor:  # [B, 2] -> [B]
    at = at.clone().requires_grad_()
    (found,) = torch.autograd.grad(d.score(at)[0].sum(), at, create_graph=True)
    return found.square().sum(1).sqrt()


def wgan_gp(d: Plain, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    return 7.0 * (slopes(d, mix[:, None] * real + (1 - mix[:, None]) * fake) - 1).square().mean()


def r1_and_r2(d: Plain, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    return 3.0 / 2 * slopes(d, real).square().mean() + 5.0 / 2 * slopes(d, fake).square().mean()


VANILLA = Game(Vanilla(), lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda r, f: softplus(-f).mean())
SCRIPT = replace(VANILLA, schedule=UpdateSchedule(order="g_first", latent="shared"))
SQUARES = Game(
    LeastSquares(a=-1.0, b=1.0, c=0.5),
    lambda r, f: (r - 1).square().mean() / 2 + (f + 1).square().mean() / 2,
    lambda r, f: (f - 0.5).square().mean() / 2,
)
CRITIC = Game(Wasserstein(), lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean())
SLOPED = replace(CRITIC, penalties=(GradientPenalty(weight=7.0),), penalty=wgan_gp)
ENERGY = Game(
    Energy(margin=1.0),
    lambda r, f: r.mean() + (1 - f).clamp(min=0).mean(),
    lambda r, f: f.mean(),
    discriminator=autoencoder,
)
PAIRED = Game(Relativistic(), lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean())
AVERAGED = Game(
    RelativisticAverage(),
    lambda r, f: softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean(),
    lambda r, f: softplus(r.mean() - f).mean() + softplus(r - f.mean()).mean(),
)
PLAIN = {"vanilla": VANILLA, "least squares": SQUARES, "critic": CRITIC, "energy": ENERGY, "paired": PAIRED}
GAMES = {
    **PLAIN,
    "averaged": AVERAGED,
    **{f"{name}, batch norm in D": replace(game, d_norm=True) for name, game in PLAIN.items()},
    "averaged, batch norm in both": replace(AVERAGED, d_norm=True, g_norm=True),
    "vanilla, batch norm in G": replace(VANILLA, g_norm=True),
    "wgan-gp": replace(SLOPED, schedule=UpdateSchedule(n_critic=2)),
    "wgan-gp, batch norm in G": replace(SLOPED, g_norm=True),
    "r3gan": replace(PAIRED, penalties=(R1(weight=3.0), R2(weight=5.0)), penalty=r1_and_r2),
    "stackelberg": SCRIPT,
    "stackelberg, batch norm in both": replace(SCRIPT, d_norm=True, g_norm=True),
}
"""Every objective with and without batch statistics, but penalties on slopes, which exclude them in D."""


class Team:
    """One member of a fleet in plain PyTorch: K generators, one discriminator, one Adam each side."""

    def __init__(self, game: Game, fleet: Fleet, member: int) -> None:
        self.game, self.k = game, fleet.blueprint.sizes.generators
        reduction = fleet.blueprint.team.reduction
        self.share = 1 / self.k if reduction == "mean" else 1.0
        self.share_d = self.share / 2 if reduction == "half-sum" else self.share
        rows = range(member * self.k, (member + 1) * self.k)
        self.generators = [Plain(generator(game.g_norm), fleet.generators, row) for row in rows]
        self.discriminator = Plain(game.discriminator(game.d_norm), fleet.discriminators, member)
        self.adam_g, self.adam_d = (
            torch.optim.Adam(parameters, lr=1e-2, betas=(0.5, 0.9), eps=EPS)
            for parameters in (
                chain.from_iterable(g.module.parameters() for g in self.generators),
                self.discriminator.module.parameters(),
            )
        )

    def move_discriminator(self, real: Tensor, latents: Tensor, mix: Tensor) -> None:  # [B, 2], [K, B, 3], [K, B]
        """Its update, against fakes that give no gradient to their makers."""
        d = self.discriminator
        on_real, moved = d.score(real)
        losses, ends = list[Tensor](), list[Running]()
        for place, g in enumerate(self.generators):
            fake = g(latents[place])[0].detach()
            on_fake, end = d.score(fake, moved)
            loss = self.game.loss_d(on_real, on_fake)
            if self.game.penalty is not None:
                loss = loss + self.game.penalty(d, real, fake, mix[place])
            losses.append(loss)
            ends.append(end)
        self.adam_d.zero_grad()
        (self.share_d * torch.stack(losses).sum()).backward()
        self.adam_d.step()
        d.running = [sum(norm) / self.k for norm in zip(*ends, strict=True)]

    def move_generators(self, real: Tensor, latents: Tensor) -> None:  # [B, 2], [K, B, 3]
        """Their update, all at once."""
        losses: list[Tensor] = []
        on_real = self.discriminator.score(real)[0].detach()
        for place, g in enumerate(self.generators):
            fake, g.running = g(latents[place])
            losses.append(self.game.loss_g(on_real, self.discriminator.score(fake)[0]))
        self.adam_g.zero_grad()
        (self.share * torch.stack(losses).sum()).backward()
        self.adam_g.step()

    @property
    def vectors(self) -> dict[str, Tensor]:
        """All parameters of each player, in the order of :func:`games.parameters`: by name, then by generator."""
        by_name = zip(*(g.module.parameters() for g in self.generators), strict=True)
        return {
            "generator": torch.cat([p.detach().flatten() for name in by_name for p in name]),
            "discriminator": torch.cat([p.detach().flatten() for p in self.discriminator.module.parameters()]),
        }


ADAM = games.adam(len(SEEDS), 1e-2, eps=EPS)


def descent(rate: float) -> OptimiserSpec:
    """Plain gradient descent."""
    return OptimiserSpec("sgd", lr=(rate,) * len(SEEDS), beta1=(0.0,) * len(SEEDS), beta2=(0.0,) * len(SEEDS))


def fleet_of(game: Game, *, k: int, g: OptimiserSpec = ADAM, d: OptimiserSpec = ADAM, **changes: Any) -> Fleet:
    players = {
        "generator": Player(lambda: generator(game.g_norm), g, batch_statistics=game.g_norm),
        "discriminator": Player(lambda: game.discriminator(game.d_norm), d, batch_statistics=game.d_norm),
    }
    kept = {"objective": game.objective, "penalties": game.penalties, "schedule": game.schedule}
    return Fleet(games.sheet(SEEDS, k=k, steps=STEPS, **players, **kept, **changes), games.dataset())


def play(team: Team, fleet: Fleet, member: int) -> None:
    """All steps of one member, with the fleet's own latents, batches and draws."""
    schedule, update, batch = team.game.schedule, 0, fleet.blueprint.sizes.batch
    for step in range(STEPS):
        mine = fleet.inputs._latents.at("generator", step)[member]
        if schedule.order == "g_first":
            team.move_generators(fleet.loader.real(max(0, update - 1))[member, 0], mine)
        for _ in range(schedule.n_critic):
            drawn = mine if schedule.latent == "shared" else fleet.inputs._latents.at("discriminator", update)[member]
            mix = fleet.inputs._random.draw("penalty/0/mix", update, (team.k, batch), "uniform")[member]
            team.move_discriminator(fleet.loader.real(update)[member, 0], drawn, mix)
            update += 1
        if schedule.order == "d_first":
            team.move_generators(fleet.loader.real(update - 1)[member, 0], mine)


def assert_running(plain: Plain, stack: Stack, row: int) -> None:
    """The running statistics of a network are the stack's."""
    layers = [name.removesuffix("mean") for name in stack.buffers if name.endswith("running_mean")]
    for layer, value in zip(layers, plain.running, strict=True):
        for statistic, expected in zip(("mean", "var"), value, strict=True):
            assert games.difference(stack.buffers[layer + statistic][row], expected) <= 1e-9


TRIED = [
    *((name, 3, TeamRules()) for name in GAMES),
    *((name, 3, TeamRules(reduction="sum")) for name in (*PLAIN, "averaged, batch norm in both", "wgan-gp", "r3gan")),
    *((name, 3, TeamRules(reduction="half-sum", share_latents=True)) for name in GAMES if "stackelberg" in name),
    *((name, 1, TeamRules()) for name in ("vanilla", "averaged, batch norm in both", "wgan-gp", "r3gan")),
    ("stackelberg", 1, TeamRules(reduction="half-sum")),
]


@pytest.mark.parametrize(
    ("name", "k", "rules"),
    covering(
        TRIED,
        lambda tried: tried[0] in PLAIN,
        lambda tried: "batch norm" in tried[0],
        lambda tried: tried[1],
        lambda tried: tried[2].reduction,
    ),
    ids=[f"{name}, {k}, {rules.reduction}" for name, k, rules in TRIED],
)
def test_a_fleet_of_teams_is_the_loop_over_generators(name: str, k: int, rules: TeamRules) -> None:
    fleet = fleet_of(GAMES[name], k=k, team=rules)
    teams = [Team(GAMES[name], fleet, member) for member in range(len(SEEDS))]
    starts = [team.vectors for team in teams]
    for member, team in enumerate(teams):
        play(team, fleet, member)
    games.train(fleet)
    assert not fleet.divergences
    for member, team in enumerate(teams):
        for player, mine in team.vectors.items():
            assert games.difference(games.parameters(fleet, player, member), mine) <= 1e-9
            assert games.difference(starts[member][player], mine) > 1e-2, "nothing was trained: no proof"
        assert_running(team.discriminator, fleet.discriminators, member)
        for place, g in enumerate(team.generators):
            assert_running(g, fleet.generators, member * k + place)


def test_the_number_of_batches_seen_counts_reals_and_a_team_once_each() -> None:
    fleet = games.train(fleet_of(GAMES["vanilla, batch norm in D"], k=3))
    assert fleet.discriminators.buffers["1.num_batches_tracked"].tolist() == [2 * STEPS] * len(SEEDS)


@pytest.mark.parametrize(
    ("name", "route"), crossed(("vanilla", "averaged, batch norm in both", "wgan-gp", "r3gan"), ("stacked", "loop"))
)
def test_the_reduction_is_nothing_to_a_team_of_one(name: str, route: Any) -> None:
    """Bit for bit, whichever way the one loss is combined."""
    execution = Execution(route=route, dtype=torch.float64)
    mean, total = (
        games.train(fleet_of(GAMES[name], k=1, team=rules, execution=execution))
        for rules in (TeamRules(reduction="mean"), TeamRules(reduction="sum"))
    )
    for slot in range(len(SEEDS)):
        ours, theirs = games.tensors_of(mean, slot), games.tensors_of(total, slot)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_one_generator_asked_for_by_name_is_the_plain_method() -> None:
    small = {"g_width": 8, "g_depth": 1, "d_width": 8, "d_depth": 1, "train_size": 256, "batch_size": 16, "steps": 5}
    cache, found = Cache(), list[dict[str, Tensor]]()
    for team in ({}, {"generators": 1, "team_reduction": "sum"}, {"generators": 2}):
        (resolved,) = expand(Request("ring8", ("wgan-gp",), tuple(axes_from_mapping({**small, **team}))))
        dataset = cache.dataset(resolved)
        fleet = Fleet(
            blueprint([(resolved, 1), (resolved, 2)], dataset.specification, Execution(route="stacked")), dataset
        )
        games.train(fleet)
        found.append({player: games.parameters(fleet, player, 1) for player in PLAYERS})
    plain, one, two = found
    assert all(torch.equal(one[player], plain[player]) for player in PLAYERS)
    assert two["generator"].numel() == 2 * one["generator"].numel()
    assert not torch.equal(two["discriminator"], one["discriminator"])


@pytest.mark.parametrize("name", leading(["vanilla, batch norm in D", "critic", "r3gan", "energy"], 2))
def test_a_team_of_equals_is_one_generator(name: str) -> None:
    """K copies with equal latents: the mean over them is the lone game, in which each has a K-th of the slope."""
    k, trained = 3, list[Fleet]()
    same = TeamRules(share_latents=True)
    for size in (1, k):
        fleet = fleet_of(GAMES[name], k=size, g=descent(0.1 * size), d=descent(0.1), team=same)
        for parameter in fleet.generators.parameters.values():  # [S·K, ...]: all as the first of their team
            parameter.data.copy_(parameter.detach()[::size].repeat_interleave(size, 0))
        trained.append(games.train(fleet))
    lone, team = trained
    for slot in range(len(SEEDS)):
        assert games.difference(*(games.parameters(each, "discriminator", slot) for each in (team, lone))) < 1e-10
    for key, parameter in lone.generators.parameters.items():
        copies = team.generators.parameters[key].detach()
        torch.testing.assert_close(copies, parameter.detach().repeat_interleave(k, 0), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(team.discriminators.buffers, lone.discriminators.buffers)


def gradients(fleet: Fleet) -> list[Tensor]:
    """The gradient of the generators' update, one vector per network of the stack."""
    fleet._differentiate_generator(lambda: fleet.step)
    rows = [p.grad.flatten(1) for p in fleet.generators.parameters.values() if p.grad is not None]
    return list(torch.cat(rows, 1))


def changed_by_another(fleet: Fleet) -> list[bool]:
    """Which networks' gradients change, in any bit, when the first member's second generator does."""
    before = gradients(fleet)
    for parameter in fleet.generators.parameters.values():
        parameter.data[1] *= 1.5
    return [not torch.equal(now, then) for now, then in zip(gradients(fleet), before, strict=True)]


@pytest.mark.parametrize(("name", "norm"), crossed(catalogue.names("objective"), (False, True)))
def test_gradients_of_generators_are_their_own_for_every_objective(name: str, norm: bool) -> None:
    """Averages over a batch (relativistic-average) and distances within it (Coulomb, kernels) are of one generator's."""
    game = Game(catalogue.find("objective", name)(), torch.add, torch.add, discriminator=autoencoder, d_norm=norm)
    fleet = fleet_of(game, k=3)
    fleet.advance()
    assert changed_by_another(fleet) == [False, True, False, False, False, False]


def test_generators_that_are_scored_in_one_batch_do_know_of_each_other() -> None:
    """What the separate judgement guards against: batch norm over the whole team's samples."""
    fleet = fleet_of(GAMES["vanilla, batch norm in D"], k=3)
    object.__setattr__(fleet.discriminate, "batch_statistics", False)
    assert changed_by_another(fleet) == [True, True, True, False, False, False]


@pytest.mark.parametrize("name", list(GAMES))
def test_the_sum_gives_each_generator_its_gradient_against_this_discriminator_alone(name: str) -> None:
    game, k = GAMES[name], 3
    team, mean, lone = (
        fleet_of(game, k=size, team=TeamRules(reduction=rule)) for size, rule in ((k, "sum"), (k, "mean"), (1, "mean"))
    )
    discriminators = [games.parameters(fleet, "discriminator", 1) for fleet in (team, mean, lone)]
    assert torch.equal(*torch.stack(discriminators).aminmax(dim=0)), "one seed, one discriminator"
    found, scaled = gradients(team), gradients(mean)
    latents = team.inputs._latents.at("generator", 0)
    for place in range(k):
        for key, parameter in lone.generators.parameters.items():
            parameter.data.copy_(team.generators.parameters[key].detach()[place::k])
        lone.inputs._latents.at = lambda _who, _at, place=place: latents[:, place : place + 1]
        for row, expected in enumerate(gradients(lone)):
            assert games.difference(found[row * k + place], expected) < 1e-12
            assert games.difference(k * scaled[row * k + place], expected) < 1e-12
