r"""Teams of generators against one discriminator: gantlet's stack against a Python loop over the generators.

The other side is written as usual: a list of K ``nn.Sequential``, one ``torch.optim.Adam`` over the parameters of all of
them and one over the discriminator's, probabilities and ``BCELoss``. In each batch, with the same latents for everybody,
the generators move first, all fakes are then made again for the discriminator, and both losses and the mean of D(x) are
logged as Python floats:

.. math::
    L_G = \sum_{k=1}^{K} \mathrm{BCE}(D(G_k(z)), 1), \qquad
    L_D = \sum_{k=1}^{K} \tfrac12 \bigl(\mathrm{BCE}(D(x), 1) + \mathrm{BCE}(D(G_k(z)), 0)\bigr)

``gantlet run mixture8 vanilla generators=8 latent=shared team_reduction=sum`` plays this game, but for the ½, to which Adam
is blind. D(x) is computed once on both sides.

Legend: ``K`` generators, ``B`` batch.

Reference:
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gantlet.data.base import Dataset
from gantlet.settings import Scalar
from gantlet.studies.build import blueprint, parts_of, source_of
from gantlet.studies.grid import axes_from_mapping
from gantlet.studies.spec import Request, Resolved, expand
from gantlet.studies.workshop import threads_set
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

from .sections import Section, goal, spread, times

__all__ = ["GAMES", "PUBLISHED", "SMALL", "Game", "PlainTeam", "compare", "dataset", "fleet", "resolved"]

LATENT = POINT = 2


@dataclass(frozen=True)
class Game:
    """A team and its discriminator.

    Attributes:
        network: gantlet's name of the pair.
        generators: K.
        g_width: Of each generator's one hidden layer.
        hidden: Widths of the discriminator's hidden layers.
        goals: The least ratio of steps per second to the plain loop's that is asked for, by members trained at once.
    """

    network: str
    generators: int
    g_width: int
    hidden: tuple[int, ...]
    batch: int
    goals: dict[int, float]

    @property
    def keys(self) -> dict[str, Scalar]:
        """What a user would say of the networks' sizes on the command line."""
        if self.network == "stackelberg-mixture":
            return {"g_hidden": self.g_width, "d_hidden": self.hidden[0]}
        sizes: dict[str, Scalar] = {"g_width": self.g_width, "g_depth": 1, "output": "tanh"}
        return sizes | {"d_width": self.hidden[0], "d_depth": len(self.hidden)}

    @property
    def activation(self) -> nn.Module:
        """What stands in a generator's hidden layer."""
        return nn.ReLU() if self.network == "mlp" else nn.LeakyReLU(0.2)

    def __str__(self) -> str:
        return f"{self.generators} × {LATENT}-{self.g_width}-{POINT} / {'-'.join(map(str, (POINT, *self.hidden, 1)))}"


PUBLISHED = Game("stackelberg-mixture", generators=8, g_width=32, hidden=(512, 256), batch=64, goals={1: 3.0, 16: 4.0})
SMALL = Game("mlp", generators=8, g_width=16, hidden=(32,) * 4, batch=64, goals={16: 10.0})
GAMES = (PUBLISHED, SMALL)


def resolved(game: Game) -> Resolved:
    """The setting as ``gantlet run mixture8 vanilla network=… generators=… …`` resolves it."""
    team = {"generators": game.generators, "latent": "shared", "team_reduction": "sum"}
    keys = {"network": game.network, **game.keys, "batch_size": game.batch, **team}
    (setting,) = expand(Request("mixture8", ("vanilla",), tuple(axes_from_mapping(keys))))
    return setting


def dataset(setting: Resolved) -> Dataset:
    """The data of a setting: 8,000 training points."""
    return source_of(parts_of(setting), setting).load()


def fleet(game: Game, members: int) -> Fleet:
    """Teams with the seeds 1, 2, …, on the route that a study would choose."""
    setting = resolved(game)
    data = dataset(setting)
    slots = [(setting, 1 + place) for place in range(members)]
    return Fleet(blueprint(slots, data, Execution(route="stacked")), data)


class PlainTeam:
    """One team in training.

    Arguments:
        game: Sizes of the team, its networks and the batch.
        points: The training pool, ``[N, 2]``.

    Attributes:
        logged: (discriminator's loss, generators' loss, mean of D(x)) by step.
    """

    def __init__(self, game: Game, points: Tensor, *, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.generators = [_generator(game) for _ in range(game.generators)]
        self.discriminator = _discriminator(game)
        everyone = chain.from_iterable(generator.parameters() for generator in self.generators)
        self.generator_optimiser = torch.optim.Adam(everyone, lr=2e-4, betas=(0.5, 0.999))
        self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.logged: list[tuple[float, float, float]] = []
        self._loss = nn.BCELoss()
        self._real = DataLoader(list(points), batch_size=game.batch, shuffle=True, drop_last=True)  # pyright: ignore[reportArgumentType]
        self._batches = self._endlessly()

    def advance(self) -> None:
        """Do one step with the next batch."""
        real = next(self._batches)
        self.step(real, torch.randn(len(real), LATENT))

    def step(self, real: Tensor, latents: Tensor) -> None:  # [B, 2], [B, latent]
        """Do one step: the generators move, then the discriminator against all of them."""
        valid, made_up = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        self.generator_optimiser.zero_grad()
        loss_g = torch.zeros(())
        for generator in self.generators:
            loss_g = loss_g + self._loss(self.discriminator(generator(latents)), valid)
        loss_g.backward()
        self.generator_optimiser.step()
        self.discriminator_optimiser.zero_grad()
        on_real = self.discriminator(real)
        loss_d = torch.zeros(())
        for generator in self.generators:
            on_fake = self.discriminator(generator(latents).detach())
            loss_d = loss_d + (self._loss(on_real, valid) + self._loss(on_fake, made_up)) / 2
        loss_d.backward()
        self.discriminator_optimiser.step()
        self.logged.append((loss_d.item(), loss_g.item(), on_real.mean().item()))

    def _endlessly(self) -> Iterator[Tensor]:
        while True:
            yield from self._real


def compare(*, rounds: int, seconds: float, games: Sequence[Game] = GAMES) -> Section:
    """Member-steps per second on one thread, in windows that take turns; the round at the beginning only warms up."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    numbers: dict[str, dict[str, float | list[float]]] = {}
    for game in games:
        for members, (plain, mine) in _measure(game, rounds=rounds, seconds=seconds).items():
            name = f"{game}, members: {members}"
            ratio = median(m.rate / p.rate for p, m in zip(plain, mine, strict=True))
            spent = median(m.efficiency / p.efficiency for p, m in zip(plain, mine, strict=True))
            rates = [[window.rate for window in side] for side in (plain, mine)]
            rows.append((name, *(spread(side, 0) for side in rates), times(ratio), times(spent)))
            notes.append(goal(name, ratio, least=game.goals[members]))
            numbers[name] = {"plain": rates[0], "gantlet": rates[1], "ratio": ratio, "per_cpu_second": spent}
    header = ("team / discriminator", "plain, steps/s", "gantlet, member-steps/s", "ratio", "per CPU second")
    return Section("teams: all generators in one stack, 1 thread", header, rows, notes, dict(numbers))


@dataclass(frozen=True)
class _Window:
    """Member-steps per second, and per processor second, which a busy machine disturbs less."""

    rate: float
    efficiency: float


def _measure(game: Game, *, rounds: int, seconds: float) -> dict[int, tuple[list[_Window], list[_Window]]]:
    """By members trained at once: the plain loop's windows, and gantlet's."""
    with threads_set(1):
        plain = PlainTeam(game, dataset(resolved(game)).train)
        fleets = {members: fleet(game, members) for members in game.goals}
        found: dict[int, tuple[list[_Window], list[_Window]]] = {members: ([], []) for members in fleets}
        for turn in range(rounds + 1):
            base = _window(plain.advance, 1, seconds)
            windows = {members: _window(made.advance, members, seconds) for members, made in fleets.items()}
            for members, window in windows.items() if turn else ():
                found[members][0].append(base)
                found[members][1].append(window)
    return found


def _window(advance: Callable[[], None], members: int, seconds: float) -> _Window:
    steps, started, cpu = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds or steps == 0:
        advance()
        steps += 1
    return _Window(members * steps / spent, members * steps / (time.process_time() - cpu))


def _generator(game: Game) -> nn.Sequential:
    return nn.Sequential(nn.Linear(LATENT, game.g_width), game.activation, nn.Linear(game.g_width, POINT), nn.Tanh())


def _discriminator(game: Game) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((POINT, *game.hidden)):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(game.hidden[-1], 1), nn.Sigmoid())
