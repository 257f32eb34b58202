r"""Idle members of a team: a generator that is never sampled, makes one point, or makes what another one makes.

Two generators k and l are compared by their energy distance over 2 E‖x − y‖, which lies in [0, 1]:

.. math::
    h = \frac{2 E\|x - y\| - E\|x - x'\| - E\|y - y'\|}{2 E\|x - y\|},
    \qquad x, x' \sim G_k, \quad y, y' \sim G_l .

Reference:
    | Energy statistics: a class of statistics based on distances (Székely & Rizzo, 2013)

Legend: ``K`` generators of a team, ``n`` samples of each, ``d`` numbers of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from .base import Finding, MemberCase, shortened

__all__ = ["IdleGenerator", "inhomogeneity"]

_RARE = 0.05  # a generator's weight, in the weight of an equal share
_ALIKE = 0.02  # h below which two generators are one
_POINT = 0.01  # the deviation of a generator's samples, in that of all


@dataclass(frozen=True)
class IdleGenerator:
    """A dead or duplicate team member: hardly sampled, constant, or the same as another."""

    name: str = "idle-generator"
    summary: str = "a generator of a team is hardly sampled, makes one point, or makes what another makes"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        samples = member.samples
        if samples is None or len(samples.made) < 2 or member.row.get("status") == "diverged":
            return None
        made, team = samples.made, len(samples.made)
        evidence, numbers = list[str](), dict[str, float]()
        spread = float(samples.together.std(0).square().mean().sqrt())
        own = made.std(1).square().mean(1).sqrt()  # [K]
        rare = (samples.weights * team < _RARE).tolist()
        for place in range(team):
            if rare[place]:
                share = float(samples.weights[place])
                evidence.append(f"generator {place} is sampled {share:.2%} of the time")
                numbers[f"weight_{place}"] = share
            elif float(own[place]) < _POINT * spread:
                evidence.append(
                    f"generator {place} makes one point: its samples deviate by {shortened(float(own[place]))}"
                )
                numbers[f"deviation_{place}"] = float(own[place])
        for k, m in combinations([place for place in range(team) if not rare[place]], 2):
            alike = inhomogeneity(made[k, :500], made[m, :500])
            if alike < _ALIKE:
                evidence.append(f"generators {k} and {m} make the same samples: h = {shortened(alike)}")
                numbers[f"h_{k}_{m}"] = alike
        if not evidence:
            return None
        less = max(1, team - len({name.split("_")[-1] for name in numbers}))
        if member.setting("which_generator") == 0:
            advice = "A second head that classifies which generator made a sample keeps them apart."
            remedy = member.extend(which_generator=1.0)
        else:
            advice, remedy = "Fewer generators.", member.extend(generators=less)
        return member.found(self.name, evidence, numbers, advice, remedy, "ownership.png", "final.png")


def inhomogeneity(x: Tensor, y: Tensor) -> float:  # [n, d], [n, d]
    """The energy distance of two samples over 2 E‖x − y‖: 0 for equal distributions, without the bias of small samples.

    Example:
        >>> x, y = torch.zeros(4, 1), torch.ones(4, 1)
        >>> inhomogeneity(x, y)
        1.0
    """
    between = float(torch.cdist(x, y).mean())
    within = [float(torch.cdist(side, side).sum()) / (len(side) * (len(side) - 1)) for side in (x, y)]
    return 0.0 if between == 0 else max(0.0, 1 - sum(within) / (2 * between))
