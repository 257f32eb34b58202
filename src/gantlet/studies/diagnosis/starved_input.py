"""Starved input: the discriminator has seen each of few training samples so often that it learns them by heart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase

__all__ = ["StarvedInput"]

_BATCHES = 16.0  # batches in the pool
_PASSES = 100.0


@dataclass(frozen=True)
class StarvedInput:
    """Starved input: a pool of a few batches, passed over many times."""

    name: str = "starved-input"
    summary: str = "the training pool holds a few batches and was passed over many times"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        batch, asked = member.setting("batch_size"), member.setting("train_size")
        pool = int(asked) if asked > 0 else member.pool  # what is asked differs between settings
        if not pool or member.choice("pool") == "endless" or not math.isfinite(batch):
            return None
        seen = member.number("images_seen")
        if not math.isfinite(seen):
            seen = member.steps * batch * max(1.0, member.setting("n_critic"))
        passes = seen / pool
        if not (pool <= _BATCHES * batch and passes >= _PASSES):
            return None
        evidence = [f"{pool:,} training samples are {pool / batch:.1f} batches, passed over {passes:,.0f} times"]
        numbers = {"pool": float(pool), "passes": passes}
        if "train_size" in member.user_keys:
            advice, remedy = "More training data.", member.extend(train_size=int(max(50 * batch, 10 * pool)))
        else:
            steps = max(1, int(member.steps * _PASSES / passes))
            advice, remedy = "More data, or a shorter training.", member.extend(steps=steps)
        return member.found(self.name, evidence, numbers, advice, remedy, "real.png", "final.png")
