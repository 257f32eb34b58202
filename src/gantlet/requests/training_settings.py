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
    """The settings of any training; the text of a field is its help."""

    lr_g: float = setting(2e-4, "learning rate of the generators", above=0, varies=True)
    lr_d: float = setting(2e-4, "learning rate of the discriminators", above=0, varies=True)
    beta1: float = setting(0.5, "Adam's first decay (momentum of SGD and RMSprop)", low=0, below=1, varies=True)
    beta2: float = setting(0.999, "Adam's second decay (RMSprop's alpha)", low=0, below=1, varies=True)
    optimiser: Literal["adam", "rmsprop", "sgd", "optimistic-adam", "optimistic-sgd", "extra-adam", "extra-sgd"] = (
        setting(
            "adam",
            "optimiser of both players; optimistic- subtracts the update before, extra- is extragradient",
            choices=("adam", "rmsprop", "sgd", "optimistic-adam", "optimistic-sgd", "extra-adam", "extra-sgd"),
        )
    )
    eps: float = setting(1e-8, "what Adam and RMSprop add to the root of the second moment", low=0)
    lr_schedule: Literal["constant", "step", "cosine", "on-plateau"] = setting(
        "constant",
        "learning rates: constant, half a cosine, or times lr_decay in steps or on a plateau of the convergence measure",
        choices=("constant", "step", "cosine", "on-plateau"),
    )
    lr_decay: float = setting(0.5, "factor of the learning rates at a step or plateau", above=0, below=1)
    lr_every: int = setting(0, "steps between decays, or until the cosine's end; 0: all steps", low=0)
    lr_floor: float = setting(0.0, "lowest learning rate, as a share of the initial one", low=0)
    beta2_schedule: Literal["constant", "cosine"] = setting(
        "constant",
        "Adam's second decay: constant, or along half a cosine to beta2_end",
        choices=("constant", "cosine"),
    )
    beta2_end: float = setting(0.99, "final value of beta2_schedule", low=0, below=1)
    penalty_schedule: Literal["constant", "step", "cosine"] = setting(
        "constant",
        "penalty weights: constant, halved after every ramp_steps, or along half a cosine to penalty_floor",
        choices=("constant", "step", "cosine"),
    )
    penalty_floor: float = setting(0.0, "final penalty weight, as a share of the initial one", low=0)
    ramp_steps: int = setting(0, "length of beta2_schedule and penalty_schedule in steps; 0: all steps", low=0)
    batch_size: int = setting(64, "samples per batch", low=1, high=1_000_000)
    accumulate: int = setting(
        1,
        "micro-batches of a batch, over which each update adds up its gradients to save memory; batch norm normalises each by itself",
        low=1,
        high=1_000_000,
    )
    batch_norm: Literal["synchronised", "per-rank"] = setting(
        "synchronised",
        "with several processes, over which samples batch norm normalises: all of a (micro-)batch, or those of a process",
        choices=("synchronised", "per-rank"),
    )
    batch_size_g: int = setting(
        0, "fakes of each generator per update, if not as many as real samples; 0: batch_size", low=0, high=1_000_000
    )
    drop_last: bool = setting(True, "leave out the last, partial batch of an epoch; false: train on it, too")
    epochs: float = setting(100.0, "passes of the real data through the discriminator", above=0)
    steps: int = setting(0, "generator updates; 0: as many as `epochs` needs", low=0)
    generators: int = setting(1, "number of generators; several are a team", low=1, high=10_000)
    team: Literal["stackelberg", "average", "choose"] = setting(
        "stackelberg",
        "several generators: each with its own batch and loss, averaged branches, or branches that share a batch",
        choices=("stackelberg", "average", "choose"),
    )
    team_reduction: Literal["mean", "sum", "half-sum"] = setting(
        "mean",
        "how a team's losses are combined; half-sum: the sum, of which the discriminator's own loss is halved",
        choices=("mean", "sum", "half-sum"),
    )
    team_latents: Literal["own", "shared"] = setting(
        "own", "latents of a team: each generator its own, or shared by all", choices=("own", "shared")
    )
    which_generator: float = setting(
        0.0, "weight of a second head that classifies which generator made a sample; 0: no such head", low=0
    )
    which_generator_d: float = setting(
        -1.0, "the same weight in the discriminator's loss; -1: that of which_generator", low=-1
    )
    team_weights: Literal["uniform", "learned"] = setting(
        "uniform",
        "weights of a team's generators in both losses and in sampling; learned: a softmax trained with the generators",
        choices=("uniform", "learned"),
    )
    lr_weights: float = setting(0.01, "learning rate of the logits of learned weights", above=0, varies=True)
    weights_entropy: float = setting(
        0.1, "coefficient of the entropy of learned weights, in nats, in the generators' loss", low=0
    )
    match_capacity: bool = setting(False, "replace the team by one generator with as many parameters")
    n_critic: int = setting(1, "discriminator updates per generator update", low=1, high=10_000)
    lr_trick: bool = setting(
        False, "imitate n_critic: one discriminator update per step, at n_critic times its learning rate"
    )
    critic_schedule: Literal["constant", "wgan"] = setting(
        "constant",
        "constant: n_critic; wgan: 100 critic updates in the first 25 steps and every 500th",
        choices=("constant", "wgan"),
    )
    order: Literal["d_first", "g_first"] = setting(
        "d_first", "which player is updated first in a step", choices=("d_first", "g_first")
    )
    latent: Literal["fresh", "shared", "pool"] = setting(
        "fresh",
        "latents: fresh for each player, shared by both players, or from a fixed pool",
        choices=("fresh", "shared", "pool"),
    )
    latent_dim: int = setting(2, "latent dimension", low=1, high=1_000_000)
    prior: Literal["normal", "uniform"] = setting(
        "normal", "distribution of latents: N(0, 1) or U[-1, 1]", choices=("normal", "uniform")
    )
    reuse_fake: bool = setting(False, "one forward pass of the generator for both players")
    pack: int = setting(
        1, "samples that the discriminator scores as one (PacGAN); batch_size must be a multiple", low=1
    )
    instance_noise: float = setting(
        0.0, "standard deviation of normal noise added to the discriminator's input", low=0, varies=True
    )
    instance_noise_steps: int = setting(0, "steps over which instance noise falls to 0; 0: it stays constant", low=0)
    penalties: str = setting("", "penalties by name, joined by +, instead of the method's own; none: no penalty")
    constraint: str = setting(
        "", "constraint on the discriminator's weights, instead of the method's own; none: no constraint"
    )
    spectral_norm: bool = setting(False, "spectral normalisation of all layers of the discriminator")
    bn_decay: float = setting(
        0.0,
        "decay of the running statistics of all batch norms; 0: as the network has it, 0.9 in gantlet's",
        low=0,
        below=1,
    )
    features: int = setting(
        0, "embedding dimension of the discriminator's output, for kernel methods; 0: a score", low=0, high=1_000_000
    )
    ema: float = setting(
        0.0,
        "decay of an exponential moving average of the generators, which is then evaluated; 0: none",
        low=0,
        below=1,
    )
    pool: Literal["fixed", "endless"] = setting(
        "fixed",
        "real data: a fixed training set, or fresh samples at every step",
        choices=("fixed", "endless"),
    )
    network: str = setting("", "network family; empty: the first of the task that the method can use")
    generator: str = setting("", "your own generator, package.module:Name or file.py:Name")
    discriminator: str = setting("", "your own discriminator, package.module:Name or file.py:Name")
    evaluations: int = setting(
        10, "how often the metrics are measured; the last time is at the end", low=1, high=100_000
    )
    metrics: str = setting(
        "", "metrics by name or file.py:Name, joined by +, instead of the task's own; none: no metrics"
    )
    checkpoints: str = setting(
        "last",
        "weights that are kept: last, and also all (each evaluation), every:N (every N steps) or best:METRIC; joined by +",
    )
    stop: str = setting(
        "",
        "end a member early: METRIC>=VALUE or METRIC<=VALUE at an evaluation, with :K behind it at K in a row; empty: never",
    )
    init_from: str = setting(
        "",
        "start from trained weights: DIR:RUN of a study, with :STEP or :best behind it, or a model folder (also as init=); empty: at random",
        path=True,
    )
    success: str = setting(
        "",
        "criterion of success: COLUMN>=VALUE or COLUMN<=VALUE, :k for the last k evaluations, several joined by +; none: the "
        "metric's own",
    )
    samples: int = setting(0, "samples per member for metrics; 0: each metric's own number", low=0, high=10_000_000)
    dtype: Literal["float32", "float64", "bfloat16", "tf32"] = setting(
        "float32",
        "floating-point type; bfloat16: only the networks' matrix products; tf32: float32 whose products a GPU rounds to 10 bits",
        choices=("float32", "float64", "bfloat16", "tf32"),
    )
    compile: bool = setting(
        False, "compile both networks with torch.compile; penalties call the discriminator as it is"
    )
