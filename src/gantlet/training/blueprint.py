"""The blueprint of a fleet: everything that training needs, as plain values, resolved before step 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from gantlet.objectives.base import Objective
from gantlet.penalties.base import Constraint, Penalty

from .division import Division
from .optimisers import OptimiserSpec
from .schedules import ReduceOnPlateau, Schedule
from .stack import Form
from .update_schedule import UpdateSchedule

__all__ = [
    "Blueprint",
    "Execution",
    "InstanceNoise",
    "LearnedWeights",
    "Player",
    "Route",
    "Sizes",
    "TeamRules",
    "Tuning",
    "per_member",
]


Route = Literal["loop", "stacked", "static", "captured"]
"""How a step is carried out: members in turn, or all at once; ``static`` is ``stacked`` without a word to the host, and
``captured`` is ``static`` recorded once and replayed, on a GPU of Nvidia or a CPU."""


@dataclass(frozen=True)
class Player:
    """A network and how it learns.

    Attributes:
        build: Makes a fresh module from torch's global random state, which the fleet keys by (seed, player).
        optimiser: Its optimiser, with settings per member.
        batch_statistics: Whether the module's output for one sample depends on the others in the batch.
    """

    build: Callable[[], nn.Module]
    optimiser: OptimiserSpec
    batch_statistics: bool = False


@dataclass(frozen=True)
class Sizes:
    """The sizes of a step: batch, latent dimension, generators of a team, steps of the whole run.

    Gradients are added up over ``accumulate`` micro-batches of a batch, with batch statistics of each by itself.
    ``pack`` samples are scored as one (PacGAN; Lin et al., 2018, https://arxiv.org/abs/1712.04086): the discriminator sees
    ``[B / pack, pack · x₀, …]``, the samples side by side along their first axis. ``fakes`` are those of each generator, 0 for
    as many as ``batch``; without ``drop_last`` an epoch ends with a smaller batch, for which fewer fakes are made.
    """

    batch: int
    latent: int
    steps: int
    generators: int = 1
    pack: int = 1
    accumulate: int = 1
    fakes: int = 0
    drop_last: bool = True

    @property
    def made(self) -> int:
        """Samples of each generator per update."""
        return self.fakes or self.batch

    @property
    def whole(self) -> int:
        """The size below which a batch is a partial one; 0 where there is none."""
        return 0 if self.drop_last else self.batch


@dataclass(frozen=True)
class Execution:
    """How the arithmetic is carried out; recorded before step 0 and read back by resume and replay.

    ``mixed`` computes both networks' products in bfloat16, with parameters, losses and optimisers in ``dtype``; ``tf32``
    has a GPU round the inputs of float32 products to 10 bits, and sum in float32. Each of ``processes`` computes its share
    of every batch; ``batch_norm`` says over which samples it then normalises. ``compile`` has ``torch.compile`` make the
    networks' kernels.
    """

    route: Route = "stacked"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    mixed: bool = False
    tf32: bool = False
    compile: bool = False
    processes: int = 1
    batch_norm: Literal["synchronised", "per-rank"] = "synchronised"

    def form(self, networks: int) -> Form:
        """How a stack of so many networks computes: a lone one on a GPU needs no batched products."""
        return "loop" if self.route == "loop" or (networks == 1 and self.device.type == "cuda") else "stacked"

    @property
    def static(self) -> bool:
        """Whether steps say nothing to the host."""
        return self.route in ("static", "captured")


@dataclass(frozen=True)
class LearnedWeights:
    """How the mixture weights of a team are learned: the optimiser of their logits, and the weight of their entropy."""

    optimiser: OptimiserSpec
    entropy: float


@dataclass(frozen=True)
class TeamRules:
    """How the K generators of a team play.

    Attributes:
        kind: ``stackelberg``: each generator has its own batch, and its own loss against the one discriminator (Zhang et
            al., 2018, https://arxiv.org/abs/1811.08010). ``average``: the multi-branch baseline, whose sample is the mean
            of its K branches' outputs at one latent. ``choose``: one batch of which each branch makes its share.
        reduction: How a team's losses are combined: ``mean``, ``sum``, or ``half-sum``: sums, and half of the discriminator's
            own loss (not of the other terms that join it), as in the code of Stackelberg GAN.
        share_latents: Whether all generators see the same latents (branches that are averaged always do).
        which: By player, the weight β of the cross-entropy of *which* generator made a sample; none for no such term.
        learned: How the weights of the generators in the mixture are learned; None where they are equal.
    """

    kind: Literal["stackelberg", "average", "choose"] = "stackelberg"
    reduction: Literal["mean", "sum", "half-sum"] = "mean"
    share_latents: bool = False
    which: Mapping[str, float] = field(default_factory=dict[str, float])
    learned: LearnedWeights | None = None


@dataclass(frozen=True)
class Tuning:
    """What changes over training: factors of both learning rates and of the penalties' weights, and Adam's second decay.

    ``beta2`` runs from the optimisers' own value to ``beta2_end``, as its factor falls from 1 to 0.
    """

    lr: Schedule | ReduceOnPlateau = field(default_factory=Schedule)
    penalty: Schedule = field(default_factory=Schedule)
    beta2: Schedule = field(default_factory=Schedule)
    beta2_end: float = 0.999

    @property
    def varies(self) -> frozenset[str]:
        """Which of the optimisers' numbers change, ``lr`` and ``beta2``."""
        lr = isinstance(self.lr, ReduceOnPlateau) or self.lr.kind != "constant"
        return frozenset(["lr"] * lr + ["beta2"] * (self.beta2.kind != "constant"))

    @property
    def changing(self) -> tuple[str, ...]:
        """Which numbers of a step change, in words."""
        return (*sorted(self.varies), *["the penalties' factor"] * (self.penalty.kind != "constant"))


@dataclass(frozen=True)
class InstanceNoise:
    """Normal noise on every sample that a discriminator sees, real or fake (Sønderby et al., 2017; Arjovsky & Bottou, 2017).

    ``scale`` is its standard deviation, a number or ``[S, 1, 1]``; ``schedule`` its factor by step.

    References:
        | https://arxiv.org/abs/1610.04490, https://arxiv.org/abs/1701.04862
    """

    scale: float | Tensor
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True)
class Blueprint:
    """A fleet on paper.

    Attributes:
        seeds: One per slot, pads included.
        generator: The generator and its optimiser.
        discriminator: The discriminator and its optimiser.
        objective: Its numeric fields are tensors ``[S, 1, 1]`` where they vary.
        penalties: Added to the discriminator's or generator's loss.
        constraint: Applied to the discriminator's parameters after each of its updates.
        schedule: Who moves when.
        prior: The distribution of latents.
        feed: ``fixed`` pool with epochs, or ``endless`` sampling.
        ema: Decay of the exponential moving average of the generators, 0 for none.
        team: How several generators play.
        tuning: What changes over training.
        noise: Instance noise, None for none.
        notes: What a user should know of how it was made.
    """

    seeds: tuple[int, ...]
    sizes: Sizes
    generator: Player
    discriminator: Player
    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    constraint: Constraint | None = None
    schedule: UpdateSchedule = field(default_factory=UpdateSchedule)
    prior: Literal["normal", "uniform"] = "normal"
    feed: Literal["fixed", "endless"] = "fixed"
    ema: float = 0.0
    team: TeamRules = field(default_factory=TeamRules)
    tuning: Tuning = field(default_factory=Tuning)
    noise: InstanceNoise | None = None
    notes: tuple[str, ...] = ()
    execution: Execution = field(default_factory=Execution)

    @property
    def fake_batches(self) -> int:
        """Batches of fakes that the discriminator scores separately: one of each generator, or one of all branches."""
        return self.sizes.generators if self.team.kind == "stackelberg" else 1

    @property
    def batch_each(self) -> int:
        """Samples that each generator makes for one discriminator batch."""
        return self.sizes.batch // self.sizes.generators if self.team.kind == "choose" else self.sizes.made

    def division(self, processes: int, rank: int = 0) -> Division:
        """Which samples of a batch one of so many processes computes, and in how many micro-batches."""
        groups = self.sizes.generators if self.team.kind == "choose" else 1
        return Division(self.sizes.accumulate, processes, rank, groups)

    @property
    def makers(self) -> int:
        """Generators that a sample can be from; averaged branches make each sample together."""
        return 1 if self.team.kind == "average" else self.sizes.generators


def per_member(values: Sequence[float], execution: Execution) -> Tensor:
    """A setting per member as a tensor that broadcasts against scores, ``[S, 1, 1]``."""
    return torch.tensor(list(values), dtype=execution.dtype, device=execution.device).reshape(-1, 1, 1)
