"""Every penalty, and spectral normalisation, in fleets: each member trains as it does alone, and otherwise than without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import games
from contracts.doubles import AutoEncoders
from contracts.penalty_cases import PENALTY_MEMBERS
from gantlet.catalogue import find
from gantlet.names import FAMILIES
from gantlet.networks.mlp import MLP
from gantlet.networks.spectral import spectrally_normalised
from gantlet.training.blueprint import Execution, Player
from gantlet.training.fleet import Fleet

SEEDS = (4, 9, 2)
PLAYERS = ("generator", "discriminator")


def trained(seeds: tuple[int, ...], discriminator: Any, *, penalties: tuple[Any, ...] = (), k: int = 2) -> Fleet:
    """Four steps of a fleet, or of one member on the route of one."""
    execution = Execution(route="stacked" if len(seeds) > 1 else "loop", dtype=torch.float64)
    player = Player(discriminator, games.adam(len(seeds), 1e-2))
    options = {"discriminator": player, "penalties": penalties, "execution": execution}
    return games.train(Fleet(games.sheet(seeds, k=k, steps=4, **options), games.dataset()))


def weights(fleet: Fleet, slot: int) -> Tensor:
    return torch.cat([games.parameters(fleet, player, slot) for player in PLAYERS])


def auto_encoder() -> Any:
    return AutoEncoders(width=3).discriminator(shape=(2,))


def normalised() -> Any:
    return spectrally_normalised(MLP(d_width=5, d_depth=2).discriminator(shape=(2,)))


@pytest.mark.parametrize("name", FAMILIES["penalty"])
def test_solo_equals_stacked(name: str) -> None:
    """Teams of two; settings of three members differ where they may."""
    kind, values = find("penalty", name), PENALTY_MEMBERS[name]
    held = {key: torch.tensor(value[:3], dtype=torch.float64).reshape(3, 1, 1) for key, value in values.items()}
    together = trained(SEEDS, auto_encoder, penalties=(kind(**held, every=2),))
    for slot, seed in enumerate(SEEDS):
        own = {key: value[slot] for key, value in values.items()}
        alone = trained((seed,), auto_encoder, penalties=(kind(**own, every=2),))
        assert games.difference(weights(together, slot), weights(alone, 0)) < 1e-9
    free = trained(SEEDS[:1], auto_encoder)
    assert games.difference(weights(free, 0), weights(together, 0)) > 1e-6, f"{name} has no effect"


def test_spectral_normalisation_solo_equals_stacked() -> None:
    """With a gradient penalty through it; after training the norms are still 1, of each member."""
    penalties = (find("penalty", "gradient")(),)
    together = trained(SEEDS, normalised, penalties=penalties)
    for slot, seed in enumerate(SEEDS):
        alone = trained((seed,), normalised, penalties=penalties)
        assert games.difference(weights(together, slot), weights(alone, 0)) < 1e-9
        for name, buffer in together.discriminators.buffers.items():
            torch.testing.assert_close(buffer[slot], alone.discriminators.buffers[name][0])
    for name, weight in together.discriminators.parameters.items():
        if name.endswith("weight"):
            part = name.removesuffix("weight")
            u, v = (together.discriminators.buffers[part + key] for key in "uv")
            estimate = torch.einsum("ni,nij,nj->n", u, weight.detach(), v)
            torch.testing.assert_close(estimate, torch.linalg.matrix_norm(weight.detach(), 2), rtol=0.05, atol=0)
