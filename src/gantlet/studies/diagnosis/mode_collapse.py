r"""Mode collapse: the samples lie in a small part of the data's modes, or are all alike.

Where the modes or classes are known, the shares :math:`\hat p` of the samples are turned into an effective number of modes:
for M equally likely ones

.. math::
    M_\text{eff} = e^{H(\hat p)} = M e^{-\mathrm{KL}(\hat p \| p)} .

Where they are not known, only the collapse onto one point can be told without the data: the samples hardly differ from each
other, measured by the size of the data's window or of their range of pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase, shortened

__all__ = ["ModeCollapse"]

_SHARE = 0.6  # of the modes, below which the effective number counts as a collapse
_ALIKE = 0.03  # root mean square deviation of the samples, in half-widths of the data's range


@dataclass(frozen=True)
class ModeCollapse:
    """Mode collapse: few of the known modes are made, or all samples are alike."""

    name: str = "mode-collapse"
    summary: str = "the samples lie in a small part of the data's modes, or are all alike"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        evidence, numbers = list[str](), dict[str, float]()
        if member.modes and (effective := _effective(member)) < _SHARE * member.modes:
            covered = member.number("modes", "class_coverage")
            evidence.append(
                f"samples spread over {effective:.1f} modes' worth of {member.modes}"
                + (f", {covered:g} covered at all" if math.isfinite(covered) else "")
            )
            numbers |= {"effective_modes": effective, "modes": float(member.modes)}
        if member.samples is not None and member.extent:
            deviation = float(member.samples.together.std(0).square().mean().sqrt())
            if deviation < _ALIKE * member.extent:
                evidence.append(f"all samples are alike: they deviate by {shortened(deviation)} on average")
                numbers["deviation"] = deviation
        if not evidence or member.row.get("status") == "diverged":
            return None
        calm, settings = member.regularised()
        if member.choice("pack") == 1:
            advice = f"Let the discriminator score packs of two samples (PacGAN), with {calm}."
            remedy = member.extend(pack=2, **settings)
        else:
            advice, remedy = f"{calm[0].upper()}{calm[1:]}.", member.extend(**settings)
        return member.found(self.name, evidence, numbers, advice, remedy, "final.png")


def _effective(member: MemberCase) -> float:
    """The effective number of modes; inf where it is not known."""
    reverse = member.number("reverse_kl")
    if math.isfinite(reverse):
        return member.modes * math.exp(-reverse)
    entropy = member.number("class_entropy")
    return math.exp(entropy) if math.isfinite(entropy) else math.inf
