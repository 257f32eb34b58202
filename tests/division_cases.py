"""Blueprint changes for small fleets whose batches are divided: every schedule, team and penalty that may be, in one of them."""

from __future__ import annotations

from typing import Any

import game_cases
import games
from contracts.doubles import AutoEncoders
from gantlet.networks.generator_head import with_generator_head
from gantlet.networks.mlp import MLP
from gantlet.networks.spectral import spectrally_normalised
from gantlet.objectives.boundary_equilibrium import BoundaryEquilibrium
from gantlet.objectives.energy import Energy
from gantlet.objectives.relativistic import Relativistic
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.penalties.gradient import GradientPenalty
from gantlet.penalties.lecam import LeCam
from gantlet.penalties.r1 import R1
from gantlet.penalties.r2 import R2
from gantlet.training.blueprint import InstanceNoise, LearnedWeights, Player, Sizes, TeamRules
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.update_schedule import UpdateSchedule

__all__ = ["BATCH", "divisible"]

BATCH = 8
_APART = ("coulomb", "energy", "batch norm in G", "batch norm in both", "packs")


def divisible(members: int) -> dict[str, dict[str, Any]]:
    """By name, what a division into parts must not change."""
    family = MLP(g_width=7, g_depth=2, d_width=5, d_depth=2)
    known = {name: changes for name, changes in game_cases.cases(members).items() if name not in _APART}
    rule = OptimiserSpec("adam", (0.01,) * members, (0.5,) * members, (0.9,) * members)
    return known | {
        "lazy r3gan": {
            "objective": Relativistic(),
            "penalties": (R1(weight=0.5, every=2), R2(weight=0.5, every=3)),
            "ema": 0.9,
        },
        "energy": {
            "objective": Energy(margin=1.0),
            "discriminator": Player(lambda: AutoEncoders().discriminator(shape=(2,)), games.adam(members)),
        },
        "lecam": {"penalties": (LeCam(weight=0.3),), "schedule": UpdateSchedule(n_critic=2)},
        "began": {"objective": BoundaryEquilibrium(rate=0.01)},
        "packs": {
            "sizes": Sizes(batch=2 * BATCH, latent=3, steps=20, pack=2),
            "discriminator": Player(lambda: family.discriminator(shape=(4,)), games.adam(members)),
        },
        "spectral": {
            "discriminator": Player(
                lambda: spectrally_normalised(family.discriminator(shape=(2,))), games.adam(members)
            )
        },
        "team": {
            "k": 3,
            "objective": Wasserstein(),
            "penalties": (GradientPenalty(every=2),),
            "discriminator": Player(
                lambda: with_generator_head(family.discriminator(shape=(2,)), 3), games.adam(members)
            ),
            "team": TeamRules(
                reduction="half-sum",
                which={"generator": 0.2, "discriminator": 0.1},
                learned=LearnedWeights(rule, entropy=0.1),
            ),
        },
        "branches": {"k": 2, "team": TeamRules("average")},
        "shared batch": {
            "k": 2,
            "objective": Relativistic(),
            "penalties": (GradientPenalty(),),
            "noise": InstanceNoise(0.2),
            "team": TeamRules("choose"),
            "sizes": Sizes(batch=2 * BATCH, latent=3, steps=20, generators=2),
        },
    }
