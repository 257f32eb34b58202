"""The settings of training that every method and task shares."""

from __future__ import annotations

from dataclasses import dataclass

from gantlet.settings import setting

__all__ = ["ALIASES", "TrainingSettings"]

ALIASES = {"lr": ("lr_g", "lr_d"), "alpha": ("alpha_d", "alpha_g")}
"""Short keys that set both players."""


@dataclass(frozen=True)
class TrainingSettings:
    """What may be turned in any training; the text of a field is its help."""

    lr_g: float = setting(2e-4, "learning rate of the generators", above=0, varies=True)
    lr_d: float = setting(2e-4, "learning rate of the discriminators", above=0, varies=True)
    beta1: float = setting(0.5, "Adam's first decay (momentum of SGD and RMSprop)", low=0, below=1, varies=True)
    beta2: float = setting(0.999, "Adam's second decay (RMSprop's alpha)", low=0, below=1, varies=True)
    optimiser: str = setting("adam", "torch's optimiser of both players", choices=("adam", "rmsprop", "sgd"))
    batch_size: int = setting(64, "samples of a batch", low=1)
    epochs: float = setting(100.0, "passes of the real data through the discriminator", above=0)
    steps: int = setting(0, "generator updates; 0: as many as `epochs` needs", low=0)
    generators: int = setting(1, "generators of a team", low=1)
    team_reduction: str = setting("mean", "how a team's losses are combined", choices=("mean", "sum"))
    n_critic: int = setting(1, "discriminator updates per generator update", low=1)
    critic_schedule: str = setting(
        "constant",
        "wgan: 100 critic updates in the first 25 steps and every 500th",
        choices=("constant", "wgan"),
    )
    order: str = setting("d_first", "which player moves first in a step", choices=("d_first", "g_first"))
    latent: str = setting(
        "fresh",
        "latents: fresh, shared by both players, or a fixed pool",
        choices=("fresh", "shared", "pool"),
    )
    latent_dim: int = setting(2, "numbers of a latent", low=1)
    prior: str = setting("normal", "distribution of latents: N(0, 1) or U[-1, 1]", choices=("normal", "uniform"))
    reuse_fake: bool = setting(False, "one generator forward serves both players of a step")
    ema: float = setting(0.0, "decay of the average of the generators, which is then judged; 0: none", low=0, below=1)
    pool: str = setting(
        "fixed",
        "real data: a fixed training pool with epochs, or endless sampling",
        choices=("fixed", "endless"),
    )
    network: str = setting("", "network family; empty: the first that the task offers and the method can play")
    generator: str = setting("", "your own generator, package.module:Name")
    discriminator: str = setting("", "your own discriminator, package.module:Name")
    evaluations: int = setting(10, "how often the metrics are measured; the last is at the end", low=1)
    samples: int = setting(0, "fakes per member that the metrics judge; 0: as many as the metric's source", low=0)
    dtype: str = setting("float32", "floating type of training", choices=("float32", "float64"))
