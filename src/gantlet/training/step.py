"""One update of each player, for all members at once.

The generator's update judges fakes with detached discriminator parameters, so no gradient of the discriminator is
computed there; the discriminator's update judges detached fakes. Losses are ``[S, K]``, a team's loss is their mean (or
sum), and the one ``.backward()`` is that of the sum over members, whose gradients do not meet.

Legend: ``S`` members, ``K`` generators, ``J`` batches judged apart, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gantlet.objectives.base import Monitored, Objective, Stateful, Verdict
from gantlet.penalties.base import Judge, Penalty

from .randomness import Draws
from .stack import Stack

__all__ = ["Judged", "Judging", "losses", "monitors", "needs_of", "next_state", "penalty_losses"]


@dataclass(frozen=True)
class Judging:
    """How discriminators judge: real and fake in separate batches where batch statistics matter, else in one call."""

    stack: Stack
    batch_statistics: bool

    def judge(
        self, x: Tensor, *, parameters: Mapping[str, Tensor] | None = None, advance: bool = False
    ) -> Verdict:  # [S, J, B, *x] -> score [S, J, B]
        """Judge J batches per member, each on its own."""
        members, batches, size = x.shape[:3]
        if self.batch_statistics and batches > 1:
            return _verdict(self.stack.batches(x, parameters=parameters, advance=advance))
        flat = x.reshape(members, batches * size, *x.shape[3:])
        out = self.stack(flat, parameters=parameters, advance=advance)
        return _verdict({name: part.unflatten(1, (batches, size)) for name, part in out.items()})

    def judge_both(self, *, real: Tensor, fake: Tensor) -> tuple[Verdict, Verdict]:
        """Judge real ``[S, 1, B, *x]`` and fake ``[S, K, B, *x]`` in the discriminator's own update."""
        if self.batch_statistics or real.shape[2] != fake.shape[2]:
            return self.judge(real, advance=True), self.judge(fake, advance=True)
        return _split(self.judge(torch.cat([real, fake], 1), advance=True))

    def frozen(self) -> Judge:
        """A judging function that moves nothing and gives the discriminator no gradient."""
        parameters = {name: parameter.detach() for name, parameter in self.stack.parameters.items()}
        return lambda x: self.judge(x, parameters=parameters)


@dataclass
class Judged:
    """What a player's update has in hand when its losses are computed."""

    real: Verdict | None
    fake: Verdict
    real_samples: Tensor
    fake_samples: Tensor
    state: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def arguments(self, objective: Objective) -> dict[str, Any]:
        """The keywords that an objective asks for."""
        whole = "verdicts" in needs_of(objective)
        real = self.real if whole or self.real is None else self.real.score
        chosen: dict[str, Any] = {"real": real, "fake": self.fake if whole else self.fake.score}
        if "samples" in needs_of(objective):
            chosen |= {"real_samples": self.real_samples, "fake_samples": self.fake_samples}
        if "state" in needs_of(objective):
            chosen["state"] = self.state
        return chosen


def needs_of(objective: Objective) -> frozenset[str]:
    """What an objective is given beyond scores; nothing for a user's that does not say."""
    return frozenset(getattr(objective, "needs", ()))


def losses(objective: Objective, player: str, judged: Judged) -> Tensor:  # -> [S, K]
    """The loss of a player, before penalties."""
    arguments = judged.arguments(objective)
    return objective.discriminator(**arguments) if player == "discriminator" else objective.generator(**arguments)


def penalty_losses(  # -> {name: [S, K]}
    penalties: tuple[Penalty, ...], player: str, judge: Judge, judged: Judged, noise: tuple[Draws, int, int]
) -> dict[str, Tensor]:
    """The penalties of a player; ``noise`` is (draws, number of the update, generators)."""
    draws, update, generators = noise
    found: dict[str, Tensor] = {}
    for place, penalty in enumerate(penalties):
        if penalty.player != player:
            continue
        batch, shape = judged.fake_samples.shape[2], tuple(judged.fake_samples.shape[3:])
        wanted = penalty.draws(generators=generators, batch=batch, shape=shape)
        drawn = {
            name: draws.draw(f"penalty/{place}/{name}", update, draw.shape, draw.kind) for name, draw in wanted.items()
        }
        name = "penalty" if len(penalties) == 1 else f"penalty_{place}"
        found[name] = penalty(judge, real=judged.real_samples, fake=judged.fake_samples, noise=drawn)
    return found


def monitors(objective: Objective, judged: Judged) -> dict[str, Tensor]:  # -> {name: [S, K]}
    """What an objective that is ``Monitored`` wants logged of the discriminator's update."""
    assert isinstance(objective, Monitored)
    assert judged.real is not None
    return objective.monitors(real=judged.real.score.detach(), fake=judged.fake.score.detach())


def next_state(objective: Objective, judged: Judged, alive: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of a ``Stateful`` objective after the discriminator's update, and what to log.

    Members that are out keep theirs.
    """
    assert isinstance(objective, Stateful)
    arguments = {name: value for name, value in judged.arguments(objective).items() if name in ("real", "fake")}
    moved, seen = objective.update(judged.state, **arguments)
    keep = alive.reshape(-1, 1, 1)
    return {name: torch.where(keep, value.detach(), judged.state[name]) for name, value in moved.items()}, seen


def _verdict(out: Mapping[str, Tensor]) -> Verdict:
    if "out" in out:
        return Verdict(out["out"])
    return Verdict(out["score"], code=out.get("code"), generator_logits=out.get("generator_logits"))


def _split(both: Verdict) -> tuple[Verdict, Verdict]:
    """The first batch and the rest; by one split, whose gradient is one concatenation."""
    sizes = [1, both.score.shape[1] - 1]

    def cut(value: Tensor | None) -> tuple[Any, ...]:
        return (None, None) if value is None else value.split(sizes, 1)

    parts = zip(cut(both.score), cut(both.code), cut(both.generator_logits), strict=True)
    real, fake = (Verdict(score, code=code, generator_logits=logits) for score, code, logits in parts)
    return real, fake
