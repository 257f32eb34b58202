"""The short trainings of ``scripts/golden``: every method, teams, aids, networks, precisions, and data from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Training", "trainings"]

RING = {"g_width": 8, "g_depth": 1, "d_width": 8, "d_depth": 1, "train_size": 1000, "test_size": 500, "samples": 200}
DIGITS = {"samples": 64, "batch_size": 8}


@dataclass(frozen=True)
class Training:
    """A study of two seeds and 20 steps: its task, its method, and its settings beside those of all."""

    task: str
    method: str
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    file: str = ""  # the case in golden_sources.SOURCES whose files are read


def trainings() -> dict[str, Training]:
    """Every training by its name; that of a method which cannot play points is played on digits."""
    from gantlet import catalogue

    small = {"ebgan": {"width": 4}, "ebgan-pt": {"width": 4}, "began": {"width": 2}}
    cases = {f"method/{name}": Training("ring8", name, RING) for name in catalogue.names("method")}
    cases |= {f"method/{name}": Training("digits", name, {**DIGITS, **sizes}) for name, sizes in small.items()}
    ring = {f"ring8/{name}": Training("ring8", method, {**RING, **more}) for name, (method, more) in ON_RING.items()}
    images = {
        f"digits/{name}": Training("digits", method, {**DIGITS, **more}) for name, (method, more) in ON_DIGITS.items()
    }
    return cases | ring | images | FROM_FILES


ON_RING: dict[str, tuple[str, dict[str, object]]] = {
    "team": ("vanilla", {"generators": 3}),
    "team of wgan-gp": ("wgan-gp", {"generators": 2, "team_reduction": "half-sum", "team_latents": "shared"}),
    "team, average": ("alpha", {"generators": 3, "team": "average"}),
    "team, choose": ("vanilla", {"generators": 4, "team": "choose"}),
    "team, learned weights": ("vanilla", {"generators": 3, "team_weights": "learned"}),
    "team, which generator": ("vanilla", {"generators": 3, "which_generator": 0.5, "team_reduction": "sum"}),
    "team, matched capacity": ("vanilla", {"generators": 3, "match_capacity": True}),
    "grid in a fleet": ("alpha", {"alpha_d": [0.3, 1.0, float("inf")], "lr": [1e-3, 1e-4]}),
    "diverging": ("vanilla", {"lr": [1e-3, 1e30], "optimiser": "sgd"}),
    "ema": ("vanilla", {"ema": 0.9}),
    "step schedules": ("wgan-gp", {"lr_schedule": "step", "lr_every": 5, "penalty_schedule": "step", "burn_in": 5}),
    "cosine schedules": (
        "r3gan",
        {"lr_schedule": "cosine", "lr_floor": 0.1, "penalty_schedule": "cosine", "penalty_floor": 0.1}
        | {"beta2_schedule": "cosine", "burn_in": 15},
    ),
    "rmsprop": ("vanilla", {"optimiser": "rmsprop"}),
    "sgd": ("least-squares", {"optimiser": "sgd"}),
    "optimistic-adam": ("vanilla", {"optimiser": "optimistic-adam"}),
    "optimistic-sgd": ("vanilla", {"optimiser": "optimistic-sgd"}),
    "extra-adam": ("vanilla", {"optimiser": "extra-adam", "reuse_fake": False}),
    "extra-sgd": ("wgan-gp", {"optimiser": "extra-sgd", "n_critic": 1}),
    "packs": ("vanilla", {"pack": 2}),
    "instance noise": ("hinge", {"instance_noise": 0.1}),
    "fading noise": ("vanilla", {"instance_noise": [0.1, 0.3], "instance_noise_steps": 12}),
    "latent pool": ("vanilla", {"latent": "pool", "latent_dim": 3}),
    "shared latents": ("vanilla", {"latent": "shared", "prior": "uniform"}),
    "endless": ("vanilla", {"pool": "endless"}),
    "generator first": ("vanilla", {"order": "g_first", "reuse_fake": False}),
    "several updates": ("vanilla", {"n_critic": 3, "reuse_fake": False}),
    "learning rate in place of updates": ("wgan", {"n_critic": 3, "lr_trick": True}),
    "schedule of updates": ("wgan", {"critic_schedule": "wgan", "steps": 2}),
    "spectral norm": ("vanilla", {"spectral_norm": True}),
    "several penalties": ("vanilla", {"penalties": "r1+r2+orthogonal+orthogonal-generator"}),
    "lazy penalty": ("wgan-gp", {"penalty_every": 4, "penalty_weight": [1.0, 10.0]}),
    "clipping": ("vanilla", {"constraint": "weight-clipping"}),
    "float64": ("vanilla", {"dtype": "float64"}),
    "float64 penalty": ("dragan", {"dtype": "float64", "generators": 2}),
    "bfloat16": ("vanilla", {"dtype": "bfloat16"}),
    "bfloat16 penalty": ("wgan-gp", {"dtype": "bfloat16"}),
}

ON_DIGITS: dict[str, tuple[str, dict[str, object]]] = {
    "fc-mnist": ("vanilla", {"network": "fc-mnist", "g_width": 8, "d_width": 8}),
    "dcgan28": ("dcgan", {"network": "dcgan28", "width": 4, "ema": 0.9}),
    "dcgan28-plain": ("dragan", {"network": "dcgan28-plain", "width": 4}),
    "dcgan": ("lsgan", {"network": "dcgan", "width": 4, "steps": 5}),
    "wgan-gp-resnet": ("wgan-gp-resnet", {"width": 2, "steps": 5}),
    "autoencoder": ("ebgan-pt", {"network": "autoencoder", "g_width": 8, "d_width": 8}),
    "ebgan": ("ebgan", {"network": "ebgan", "width": 4, "generators": 2}),
    "began": ("began", {"width": 2, "lr_schedule": "on-stall"}),
    "dragan-mnist": ("dragan", {"network": "dragan-mnist", "hidden": 8}),
    "notebook-conv": ("vanilla", {"network": "notebook-conv", "g_width": 4, "d_width": 4, "hidden": 16}),
    "notebook-critic": ("wgan-gp", {"network": "notebook-critic", "g_width": 4, "d_width": 4, "hidden": 16}),
    "bogonet": ("vanilla", {"network": "bogonet", "width": 4, "steps": 5}),
    "coulomb": ("coulomb", {"width": 4}),
    "consistency": ("cr-gan", {"network": "dcgan28-plain", "width": 4}),
    "team of convolutions": ("vanilla", {"network": "dcgan28", "width": 4, "generators": 3, "which_generator": 0.5}),
    "spectral norm": ("sngan", {"network": "dcgan28-plain", "width": 4}),
    "bfloat16": ("vanilla", {"network": "dcgan28", "width": 4, "dtype": "bfloat16"}),
}

_SIXTEEN: dict[str, object] = {
    "size": "16",
    "network": "dcgan",
    "width": 4,
    "batch_size": 8,
    "samples": 8,
    "latent_dim": 8,
}

FROM_FILES: dict[str, Training] = {
    "file/folder": Training("folder", "vanilla", {**_SIXTEEN, "flips": True}, "folder"),
    "file/folder, streamed": Training("folder", "vanilla", {**_SIXTEEN, "flips": True, "memory": "streamed"}, "folder"),
    "file/r3gan": Training("folder", "r3gan", {**_SIXTEEN, "network": "r3gan", "width": 4, "groups": 2}, "folder"),
    "file/lsgan": Training("folder", "lsgan", {**_SIXTEEN, "network": "lsgan"}, "folder"),
    "file/dcgan4": Training("zip", "alpha", {**_SIXTEEN, "network": "dcgan4", "latent": "pool"}, "zip"),
    "file/stackelberg-cifar": Training(
        "folder",
        "vanilla",
        {key: _SIXTEEN[key] for key in ("size", "batch_size", "samples", "latent_dim")}
        | {"network": "stackelberg-cifar", "g_width": 4, "d_width": 4, "generators": 2},
        "folder",
    ),
    "file/images": Training(
        "images", "vanilla", {"g_width": 8, "d_width": 8, "batch_size": 8, "samples": 8}, "images grey"
    ),
    "file/points": Training(
        "points", "vanilla", {"g_width": 8, "d_width": 8, "batch_size": 8, "samples": 32}, "points csv"
    ),
    "file/points, standardised": Training(
        "points",
        "wgan-gp",
        {"g_width": 8, "d_width": 8, "batch_size": 8, "samples": 32, "standardise": True},
        "points csv",
    ),
    "file/mnist": Training("mnist", "vanilla", {"g_width": 8, "d_width": 8, "batch_size": 8, "samples": 64}, "mnist"),
    "file/mnist, stackelberg": Training(
        "mnist",
        "vanilla",
        {"network": "stackelberg-mnist", "g_hidden": 8, "d_hidden": 8, "generators": 2, "batch_size": 8, "samples": 64},
        "mnist",
    ),
    "file/stacked-mnist": Training(
        "stacked-mnist",
        "vanilla",
        {"width": 1, "batch_size": 8, "samples": 64, "train_size": 300, "test_size": 50, "steps": 5},
        "stacked-mnist",
    ),
}
