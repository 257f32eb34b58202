"""Drawing samples and scores from a fleet, with its networks in evaluation mode.

Evaluation uses the averaged generators if and only if averaging is on. Members are taken a few at a time, so that
200 members × 25,000 samples never exist as activations at once.

Legend: ``S`` members asked for, ``K`` generators, ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.randomness import keyed_generator

from .batch_loader import POOL_SEED, fixed_latents
from .discriminator_input import packed
from .fleet import Fleet

__all__ = ["LatentDraw", "decision", "draw_latents", "owners_by_weight", "sample", "scores"]

_CHUNK = 8192
"""Samples per forward pass and network: activations stay in the cache."""


@dataclass(frozen=True)
class LatentDraw:
    """Latents for evaluation, the same for every member: ``latents`` ``[N, latent]``, and who turns each into a sample.

    ``owners`` are ``[N]`` for all members, or ``[S, N]`` by slot where weights are learned.
    """

    latents: Tensor
    owners: Tensor

    def owners_of(self, slots: Sequence[int]) -> Tensor:
        """Who made the samples of some members, ``[len(slots), N]``."""
        return self.owners.expand(len(slots), -1) if self.owners.dim() == 1 else self.owners[list(slots)]


def draw_latents(fleet: Fleet, count: int, *, name: str = "latent/test") -> LatentDraw:
    """The fixed test latents and which generator of the team turns each into a sample: uniformly, or by learned weights."""
    blueprint = fleet.blueprint
    latents = fixed_latents(count, blueprint.sizes.latent, blueprint.prior, name=name)
    generator = keyed_generator(POOL_SEED, 0, f"{name}/owner")
    if fleet.generator_weights is not None:
        return LatentDraw(latents, owners_by_weight(fleet.generator_weights.shares(), count, generator))
    owners = torch.randint(blueprint.makers, (count,), generator=generator)
    return LatentDraw(latents, owners)


def owners_by_weight(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Generators picked with given chances, ``[*, K] -> [*, count]`` int64; all rows from the same uniform numbers.

    Example:
        >>> owners_by_weight(torch.tensor([0.0, 1.0, 0.0]), 4, torch.Generator().manual_seed(1)).tolist()
        [1, 1, 1, 1]
    """
    edges = weights.cpu().double().cumsum(-1)
    drawn = torch.rand(count, generator=generator, dtype=torch.float64) * edges[..., -1:]
    return torch.searchsorted(edges, drawn.contiguous(), right=True).clamp(max=weights.shape[-1] - 1)  # rounding


def sample(fleet: Fleet, draw: LatentDraw, slots: Sequence[int]) -> Tensor:
    """Samples of some members, ``[S, N, *x]``."""
    if draw.owners.dim() == 2:
        apart = [LatentDraw(draw.latents, draw.owners[slot]) for slot in slots]
        return torch.cat([sample(fleet, own, [slot]) for own, slot in zip(apart, slots, strict=True)])
    generators = fleet.blueprint.sizes.generators
    execution = fleet.blueprint.execution
    parameters = fleet.average or fleet.generators.parameters
    latents = draw.latents.to(execution.device, execution.dtype)
    if fleet.blueprint.team.kind == "average":
        networks = [slot * generators + branch for slot in slots for branch in range(generators)]
        branches = _forward(fleet, "generator", networks, latents, parameters)
        return branches.unflatten(0, (len(slots), generators)).mean(1)
    out: Tensor | None = None
    for owner in range(generators):
        rows = (draw.owners == owner).nonzero().squeeze(1).to(execution.device)
        networks = [slot * generators + owner for slot in slots]
        made = _forward(fleet, "generator", networks, latents[rows], parameters)
        if out is None:
            out = made.new_empty(len(slots), len(latents), *made.shape[2:])
        out[:, rows] = made
    assert out is not None
    return out


def scores(fleet: Fleet, x: Tensor, slots: Sequence[int]) -> Tensor:
    """The discriminators' scores, ``[N, *x]`` (the same for all) or ``[S, N, *x]`` -> ``[S, N]``.

    A discriminator of packs scores neighbours together, the last ones with the first; each then has its pack's score.
    """
    execution, pack = fleet.blueprint.execution, fleet.blueprint.sizes.pack
    x = x.to(execution.device, execution.dtype)
    shared = x.dim() == len(fleet.loader.shape) + 1
    parameters, count = fleet.discriminators.parameters, x.shape[0 if shared else 1]
    if pack == 1:
        return _forward(fleet, "discriminator", slots, x, parameters, shared=shared)
    batch = x.unsqueeze(0) if shared else x  # [1 or S, N, *x]
    round_up = torch.arange(-(-count // pack) * pack, device=x.device) % count
    packs = packed(batch[:, round_up].unsqueeze(1), pack).squeeze(1)
    said = _forward(fleet, "discriminator", slots, packs[0] if shared else packs, parameters, shared=shared)
    return said.repeat_interleave(pack, 1)[:, :count]


def decision(fleet: Fleet, slot: int, extent: float, *, points: int = 100) -> tuple[Tensor, Tensor, Tensor]:
    """One discriminator on a grid over [-extent, extent]²: ``xs`` ``[points]``, ``ys`` ``[points]``, scores ``[points, points]``.

    A discriminator of packs is shown each point several times over.
    """
    axis = torch.linspace(-extent, extent, points)
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    pack = fleet.blueprint.sizes.pack
    grid = torch.stack([xs.flatten(), ys.flatten()], 1).repeat_interleave(pack, 0)
    return axis, axis, scores(fleet, grid, [slot])[0, ::pack].reshape(points, points)


@torch.no_grad()
def _forward(
    fleet: Fleet,
    player: str,
    networks: Sequence[int],
    x: Tensor,
    parameters: dict[str, Tensor],
    *,
    shared: bool = True,
) -> Tensor:
    stack = fleet.generators if player == "generator" else fleet.discriminators
    parts: list[Tensor] = []
    for index, network in enumerate(networks):
        mine = {name: value.detach()[network : network + 1] for name, value in parameters.items()}
        inputs = x if shared else x[index]
        chunks = [stack.evaluate(network, mine, chunk) for chunk in _chunks(inputs)]
        parts.append(torch.cat(chunks))
    return torch.stack(parts)


def _chunks(x: Tensor) -> Iterator[Tensor]:
    size = max(1, min(_CHUNK, (1 << 24) // max(1, x[0].numel() * 64))) if len(x) else 1
    for start in range(0, max(1, len(x)), size):
        yield x[start : start + size]
