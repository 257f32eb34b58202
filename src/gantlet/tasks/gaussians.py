"""Mixtures of Gaussians in the plane: the tasks on which mode collapse can be counted exactly.

References:
    | ring8, grid25: Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023)
    | mixture8: Stackelberg GAN (Zhang et al., 2018), https://arxiv.org/abs/1811.08010
    | grid100, rotated100, staggered100: ParticleGAN (Garcia, 2025), https://github.com/255BITS/ParticleGAN
"""

from dataclasses import replace

from gantlet.data.gaussians import Grid25, Grid100, Mixture8, Ring8, Rotated100, Staggered100
from gantlet.networks.mlp import MLP, BranchMixture, StackelbergMixture
from gantlet.settings import Scalar

from .base import CLASSIFIERS, Task, rows_for

__all__ = ["GRID25", "GRID100", "MIXTURE8", "RING8", "ROTATED100", "STAGGERED100"]

_ADAM: dict[str, Scalar] = {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "beta2": 0.999, "reuse_fake": True}
_ROWS = rows_for(_ADAM, CLASSIFIERS)
_PAPER = "Welfert et al. (2023): 50,000 training points, batch 128, 400 epochs"
_BUDGET: dict[str, Scalar] = {"batch_size": 128, "epochs": 400.0, "latent_dim": 2}
_SHARE = "high_quality>=0.1"
"""Beside covered modes: uniform noise covers every mode, since one sample of 25,000 is enough, at a share of 0.004 to 0.02."""

_SEED: dict[str, Scalar] = {"latent": "pool", "reuse_fake": True, "drop_last": False}
"""The published script: a pool of latents, and the last batch of an epoch, of 80 points, trained on like any other."""

_BAD = ("one-mode", "averages", "noise")  # copies of training points are samples of the very distribution
_STACKELBERG: dict[str, Scalar] = {
    "lr_g": 2e-4,
    "lr_d": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "order": "g_first",
}
_NETWORKS_100: dict[str, Scalar] = {"g_width": 128, "g_depth": 3, "d_width": 128, "d_depth": 3}
_HUNDRED: dict[str, Scalar] = {"batch_size": 256, "steps": 7000, "latent_dim": 2, "pool": "endless", **_NETWORKS_100}
_HUNDRED_RATES: dict[str, Scalar] = {"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.0, "beta2": 0.999}
_QUICK: dict[str, Scalar] = {
    "g_width": 128,
    "g_depth": 2,
    "d_width": 128,
    "d_depth": 2,
    "lr_g": 1e-3,
    "lr_d": 1e-3,
    "epochs": 12.0,
}
"""Smaller networks at ten times the rate: 4,680 steps, with which most members find every mode of the ring."""


RING8 = Task(
    name="ring8",
    summary="eight Gaussians on the unit circle, standard deviation 0.01",
    paper=_PAPER,
    source=Ring8(),
    networks={"mlp": MLP()},
    metrics=("mixture", "classification-error"),
    pictures="points",
    headline="modes",
    extent=2.0,
    shape=(2,),
    defaults=_BUDGET | {"success": f"modes>=8+{_SHARE}"},
    rows=_ROWS,
    presets={"seed": {**_SEED, "success": "modes>=8"}, "quick": _QUICK},
    bad_arms=_BAD,
)

GRID25 = Task(
    name="grid25",
    summary="twenty-five Gaussians on a grid of spacing 2, standard deviation 0.05",
    paper=_PAPER,
    source=Grid25(),
    networks={"mlp": MLP()},
    metrics=("mixture", "classification-error"),
    pictures="points",
    headline="modes",
    extent=5.0,
    shape=(2,),
    defaults=_BUDGET | {"success": f"modes>=25+{_SHARE}"},
    rows=_ROWS,
    presets={"seed": {**_SEED, "success": "modes>=25"}, "quick": _QUICK},
    bad_arms=_BAD,
)

MIXTURE8 = Task(
    name="mixture8",
    summary="eight Gaussians on the unit circle with the tiny generators of the Stackelberg figures",
    paper="Zhang et al., Stackelberg GAN (2018): 8,000 points, batch 64, 200 epochs",
    source=Mixture8(),
    networks={"stackelberg-mixture": StackelbergMixture(), "branch-mixture": BranchMixture(), "mlp": MLP()},
    metrics=("mixture", "classification-error"),
    pictures="points",
    headline="modes",
    extent=2.0,
    shape=(2,),
    defaults={"batch_size": 64, "epochs": 200.0, "latent_dim": 2, "success": f"modes>=8+{_SHARE}"},
    rows=rows_for(_STACKELBERG, CLASSIFIERS),
    presets={
        "quick": {"lr_g": 1e-3, "lr_d": 1e-3, "epochs": 40.0},
        # The published script: one batch of latents for all generators and both players, half of the summed losses.
        "seed": {
            "latent": "shared",
            "team_latents": "shared",
            "team_reduction": "half-sum",
            "g_hidden": 32,
            "success": "modes>=8",
        },
        "figure": {"generators": 8, "g_hidden": 16},
        "wide": {"generators": 1, "g_hidden": 128},
        "deep": {"generators": 1, "g_hidden": 128, "g_depth": 4},
        "branches": {"generators": 8, "team": "average", "network": "branch-mixture"},
    },
    bad_arms=_BAD,
)

GRID100 = Task(
    name="grid100",
    summary="a hundred Gaussians on a grid of spacing 1, standard deviation 0.03",
    paper="Garcia, ParticleGAN (2025): fresh samples, batch 2,048, 7,000 updates",
    source=Grid100(),
    networks={"mlp": MLP()},
    metrics=("mixture", "classification-error"),
    pictures="points",
    headline="modes",
    extent=6.0,
    shape=(2,),
    defaults=_HUNDRED | {"success": f"modes>=100+{_SHARE}"},
    rows=rows_for(_HUNDRED_RATES, (*CLASSIFIERS, "hinge", "relativistic", "relativistic-average")),
    presets={"benchmark": {"batch_size": 2048}, "quick": {"steps": 2500}},
    bad_arms=_BAD,
)

ROTATED100 = replace(
    GRID100,
    name="rotated100",
    summary="the grid of a hundred Gaussians, turned by 25 degrees",
    source=Rotated100(),
    extent=6.5,
)

STAGGERED100 = replace(
    GRID100,
    name="staggered100",
    summary="the grid of a hundred Gaussians with closer lines, every second one shifted by half a cell",
    source=Staggered100(),
)
