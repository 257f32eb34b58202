r"""Teams of generators against one discriminator, on both sides: gantlet's stack, and a Python loop over the generators.

The other side is the published script for the mixture (``gan_stackelberg_mG``), operation for operation: a list of K
``nn.Sequential`` with rectifiers in place, one ``torch.optim.Adam`` over the parameters of all of them and one over the
discriminator's, probabilities and ``BCELoss``, batches cut from the points in their order. In each batch, with the same
latents for everybody, the generators move first, while the discriminator's parameters gather gradients in vain; all fakes
are then made again for the discriminator, one generator after another. The real batch is judged once and its loss enters
K times, so that no judgement can be saved there. Both losses and the mean of D(x) are logged as Python floats (the mean of
D(x) from a judgement of its own, after the move); the script prints them, which is left out:

.. math::
    L_G = \sum_{k=1}^{K} \mathrm{BCE}(D(G_k(z)), 1), \qquad
    L_D = \sum_{k=1}^{K} \tfrac12 \bigl(\mathrm{BCE}(D(x), 1) + \mathrm{BCE}(D(G_k(z)), 0)\bigr)

``gantlet run mixture8 vanilla --preset seed generators=8`` plays this game, but for a ½ on the generators' loss, to which
Adam is blind, and its batches are drawn in a new order each epoch. The bare products of a step, as batched products into
tensors that stay, say how much could be gained at most. ``benchmarks.team_benchmark`` measures all of them.

Legend: ``S`` members, ``K`` generators, ``N`` networks of a stack, ``B`` batch, ``i`` inputs and ``o`` outputs of a layer.

Reference:
    | Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010; https://github.com/hongyanz/Stackelberg-GAN
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.settings import Scalar
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

from .arithmetic import Pass
from .workloads import measured_route

__all__ = [
    "GAMES",
    "PUBLISHED",
    "SMALL",
    "Game",
    "PlainTeam",
    "dataset",
    "fleet",
    "passes",
    "products",
    "resolved",
]

LATENT = POINT = 2


@dataclass(frozen=True)
class Game:
    """A team and its discriminator.

    Attributes:
        name: Its name as a workload.
        network: gantlet's name of the pair.
        generators: K.
        g_width: Of each generator's one hidden layer.
        hidden: Widths of the discriminator's hidden layers.
        goals: The least ratio of steps per second to the plain loop's that is asked for, by members trained at once.
    """

    name: str
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
    def generator_sizes(self) -> tuple[int, ...]:
        """From the latent to the point."""
        return (LATENT, self.g_width, POINT)

    @property
    def discriminator_sizes(self) -> tuple[int, ...]:
        """From the point to the score."""
        return (POINT, *self.hidden, 1)

    @property
    def activation(self) -> nn.Module:
        """What stands in a generator's hidden layer."""
        return nn.ReLU(inplace=True) if self.network == "mlp" else nn.LeakyReLU(0.2, inplace=True)

    def __str__(self) -> str:
        generator, discriminator = ("-".join(map(str, s)) for s in (self.generator_sizes, self.discriminator_sizes))
        return f"{self.generators} × {generator} / {discriminator}"


PUBLISHED = Game(
    "team", "stackelberg-mixture", generators=8, g_width=32, hidden=(512, 256), batch=64, goals={1: 3.0, 16: 4.0}
)
SMALL = Game("small-team", "mlp", generators=8, g_width=16, hidden=(32,) * 4, batch=64, goals={16: 10.0})
GAMES = {game.name: game for game in (PUBLISHED, SMALL)}


def resolved(game: Game, dtype: str = "float32") -> Resolved:
    """The setting as ``gantlet run mixture8 vanilla network=… generators=… …`` resolves it."""
    script: dict[str, Scalar] = {"latent": "shared", "team_latents": "shared", "team_reduction": "half-sum"}
    script["dtype"] = dtype
    keys = {"network": game.network, **game.keys, "generators": game.generators, "batch_size": game.batch, **script}
    (setting,) = expand(Request("mixture8", ("vanilla",), tuple(axes_from_mapping(keys))))
    return setting


def dataset(setting: Resolved) -> Dataset:
    """The data of a setting: 8,000 training points."""
    return setting.source.load()


def fleet(game: Game, members: int, *, first_seed: int = 1, dtype: str = "float32") -> Fleet:
    """Teams with consecutive seeds, on the :func:`measured_route`."""
    setting = resolved(game, dtype)
    data = dataset(setting)
    slots = [(setting, first_seed + place) for place in range(members)]
    return Fleet(blueprint(slots, data.specification, Execution(route=measured_route("captured"))), data)


def passes(game: Game) -> list[tuple[int, Pass]]:
    """Each pass of a member's step, after the number of networks that it goes through.

    Example:
        >>> round(sum(networks * part.flops for networks, part in passes(PUBLISHED)) / 1e9, 3)
        0.728
    """
    team, g, d, rows = game.generators, game.generator_sizes, game.discriminator_sizes, game.batch
    return [
        (team, Pass("generator", g, rows)),
        (1, Pass("discriminator", d, team * rows, weights=False, to_inputs=True)),
        (team, Pass("generator", g, rows, backward=False)),
        (1, Pass("discriminator", d, (team + 1) * rows)),
    ]


def products(game: Game, members: int) -> Callable[[], None]:
    """The products of a step of all members, and nothing else; the layout is that of gantlet's stacks."""
    calls = [call for networks, part in passes(game) for call in _products(part, members * networks)]

    def advance() -> None:
        for left, right, out in calls:
            torch.bmm(left, right, out=out)

    return advance


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
        self._points, self._batch = points, game.batch
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
        self.logged.append((loss_d.item(), loss_g.item(), self.discriminator(real).mean().item()))

    def _endlessly(self) -> Iterator[Tensor]:
        while True:
            for start in range(0, len(self._points) - self._batch + 1, self._batch):
                yield self._points[start : start + self._batch]


def _generator(game: Game) -> nn.Sequential:
    return nn.Sequential(nn.Linear(LATENT, game.g_width), game.activation, nn.Linear(game.g_width, POINT), nn.Tanh())


def _discriminator(game: Game) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((POINT, *game.hidden)):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Linear(game.hidden[-1], 1), nn.Sigmoid())


def _products(part: Pass, networks: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """A pass as left and right factors and results, in the order of the calls."""
    values, gradients = ([torch.randn(networks, size, part.rows) for size in part.sizes] for _ in range(2))  # [N, i, B]
    weights = [torch.randn(networks, o, i) / i**0.5 for i, o in pairwise(part.sizes)]  # [N, o, i]
    calls = [(weight, values[layer], values[layer + 1]) for layer, weight in enumerate(weights)]
    for layer, weight in reversed(list(enumerate(weights)) if part.backward else []):
        if part.weights:
            calls.append((gradients[layer + 1], values[layer].mT, torch.empty_like(weight)))
        if layer or part.to_inputs:
            calls.append((weight.mT, gradients[layer + 1], gradients[layer]))
    return calls
