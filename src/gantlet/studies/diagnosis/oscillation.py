r"""Oscillation: the players chase each other, and what the generator makes moves from place to place instead of settling.

A quantity oscillates if, over the second half of training, its course smoothed over a window of :math:`T/25` points swings far
and turns often: it crosses its own median with a margin of a quarter of its range. Noise of mini-batches is smoothed away by
the window, a trend does not turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .base import Course, Finding, MemberCase, shortened

__all__ = ["Oscillating", "turns"]

_Floats = npt.NDArray[np.float64]

_TURNS = 4
_TURNS_OF_SHARES = 3
_MOVED = 0.2  # of the mass of the modes
_SWING = 0.3  # of the range of a smoothed loss, in the undecided loss
_SLOW = 0.4  # share of the variance that is left after smoothing


@dataclass(frozen=True)
class Oscillating:
    """Oscillation: losses swing to and fro slowly and far, or the shares of the modes do."""

    name: str = "oscillation"
    summary: str = "losses or the shares of modes swing to and fro instead of settling"

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        evidence, numbers = list[str](), dict[str, float]()
        unit = member.undecided if np.isfinite(member.undecided) else float("inf")
        if (course := member.course("loss_d", least=100)) is not None:
            swing, slow, count = _swings(course)
            if count >= _TURNS and slow > _SLOW and swing > _SWING * unit:
                evidence.append(
                    f"loss_d turned {count} times in the second half, between levels {shortened(swing)} apart"
                )
                numbers["loss_d_swing"] = swing
        shares = member.course("tvd", least=8) or member.course("class_tvd", least=8)
        if shares is not None:
            values = shares.part(0.3, 1)
            count = turns(values, margin=_MOVED)
            if count >= _TURNS_OF_SHARES:
                evidence.append(
                    f"the modes' shares turned {count} times, between {shortened(values.min())} and {shortened(values.max())} "
                    "from the true ones (total variation)"
                )
                numbers["share_turns"] = float(count)
        if not evidence or member.row.get("status") == "diverged":
            return None
        lr_g, lr_d = member.setting("lr_g"), member.setting("lr_d")
        calm, settings = member.regularised()
        remedy = member.extend(beta1=0.0, **settings, lr_g=lr_g / 2, lr_d=lr_d / 2)
        advice = f"No momentum, half the learning rates and {calm}, with which the game settles."
        return member.found(self.name, evidence, numbers, advice, remedy, "final.png")


def turns(values: _Floats, *, margin: float) -> int:
    """How often a course moves by ``margin`` against the direction of its last such move.

    Example:
        >>> turns(np.array([0.0, 4.0, 1.0, 5.0, 4.0]), margin=2.0)
        2
        >>> turns(np.arange(9.0), margin=2.0)
        0
    """
    count, direction = 0, 0
    low = high = float(values[0]) if len(values) else 0.0
    for value in values.tolist():
        low, high = min(low, value), max(high, value)
        if direction != -1 and value <= high - margin:
            count, direction, low = count + (direction == 1), -1, value
        elif direction != 1 and value >= low + margin:
            count, direction, high = count + (direction == -1), 1, value
    return count


def _swings(course: Course) -> tuple[float, float, int]:
    """The range of the smoothed second half, the share of variance that is left, and how often it turns."""
    values = course.part(0.5, 1)
    window = max(3, len(values) // 25)
    smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
    low, high = np.percentile(smooth, [5, 95])
    swing = float(high - low)
    slow = float(smooth.var() / values.var()) if values.var() > 0 else 0.0
    return swing, slow, turns(smooth, margin=swing / 2) if swing > 0 else 0
