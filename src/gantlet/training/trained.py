"""The networks that a fleet trained, out of its tensors, as ordinary modules: one generator, a team, or averaged branches.

:class:`TrainedGenerator` is a member's generator by itself: it knows its latents and the units of its samples.

Legend: ``N`` samples, ``K`` generators of a team, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gantlet.data.base import rescaled
from gantlet.data.specification import SampleSpec, restored
from gantlet.errors import BadValue
from gantlet.randomness import keyed_generator

from .blueprint import Blueprint
from .sampling import owners_by_weight

__all__ = [
    "Branches",
    "InDataUnits",
    "LatentSpace",
    "Team",
    "TrainedGenerator",
    "Units",
    "latent_space",
    "latents",
    "network",
]

Units = Literal["data", "network", "pixels"]
"""What samples are given in: the data's own units, those of the networks, or 8-bit pixels."""


class Team(nn.Module):
    """The K generators of a member as one module: each latent goes to a generator picked uniformly, or by ``weights``.

    ``weights`` are the learned ones, ``[K]``, or None. ``forward(z, owners=None)``: ``[N, latent] -> [N, *x]``; ``owners`` ``[N]`` names the generators instead.
    """

    def __init__(self, generators: list[nn.Module], weights: Tensor | None = None) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, z: Tensor, owners: Tensor | None = None) -> Tensor:
        """Samples, ``[N, *x]``."""
        if owners is None:
            if self.weights is None:
                owners = torch.randint(len(self.generators), (len(z),), device=z.device)
            else:
                owners = torch.multinomial(self.weights, len(z), replacement=True)
        made = torch.stack([generator(z) for generator in self.generators], 1)  # [N, K, *x]
        places = owners.reshape(-1, *[1] * (made.dim() - 1)).expand(-1, 1, *made.shape[2:])
        return made.gather(1, places).squeeze(1)


class Branches(nn.Module):
    """The K branches of a multi-branch generator: a sample is the mean of what they make of one latent."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, z: Tensor) -> Tensor:  # [N, latent] -> [N, *x]
        """Samples."""
        return torch.stack([branch(z) for branch in self.branches]).mean(0)


class InDataUnits(nn.Module):
    """A network of standardised data in the data's own units: what a generator makes, what a discriminator takes.

    Arguments:
        network: The network as it was trained.
        sample: What a sample looks like, with mean and deviation of each column.
        player: ``generator`` or ``discriminator``.
    """

    def __init__(self, network: nn.Module, sample: SampleSpec, player: str) -> None:
        super().__init__()
        self.network, self.specification, self.player = network, sample, player

    def forward(self, x: Tensor, *more: Any) -> Any:
        """Samples ``[N, d]`` from latents, or the discriminator's output for samples."""
        if self.player == "generator":
            return restored(self.network(x, *more), self.specification)
        mean, deviation = (
            torch.tensor(column, device=x.device) for column in (self.specification.mean, self.specification.deviation)
        )
        return self.network((x - mean) / deviation, *more)


@dataclass(frozen=True)
class LatentSpace:
    """Where the latents of a member come from.

    Attributes:
        dimension: Of a latent.
        prior: ``normal``: N(0, 1) in each coordinate; ``uniform``: U[-1, 1].
        makers: Generators that a sample can be from.
        weights: How often each is sampled; empty where equally.
    """

    dimension: int
    prior: Literal["normal", "uniform"]
    makers: int = 1
    weights: tuple[float, ...] = ()

    def draw(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Latents ``[N, latent]`` and who makes each of them a sample, ``[N]``, keyed by a seed.

        Example:
            >>> z, owners = LatentSpace(3, "uniform", makers=2).draw(4, seed=1)
            >>> z.shape, bool(z.abs().max() <= 1), set(owners.tolist()) <= {0, 1}
            (torch.Size([4, 3]), True, True)
        """
        generator = keyed_generator(seed, 0, "latent/sample")
        drawn = torch.empty(count, self.dimension)
        if self.prior == "normal":
            drawn.normal_(generator=generator)
        else:
            drawn.uniform_(-1, 1, generator=generator)
        if self.weights:
            return drawn, owners_by_weight(torch.tensor(self.weights, dtype=torch.float64), count, generator)
        return drawn, torch.randint(self.makers, (count,), generator=generator)


class TrainedGenerator(nn.Module):
    """A member's generator by itself, in float32: what is exported, and what an exported model folder is loaded as.

    ``forward(latents)`` is ``[N, latent] -> [N, *x]``; of a team, ``forward(latents, generator)`` with ``[N]`` int64, which
    generator makes each sample (those of ``sample`` if not given).

    Arguments:
        net: One generator, a :class:`Team` or :class:`Branches`, in evaluation mode.
        space: Where its latents come from.
        sample: What a sample looks like.
        units: What samples are given in.

    Attributes:
        latent_dim: The latent dimension.
        prior: ``normal`` or ``uniform``.

    Raises:
        BadValue: Pixels of samples that are not images.

    Example:
        >>> spec = SampleSpec((2,), pool=9, mean=(5.0, 0.0), deviation=(2.0, 1.0))
        >>> generator = TrainedGenerator(nn.Identity(), LatentSpace(2, "normal"), spec)
        >>> generator(torch.tensor([[1.0, 1.0]])), generator.sample(3, seed=1).shape
        (tensor([[7., 1.]]), torch.Size([3, 2]))
    """

    def __init__(self, net: nn.Module, space: LatentSpace, sample: SampleSpec, units: Units = "data") -> None:
        super().__init__()
        if units == "pixels" and len(sample.shape) != 3:
            raise BadValue("Samples that are not images have no 8-bit pixels.")
        self.network = net
        self.space, self.specification, self.units = space, sample, units
        self.latent_dim, self.prior = space.dimension, space.prior

    @property
    def makers(self) -> int:
        """Generators that a sample can be from."""
        return self.space.makers

    def forward(self, latents: Tensor, generator: Tensor | None = None) -> Tensor:
        """Samples, ``[N, *x]``."""
        if isinstance(self.network, Team):
            if generator is None:
                generator = self.space.draw(len(latents), 1)[1].to(latents.device)
            made = self.network(latents, generator)
        else:
            made = self.network(latents)
        if self.units == "network":
            return made
        if self.units == "data":
            return restored(made, self.specification)
        levels = rescaled(made, was=self.specification.pixel_range, becomes=(0.0, 255.0))
        return levels.round().clamp(0, 255).to(torch.uint8)

    @torch.no_grad()
    def sample(self, n: int, seed: int = 1) -> Tensor:
        """So many samples ``[N, *x]``; the same seed draws the same latents as ``gantlet sample --seed``."""
        drawn, owners = self.space.draw(n, seed)
        place = next(self.network.parameters(), torch.empty(0))
        return self(drawn.to(place.device, place.dtype), owners.to(place.device))


def network(sheet: Blueprint, tensors: Mapping[str, Tensor], slot: int, player: str) -> nn.Module:
    """One slot's network out of a fleet's tensors.

    Raises:
        BadValue: ``player`` is neither of the two.
    """
    if player not in ("generator", "discriminator"):
        raise BadValue(f"player={player} is not generator or discriminator.")
    count = sheet.sizes.generators if player == "generator" else 1
    modules: list[nn.Module] = []
    for index in range(slot * count, (slot + 1) * count):
        part = sheet.generator if player == "generator" else sheet.discriminator
        with torch.random.fork_rng(devices=[]):
            module = part.build().to(sheet.execution.dtype)
        state = {name: tensors[_name(tensors, player, name)][index] for name in module.state_dict()}
        module.load_state_dict(state)
        modules.append(module.eval())
    if count == 1:
        return modules[0]
    if sheet.team.kind == "average":
        return Branches(modules).eval()
    learned = tensors["weights/logits"][slot].softmax(-1) if sheet.team.learned else None
    return Team(modules, learned).eval()


def latents(sheet: Blueprint, count: int, seed: int, net: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Latents ``[N, latent]`` and owners ``[N]`` of a team, keyed by a seed; by the weights of a :class:`Team` that has some."""
    drawn, owners = latent_space(sheet, net).draw(count, seed)
    return drawn.to(sheet.execution.dtype), owners


def latent_space(sheet: Blueprint, net: nn.Module | None = None) -> LatentSpace:
    """Where the latents of a member come from; ``net`` is its generator, whose weights count where it has some."""
    learned = net.weights if isinstance(net, Team) else None
    weights = () if learned is None else tuple(learned.double().tolist())
    return LatentSpace(sheet.sizes.latent, sheet.prior, sheet.makers, weights)


def _name(tensors: Mapping[str, Tensor], player: str, name: str) -> str:
    averaged = f"average/{name}"
    if player == "generator" and averaged in tensors:
        return averaged
    trained = f"{player}/parameter/{name}"
    return trained if trained in tensors else f"{player}/buffer/{name}"
