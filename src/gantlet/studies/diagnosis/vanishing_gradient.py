"""A vanishing gradient of the generator: it stands still although the discriminator tells its samples apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase, shortened

__all__ = ["VanishingGradient"]

_FALL = 0.02  # the late gradient norm, in its highest level before
_SMALL = 0.05  # a norm above this moves the weights
_BEATEN = 0.5  # the discriminator's late loss, in its loss when undecided


@dataclass(frozen=True)
class VanishingGradient:
    """A vanishing generator gradient: its norm has fallen to almost nothing while the discriminator wins."""

    name: str = "vanishing-gradient"
    summary: str = "the generator's gradient is almost zero while the discriminator still wins"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        course = member.course("gradient_g")
        if course is None:
            return None
        parts = [course.median(begin / 10, (begin + 1) / 10) for begin in range(8)]
        before = max((part for part in parts if math.isfinite(part)), default=0.0)  # a tenth may have no record
        late, least = course.median(0.8, 1), 1e-8
        if not (before > 0 and late <= max(_FALL * before, least) and late < _SMALL):
            return None
        loss = member.course("loss_d")
        level = loss.median(0.8, 1) / member.undecided if loss is not None else math.nan
        if math.isfinite(level) and level > _BEATEN:
            return None  # the game has come to rest: nothing is left to learn
        evidence = [f"the generator's gradient norm fell from {shortened(before)} to {shortened(late)}"]
        numbers = {"before": before, "late": late}
        if math.isfinite(level):
            evidence.append(f"the discriminator's loss is {level:.0%} of what it is when undecided")
            numbers["loss_share"] = level
        if member.choice("saturating") is True or member.method == "vanilla-saturating":
            advice = "The non-saturating loss."
            return member.found(self.name, evidence, numbers, advice, member.extend("vanilla"), "final.png")
        calm, settings = member.regularised()
        remedy = member.extend(**settings, lr_d=member.setting("lr_d") / 4)
        advice = f"A slower discriminator with {calm}."
        return member.found(self.name, evidence, numbers, advice, remedy, "final.png")
