"""Blueprint changes for small fleets: each schedule, objective, penalty and normalisation in one of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import games
from contracts.doubles import AutoEncoders, BalanceLike, CoulombLike, EnergyLike
from gantlet.networks.mlp import MLP
from gantlet.objectives.alpha import Alpha
from gantlet.objectives.least_squares import LeastSquares
from gantlet.objectives.vanilla import Vanilla
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.penalties.clipping import WeightClipping
from gantlet.penalties.gradient import GradientPenalty
from gantlet.training.blueprint import Execution, InstanceNoise, Player, Sizes, Tuning, per_member
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from gantlet.training.update_schedule import UpdateSchedule

__all__ = ["DOUBLE", "LOOP", "PLAYERS", "batch_norm", "cases"]

DOUBLE = Execution(route="stacked", dtype=torch.float64)
LOOP = Execution(route="loop", dtype=torch.float64)
PLAYERS = ("generator", "discriminator")


def batch_norm(members: int, d_norm: bool) -> dict[str, Any]:
    """Players with batch statistics, in the generator or in the discriminator."""

    def discriminator() -> nn.Module:
        inner = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.LeakyReLU(0.2), nn.Linear(6, 1), nn.Flatten(0))
        return inner if d_norm else MLP(d_width=5, d_depth=1).discriminator(shape=(2,))

    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    return {
        "generator": Player(make, games.adam(members), batch_statistics=True),
        "discriminator": Player(discriminator, games.adam(members), batch_statistics=d_norm),
    }


def cases(members: int) -> dict[str, dict[str, Any]]:
    """Blueprint changes by name; every schedule, objective, penalty and normalisation is in one of them."""

    def spread(*values: float) -> Tensor:
        return per_member((values * members)[:members], DOUBLE)

    rates = tuple(1e-3 * (1 + place) for place in range(members))
    rms = OptimiserSpec("rmsprop", lr=(5e-4,) * members, beta1=(0.0,) * members, beta2=(0.99,) * members)
    family = MLP(g_width=7, g_depth=2, d_width=5, d_depth=2)
    return {
        "vanilla": {},
        "saturating": {"objective": Vanilla(saturating=True)},
        "reuse": {"schedule": UpdateSchedule(reuse_fake=True)},
        "g first": {"schedule": UpdateSchedule(order="g_first", latent="shared")},
        "pool": {"schedule": UpdateSchedule(latent="pool", reuse_fake=True), "prior": "uniform"},
        "endless": {"feed": "endless"},
        "least squares": {"objective": LeastSquares(a=spread(0.0, -1.0, 0.1), b=spread(1.0), c=spread(1.0, 0.0, 0.9))},
        "alpha": {"objective": Alpha(alpha_d=spread(0.3, 1.0, torch.inf), alpha_g=spread(1.0, 2.0, 0.5))},
        "alpha stable": {"objective": Alpha(alpha_d=spread(0.3, 1.0, 4.0), alpha_g=spread(1.0), form="stable")},
        "wgan": {
            "objective": Wasserstein(),
            "constraint": WeightClipping(clip=spread(0.1, 0.2, 0.05)),
            "schedule": UpdateSchedule(n_critic=3),
            "generator": Player(lambda: family.generator(latent=3, shape=(2,)), rms),
            "discriminator": Player(lambda: family.discriminator(shape=(2,)), rms),
        },
        "wgan-gp": {
            "objective": Wasserstein(),
            "penalties": (GradientPenalty(weight=spread(10.0, 1.0, 3.0), target=spread(1.0)),),
            "schedule": UpdateSchedule(n_critic=2),
        },
        "rates": {
            "generator": Player(lambda: family.generator(latent=3, shape=(2,)), games.adam(members, rates)),
            "ema": 0.9,
        },
        "batch norm in G": batch_norm(members, d_norm=False),
        "batch norm in both": batch_norm(members, d_norm=True),
        "coulomb": {"objective": CoulombLike(epsilon=spread(1.0, 0.5, 2.0))},
        "energy": {
            "objective": EnergyLike(margin=spread(1.0, 2.0, 0.5)),
            "discriminator": Player(lambda: AutoEncoders().discriminator(shape=(2,)), games.adam(members)),
        },
        "balance": {"objective": BalanceLike(gamma=spread(0.5, 0.3, 0.7), rate=spread(0.01))},
        "packs": {
            "sizes": Sizes(batch=8, latent=3, steps=20, pack=2),
            "discriminator": Player(lambda: family.discriminator(shape=(4,)), games.adam(members)),
        },
        "instance noise": {"noise": InstanceNoise(spread(0.3, 0.0, 0.1), Schedule("linear", every=15))},
        "extragradient": {"schedule": UpdateSchedule(extragradient=True), "ema": 0.9},
        "optimistic": {
            "generator": Player(lambda: family.generator(latent=3, shape=(2,)), games.adam(members, optimistic=True)),
            "discriminator": Player(lambda: family.discriminator(shape=(2,)), games.adam(members, optimistic=True)),
        },
        "tuned": {
            "tuning": Tuning(Schedule("step", decay=0.9, every=3), beta2=Schedule("cosine", every=9), beta2_end=0.99),
        },
        "stalling": {
            "objective": BalanceLike(gamma=spread(0.5, 0.3, 0.7), rate=spread(0.01)),
            "tuning": Tuning(ReduceOnPlateau(every=2)),
        },
    }
