"""Memorisation: samples that are nearer to training data than unseen data are.

Read from the column ``memorisation`` of scores on features where a study has it; where the data may be looked at
(``--trust``), it is measured on the numbers of the samples themselves.

Reference:
    | A non-parametric test to detect data-copying (Meehan, Chaudhuri, Dasgupta, 2020), https://arxiv.org/abs/2004.05675
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Finding, MemberCase

__all__ = ["Memorising"]

_NEARER = 0.65  # P(a sample is nearer to the training data than a held-out one)
_ERRORS = 3.0  # standard errors above one half


@dataclass(frozen=True)
class Memorising:
    """Memorisation: samples are near copies of training data."""

    name: str = "memorisation"
    summary: str = "samples are nearer to training data than unseen data are"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        evidence, numbers = list[str](), dict[str, float]()
        columns = [name for name in member.row if str(name).startswith("memorisation")]
        value = member.number(*columns)
        if math.isfinite(value) and value > _NEARER:
            evidence.append(
                f"{columns[0]} is {value:.2f}: P(a sample is nearer to the training images than an unseen one is)"
            )
            numbers["memorisation"] = value
        copies = member.copies
        if copies is not None and copies.nearer > max(_NEARER, 0.5 + _ERRORS * copies.error):
            evidence.append(
                f"samples are nearer to training data than unseen data are with P = {copies.nearer:.2f} ± {copies.error:.2f}; "
                f"{copies.copies:.0%} are near copies"
            )
            numbers |= {"nearer": copies.nearer, "copies": copies.copies}
        if not evidence:
            return None
        pool = f" ({member.pool:,} training samples)" if member.pool else ""
        advice = f"Augment what the discriminator sees, or bring more data{pool}."
        remedy = member.extend(instance_noise=0.1) if not member.images else member.extend(penalties="consistency")
        return member.found(self.name, evidence, numbers, advice, remedy, "neighbours.png", "final.png")
