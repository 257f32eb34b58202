"""Who moves when: the schedule of a step.

A *step* is one generator update. The schedule says how many discriminator updates belong to it, which player moves
first, and where the latents come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gantlet.errors import Refused

__all__ = ["UpdateSchedule"]


@dataclass(frozen=True)
class UpdateSchedule:
    """The schedule fields of a method.

    Attributes:
        order: Which player moves first in a step.
        latent: ``fresh`` for each player, ``shared`` by both players of a step, or ``pool``: a fixed pool of as many
            latents as training samples, reshuffled every epoch.
        reuse_fake: Whether one generator forward serves both players (then they share latents too).
        n_critic: Discriminator updates per step.
        critic_schedule: ``constant``, or ``wgan``: 100 discriminator updates while fewer than 25 steps are done, and
            at every step whose number is a multiple of 500 (the WGAN authors' code), else ``n_critic``.
        extragradient: Both players move together, twice per step: a look ahead with one batch, and from where they
            stood, along the gradients computed there with the next batch (Gidel et al., 2019,
            https://arxiv.org/abs/1802.10551). ``order`` then has no meaning.

    Raises:
        Refused: ``reuse_fake`` or ``shared`` latents with more than one discriminator update per step; an
            ``extragradient`` game in which one player moves more often.
    """

    order: Literal["d_first", "g_first"] = "d_first"
    latent: Literal["fresh", "shared", "pool"] = "fresh"
    reuse_fake: bool = False
    n_critic: int = 1
    critic_schedule: Literal["constant", "wgan"] = "constant"
    extragradient: bool = False

    def __post_init__(self) -> None:
        several = self.n_critic > 1 or self.critic_schedule != "constant"
        if several and (self.reuse_fake or self.latent == "shared"):
            setting = "reuse_fake=true" if self.reuse_fake else "latent=shared"
            raise Refused(
                f"{setting} shares one batch of latents between both players, so it needs exactly one discriminator "
                f"update per step, but n_critic={self.n_critic} and critic_schedule={self.critic_schedule}."
            )
        if self.extragradient and (several or self.reuse_fake):
            raise Refused(
                f"An extragradient optimiser moves both players together, each with its own latents, but n_critic="
                f"{self.n_critic}, critic_schedule={self.critic_schedule} and reuse_fake={str(self.reuse_fake).lower()}: "
                f"set n_critic=1 critic_schedule=constant reuse_fake=false, or use an optimistic optimiser."
            )

    def updates(self, step: int) -> int:
        """How many discriminator updates step ``step`` (counted from 0) takes.

        Example:
            >>> wgan = UpdateSchedule(n_critic=5, critic_schedule="wgan")
            >>> [wgan.updates(t) for t in (0, 24, 25, 499, 500, 501)]
            [100, 100, 5, 5, 100, 5]
        """
        if self.extragradient:
            return 2
        if self.critic_schedule == "wgan" and (step < 25 or step % 500 == 0):
            return 100
        return self.n_critic

    def total(self, steps: int) -> int:
        """Discriminator updates of the first ``steps`` steps.

        Example:
            >>> wgan = UpdateSchedule(n_critic=5, critic_schedule="wgan")
            >>> wgan.total(26) == sum(wgan.updates(t) for t in range(26)) == 2505
            True
        """
        if self.critic_schedule == "constant":
            return steps * (2 if self.extragradient else self.n_critic)
        bursts = min(steps, 25) + len(range(500, steps, 500))
        return steps * self.n_critic + bursts * (100 - self.n_critic)

    def steps_for(self, updates: int) -> int:
        """The least number of steps that takes at least ``updates`` discriminator updates."""
        low, high = 0, max(1, updates)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.total(middle) >= updates else (middle + 1, high)
        return low
