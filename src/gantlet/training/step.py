"""One update of each player, for all members at once.

The generator's update scores fakes with detached discriminator parameters, so no gradient of the discriminator is
computed there; the discriminator's update scores detached fakes. Losses are ``[S, K]``, a team's loss is their mean (or
sum), and the one ``.backward()`` is that of the sum over members, whose gradients do not meet.

Legend: ``S`` members, ``K`` generators, ``J`` batches scored separately, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from gantlet.objectives.base import DiscriminatorOutput, Monitored, Objective, WithCritic
from gantlet.penalties.base import DiscriminatorFunction, MonitoredPenalty, Penalty

from .division import Division
from .ranks import Ranks
from .stack import Stack

__all__ = [
    "Discriminators",
    "PenaltyContext",
    "PlayerBatch",
    "combined",
    "critic",
    "is_due",
    "joined_batch",
    "losses",
    "mean_of",
    "monitors",
    "needs_of",
    "penalty_losses",
    "penalty_monitors",
    "which_generator",
]


@dataclass(frozen=True)
class Discriminators:
    """The outputs of discriminators: real and fake in separate batches where batch statistics matter, else in one call.

    They are compiled where the stack's are, unless they are ``eager``.
    """

    stack: Stack
    batch_statistics: bool
    eager: bool = False

    def differentiable(self, *, frozen: bool) -> DiscriminatorFunction:
        """The same function, or :meth:`frozen`, whose derivatives have derivatives: those of compiled ones have none."""
        eager = replace(self, eager=True)
        return eager.frozen() if frozen else eager

    def __call__(
        self, x: Tensor, *, parameters: Mapping[str, Tensor] | None = None, advance: bool = False
    ) -> DiscriminatorOutput:  # [S, J, B, *x] -> score [S, J, B]
        """The output for J batches per member, each on its own."""
        members, batches, size = x.shape[:3]
        if self.batch_statistics and batches > 1:
            return _output(self.stack.batches(x, parameters=parameters, advance=advance, eager=self.eager))
        flat = x.reshape(members, batches * size, *x.shape[3:])
        out = self.stack(flat, parameters=parameters, advance=advance, eager=self.eager)
        return _output({name: part.unflatten(1, (batches, size)) for name, part in out.items()})

    def both(self, *, real: Tensor, fake: Tensor) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """The outputs for real ``[S, 1, B, *x]`` and fake ``[S, K, B, *x]`` in the discriminator's own update."""
        if self.batch_statistics or real.shape[2] != fake.shape[2]:
            return self(real, advance=True), self(fake, advance=True)
        return _split(self(torch.cat([real, fake], 1), advance=True))

    def frozen(self) -> DiscriminatorFunction:
        """A discriminator function that updates nothing and gives the discriminator no gradient."""
        parameters = {name: parameter.detach() for name, parameter in self.stack.parameters.items()}
        return lambda x: self(x, parameters=parameters)


@dataclass
class PlayerBatch:
    """A player's batches and the discriminator's outputs for them, from which its losses are computed."""

    real: DiscriminatorOutput | None
    fake: DiscriminatorOutput
    real_samples: Tensor
    fake_samples: Tensor
    state: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def arguments(self, objective: Objective) -> dict[str, Any]:
        """The keywords that an objective asks for."""
        whole = "outputs" in needs_of(objective)
        real = self.real if whole or self.real is None else self.real.score
        chosen: dict[str, Any] = {"real": real, "fake": self.fake if whole else self.fake.score}
        if "samples" in needs_of(objective):
            chosen |= {"real_samples": self.real_samples, "fake_samples": self.fake_samples}
        if "state" in needs_of(objective):
            chosen["state"] = self.state
        return chosen


@dataclass(frozen=True)
class PenaltyContext:
    """Whose update it is, its number, and what penalties are given in it.

    ``draw(name, shape, kind)`` gives a random tensor ``[S, *shape]``, ``parameters`` are the player's, ``factor`` is what
    the schedule makes of the penalties' weights. The batch is micro-batch ``part`` of ``division``. A batch smaller than ``full``
    is the partial one of an epoch, and has its own draws.
    """

    player: str
    update: int
    generators: int
    draw: Callable[[str, tuple[int, ...], Literal["normal", "uniform"]], Tensor]
    parameters: Mapping[str, Tensor]
    factor: float | Tensor = 1.0
    division: Division = field(default_factory=Division)
    part: int = 0
    full: int = 0

    def draws(self, index: int, penalty: Penalty, like: Tensor) -> dict[str, Tensor]:
        """The random tensors of the ``index``-th penalty for a batch like ``[S, K, b, *x]``, out of the whole batch's."""
        size, *shape = like.shape[2:]
        whole = self.division.of_whole(size)
        prefix = f"penalty/{index}{'/partial' if whole < self.full else ''}"
        found: dict[str, Tensor] = {}
        asked = penalty.draws(generators=self.generators, batch=whole, shape=tuple(shape))
        wanted = penalty.draws(generators=self.generators, batch=size, shape=tuple(shape))
        for name, draw in asked.items():
            drawn = self.draw(f"{prefix}/{name}", draw.shape, draw.kind)
            found[name] = self.division.cut(drawn, wanted[name].shape, self.part)
        return found


def needs_of(objective: Objective | Penalty) -> frozenset[str]:
    """What an objective or a penalty is given beyond the usual; nothing for a user's that does not say."""
    return frozenset(getattr(objective, "needs", ()))


def losses(objective: Objective, player: str, batch: PlayerBatch) -> Tensor:  # -> [S, K]
    """The loss of a player, before penalties."""
    arguments = batch.arguments(objective)
    return objective.discriminator(**arguments) if player == "discriminator" else objective.generator(**arguments)


def penalty_losses(
    penalties: tuple[Penalty, ...], discriminate: DiscriminatorFunction, batch: PlayerBatch, given: PenaltyContext
) -> dict[str, Tensor]:  # -> {label: [S, K]}
    """The penalties of a player that are due, as they join its loss."""
    terms: dict[str, Tensor] = {}
    for index, penalty in enumerate(penalties):
        if not is_due(penalty, given.player, given.update):
            continue
        drawn = given.draws(index, penalty, batch.fake_samples)
        extra: dict[str, Any] = {}
        needs = needs_of(penalty)
        if "outputs" in needs:
            extra |= {"real_output": batch.real, "fake_output": batch.fake}
        if "parameters" in needs:
            extra["parameters"] = given.parameters
        if "state" in needs:
            prefix = f"{penalty.label}/"
            held = {name: value for name, value in batch.state.items() if name.startswith(prefix)}
            extra["state"] = {name.removeprefix(prefix): value for name, value in held.items()}
        value = penalty(discriminate, real=batch.real_samples, fake=batch.fake_samples, noise=drawn, **extra)
        scale = _every(penalty) * given.factor
        terms[penalty.label] = value if isinstance(scale, float | int) and scale == 1 else value * scale
    return terms


def penalty_monitors(
    penalties: tuple[Penalty, ...], player: str, batch: PlayerBatch
) -> dict[str, Tensor]:  # -> {name: [S, K]}
    """What penalties of this player log of a batch beside their weighted values."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for penalty in penalties:
            if isinstance(penalty, MonitoredPenalty) and penalty.player == player:
                found |= penalty.monitors(fake_output=batch.fake)
    return found


def is_due(penalty: Penalty, player: str, update: int) -> bool:
    """Whether a penalty joins the loss of this update of a player."""
    return penalty.player == player and update % _every(penalty) == 0


def _every(penalty: Penalty) -> int:
    return getattr(penalty, "every", 1)  # a user's may have none


def combined(team: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:  # [S, K] -> [S]
    """A team's losses as one."""
    if team.shape[-1] == 1:
        return team.squeeze(-1)
    return team.mean(-1) if reduction == "mean" else team.sum(-1)


def which_generator(fake: DiscriminatorOutput) -> Tensor:  # generator_logits [S, K, B, K] -> [S, K]
    """The cross-entropy of the generator that really made each sample.

    Both players minimise it: generators whose samples can be told apart stay apart (the code of Stackelberg GAN; MGAN).
    """
    assert fake.generator_logits is not None
    chance = fake.generator_logits.log_softmax(-1)
    return -chance.diagonal(dim1=1, dim2=3).mean(1)  # [S, B, K] -> [S, K]


def mean_of(parts: Sequence[Mapping[str, Tensor]], ranks: Ranks) -> dict[str, Tensor]:
    """The means of named quantities over all micro-batches and ranks."""
    if len(parts) == 1 and ranks.count == 1:
        return dict(parts[0])
    means = {name: torch.stack([part[name] for part in parts]).mean(0) for name in parts[0]}
    flat = ranks.mean(torch.cat([value.reshape(-1) for value in means.values()]))
    cut = flat.split([value.numel() for value in means.values()])
    return {name: piece.view_as(value) for (name, value), piece in zip(means.items(), cut, strict=True)}


def joined_batch(parts: Sequence[PlayerBatch], objective: Objective, ranks: Ranks) -> PlayerBatch:
    """The whole batch of an update, out of its micro-batches on all ranks; without gradients where there are several.

    Codes and samples are in it only where the objective is given them.
    """
    first = parts[0]
    if len(parts) == 1 and ranks.count == 1:
        return first
    whole, samples = "outputs" in needs_of(objective), "samples" in needs_of(objective)

    def together(pieces: Sequence[Tensor | None]) -> Any:
        there = [piece.detach() for piece in pieces if piece is not None]
        return ranks.gathered(torch.cat(there, 2), 2) if there else None

    def output(pieces: Sequence[DiscriminatorOutput]) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            together([piece.score for piece in pieces]),
            code=together([piece.code for piece in pieces]) if whole else None,
            generator_logits=together([piece.generator_logits for piece in pieces]) if whole else None,
        )

    real = [part.real for part in parts if part.real is not None]
    return PlayerBatch(
        output(real) if real else None,
        output([part.fake for part in parts]),
        together([part.real_samples for part in parts]) if samples else first.real_samples,
        together([part.fake_samples for part in parts]) if samples else first.fake_samples,
        first.state,
    )


def critic(objective: Objective, discriminate: DiscriminatorFunction, batch: PlayerBatch) -> DiscriminatorFunction:
    """The critic on which penalties act: the score, unless the objective makes one of both batches' outputs."""
    if not isinstance(objective, WithCritic) or batch.real is None:
        return discriminate
    real, fake = batch.real, batch.fake
    return lambda x: DiscriminatorOutput(objective.critic(at=discriminate(x), real=real, fake=fake))


def monitors(objective: Objective, batch: PlayerBatch) -> dict[str, Tensor]:  # -> {name: [S] or [S, K]}
    """What is logged of the discriminator's update: mean scores, and what a ``Monitored`` objective adds."""
    assert batch.real is not None
    quantities = {
        name: v.score.detach().mean((1, 2)) for name, v in (("score_real", batch.real), ("score_fake", batch.fake))
    }
    if hasattr(objective, "monitors"):  # asking a protocol takes a hundredth of a narrow step
        with torch.no_grad():
            quantities |= cast(Monitored, objective).monitors(**batch.arguments(objective))
    return quantities


def _output(out: Mapping[str, Tensor]) -> DiscriminatorOutput:
    if "out" in out:
        return DiscriminatorOutput(out["out"])
    return DiscriminatorOutput(out["score"], code=out.get("code"), generator_logits=out.get("generator_logits"))


def _split(both: DiscriminatorOutput) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
    """The first batch and the rest; by one split, whose gradient is one concatenation."""
    sizes = [1, both.score.shape[1] - 1]

    def cut(value: Tensor | None) -> tuple[Any, ...]:
        return (None, None) if value is None else value.split(sizes, 1)

    parts = zip(cut(both.score), cut(both.code), cut(both.generator_logits), strict=True)
    real, fake = (DiscriminatorOutput(score, code=code, generator_logits=logits) for score, code, logits in parts)
    return real, fake
