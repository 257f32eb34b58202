"""Divergence: a loss, gradient or sample that has left every reasonable range, or already stopped being a number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase, shortened

__all__ = ["Diverged"]

_GROWTH = 1000.0  # the late level of a loss or gradient, in early ones
_HUGE = 1e6  # a loss or gradient of this size is no game any more
_FAR = 20.0  # the samples' size, in half-widths of the data's window


@dataclass(frozen=True)
class Diverged:
    """Divergence: the member ended with a value that is not finite, or its losses, gradients or samples explode."""

    name: str = "divergence"
    summary: str = "losses, gradients or samples grow without bound, or are not finite"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        evidence, numbers = list[str](), dict[str, float]()
        if member.row.get("status") == "diverged":
            step = member.number("diverged_step")
            cause = str(member.row.get("cause") or "a value was not finite")
            at = f"at step {int(step):,}: " if math.isfinite(step) else ""
            evidence.append(f"{at}{cause}")
            numbers["diverged_step"] = step
        for name in ("loss_d", "loss_g", "gradient_d", "gradient_g"):
            if (course := member.course(name)) is None:
                continue
            early, late = abs(course.median(0, 0.2)), abs(course.median(0.9, 1))
            if late > _GROWTH * max(early, 1e-3) or late > _HUGE:
                evidence.append(f"{name} was {shortened(early)} early and is {shortened(late)} in size")
                numbers[name] = late
        if member.samples is not None and member.extent and not member.images:
            size = float(member.samples.together.square().mean().sqrt())
            if not size <= _FAR * member.extent:
                evidence.append(f"samples are {shortened(size)} from the origin, the data within {member.extent:g}")
                numbers["sample_size"] = size
        if not evidence:
            return None
        lr_g, lr_d = member.setting("lr_g"), member.setting("lr_d")
        remedy = member.extend(lr_g=lr_g / 4, lr_d=lr_d / 4)
        return member.found(self.name, evidence, numbers, "Learning rates a quarter as large.", remedy, "final.png")
