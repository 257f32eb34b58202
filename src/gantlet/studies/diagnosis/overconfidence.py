"""An overconfident discriminator: it tells real from fake without doubt, so that its scores say nothing about how to improve."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase, shortened

__all__ = ["Overconfident"]

_SHARE = 0.12  # the discriminator's late loss, in its loss when undecided


@dataclass(frozen=True)
class Overconfident:
    """Discriminator overconfidence: its loss is almost zero, measured by what it is when all scores are equal."""

    name: str = "overconfident-discriminator"
    summary: str = "the discriminator's loss is almost zero: it is sure of every sample"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        loss = member.course("loss_d")
        if loss is None or not math.isfinite(member.undecided):
            return None
        late = loss.median(0.8, 1)
        share = late / member.undecided
        if not share < _SHARE:
            return None
        evidence = [
            f"the discriminator's loss is {shortened(late)}, {max(share, 0):.1%} of {shortened(member.undecided)}, "
            "its loss when it cannot tell"
        ]
        numbers = {"loss_d": late, "undecided": member.undecided}
        real, fake = member.course("score_real"), member.course("score_fake")
        if real is not None and fake is not None:
            gap = real.median(0.8, 1) - fake.median(0.8, 1)
            evidence.append(f"mean scores of real and fake samples are {shortened(gap)} apart")
            numbers["score_gap"] = gap
        calm, settings = member.regularised()
        remedy = member.extend(**settings, lr_d=member.setting("lr_d") / 4)
        advice = f"A slower discriminator with {calm}."
        return member.found(self.name, evidence, numbers, advice, remedy, "final.png")
