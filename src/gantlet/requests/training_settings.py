"""The settings of training that every method and task shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from gantlet.settings import setting

__all__ = ["EarlyChoice", "TrainingSettings"]


class EarlyChoice(NamedTuple):
    """The settings that decide which other keys exist; empty where nothing was chosen."""

    network: str = ""
    generator: str = ""
    discriminator: str = ""
    penalties: str = ""
    constraint: str = ""


@dataclass(frozen=True)
class TrainingSettings:
    """What may be turned in any training; the text of a field is its help."""

    lr_g: float = setting(2e-4, "learning rate of the generators", above=0, varies=True)
    lr_d: float = setting(2e-4, "learning rate of the discriminators", above=0, varies=True)
    beta1: float = setting(0.5, "Adam's first decay (momentum of SGD and RMSprop)", low=0, below=1, varies=True)
    beta2: float = setting(0.999, "Adam's second decay (RMSprop's alpha)", low=0, below=1, varies=True)
    optimiser: Literal["adam", "rmsprop", "sgd", "optimistic-adam", "optimistic-sgd", "extra-adam", "extra-sgd"] = (
        setting(
            "adam",
            "torch's optimiser of both players; optimistic- takes back the update before, extra- looks a step ahead",
            choices=("adam", "rmsprop", "sgd", "optimistic-adam", "optimistic-sgd", "extra-adam", "extra-sgd"),
        )
    )
    lr_schedule: Literal["constant", "step", "cosine", "on-plateau"] = setting(
        "constant",
        "learning rates: falling by lr_decay in steps, along half a cosine, or on a plateau of the convergence measure",
        choices=("constant", "step", "cosine", "on-plateau"),
    )
    lr_decay: float = setting(0.5, "what a step or a plateau multiplies the learning rates by", above=0, below=1)
    lr_every: int = setting(0, "steps from one decay to the next, or until the cosine's end; 0: all", low=0)
    lr_floor: float = setting(0.0, "where learning rates end, as a share of their start", low=0)
    beta2_schedule: Literal["constant", "cosine"] = setting(
        "constant",
        "cosine: Adam's second decay goes to beta2_end",
        choices=("constant", "cosine"),
    )
    beta2_end: float = setting(0.99, "where beta2_schedule ends", low=0, below=1)
    penalty_schedule: Literal["constant", "step", "cosine"] = setting(
        "constant",
        "penalty weights: constant, halved after every ramp_steps, or along half a cosine to penalty_floor",
        choices=("constant", "step", "cosine"),
    )
    penalty_floor: float = setting(0.0, "where penalty weights end, as a share of their start", low=0)
    ramp_steps: int = setting(0, "steps until beta2_schedule and penalty_schedule end; 0: all", low=0)
    batch_size: int = setting(64, "samples of a batch", low=1, high=1_000_000)
    epochs: float = setting(100.0, "passes of the real data through the discriminator", above=0)
    steps: int = setting(0, "generator updates; 0: as many as `epochs` needs", low=0)
    generators: int = setting(1, "generators of a team", low=1, high=10_000)
    team: Literal["stackelberg", "average", "choose"] = setting(
        "stackelberg",
        "several generators: each against the discriminator, averaged branches, or branches that share a batch",
        choices=("stackelberg", "average", "choose"),
    )
    team_reduction: Literal["mean", "sum", "half-sum"] = setting(
        "mean", "how a team's losses are combined; half-sum: half of the sum", choices=("mean", "sum", "half-sum")
    )
    team_latents: Literal["own", "shared"] = setting(
        "own", "whether each generator of a team draws its own latents", choices=("own", "shared")
    )
    which_generator: float = setting(
        0.0, "weight of the cross-entropy of which generator made a sample, in both losses; 0: no such head", low=0
    )
    team_weights: Literal["uniform", "learned"] = setting(
        "uniform",
        "weights of a team's generators in both losses and in sampling; learned: a softmax that the generators' side moves",
        choices=("uniform", "learned"),
    )
    lr_weights: float = setting(0.01, "learning rate of the logits of learned weights", above=0, varies=True)
    weights_entropy: float = setting(
        0.1, "how much the entropy of learned weights, in nats, is worth to the generators", low=0
    )
    match_capacity: bool = setting(False, "one generator with the parameters of the team in the team's place")
    n_critic: int = setting(1, "discriminator updates per generator update", low=1, high=10_000)
    lr_trick: bool = setting(
        False, "imitate n_critic: one discriminator update per step, at n_critic times its learning rate"
    )
    critic_schedule: Literal["constant", "wgan"] = setting(
        "constant",
        "wgan: 100 critic updates in the first 25 steps and every 500th",
        choices=("constant", "wgan"),
    )
    order: Literal["d_first", "g_first"] = setting(
        "d_first", "which player moves first in a step", choices=("d_first", "g_first")
    )
    latent: Literal["fresh", "shared", "pool"] = setting(
        "fresh",
        "latents: fresh, shared by both players, or a fixed pool",
        choices=("fresh", "shared", "pool"),
    )
    latent_dim: int = setting(2, "latent dimension", low=1, high=1_000_000)
    prior: Literal["normal", "uniform"] = setting(
        "normal", "distribution of latents: N(0, 1) or U[-1, 1]", choices=("normal", "uniform")
    )
    reuse_fake: bool = setting(False, "one generator forward serves both players of a step")
    pack: int = setting(1, "samples that the discriminator judges as one (PacGAN); divides batch_size", low=1)
    instance_noise: float = setting(
        0.0, "standard deviation of normal noise on every sample that the discriminator sees", low=0, varies=True
    )
    instance_noise_steps: int = setting(0, "steps over which instance noise fades to nothing; 0: it stays", low=0)
    penalties: str = setting("", "penalties by name, joined by +, instead of the method's; none: without any")
    constraint: str = setting(
        "", "the constraint on the discriminator's weights, instead of the method's; none: without"
    )
    spectral_norm: bool = setting(False, "spectral normalisation of every layer of the discriminator")
    features: int = setting(
        0, "embedding dimension of the discriminator's output, for kernel methods; 0: a score", low=0, high=1_000_000
    )
    ema: float = setting(
        0.0, "decay of the average of the generators, which is then evaluated; 0: none", low=0, below=1
    )
    pool: Literal["fixed", "endless"] = setting(
        "fixed",
        "real data: a fixed training pool with epochs, or endless sampling",
        choices=("fixed", "endless"),
    )
    network: str = setting("", "network family; empty: the first that the task offers and the method can play")
    generator: str = setting("", "your own generator, package.module:Name")
    discriminator: str = setting("", "your own discriminator, package.module:Name")
    evaluations: int = setting(10, "how often the metrics are measured; the last is at the end", low=1, high=100_000)
    metrics: str = setting("", "metrics by name or file.py:Name, joined by +, instead of the task's; none: without any")
    samples: int = setting(
        0, "fakes per member that are evaluated; 0: as many as each metric wants", low=0, high=10_000_000
    )
    dtype: Literal["float32", "float64", "bfloat16"] = setting(
        "float32",
        "floating type of training; bfloat16: the networks' products only",
        choices=("float32", "float64", "bfloat16"),
    )
