"""The columns of a row of results beside settings and metrics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

__all__ = ["COLUMNS", "ResultRow"]


@dataclass(frozen=True)
class ResultRow:
    """How one member ended, and what it took.

    Attributes:
        diverged_step: The step at which it diverged, None if it did not.
        cause: Why it diverged.
        route: Whether its fleet was stacked or looped.
        width: The slots of its fleet, pads included.
        seconds: Its share of the fleet's training time.
        weights: ``average`` for an exponential moving average of the generators, else ``last``.
        stop_step: The step after which the key ``stop`` ended it, None if it did not.
        best_step: The step of the evaluation that the key ``checkpoints`` chose as its best, None if it chose none.
        generator_weights: The shares of a team's generators, None where they are not learned.
    """

    run: int
    task: str
    method: str
    setting: str
    seed: int
    status: str
    diverged_step: int | None
    cause: str | None
    route: str
    width: int
    seconds: float
    generator_steps: int
    discriminator_steps: int
    images_seen: int
    weights: str
    stop_step: int | None = None
    best_step: int | None = None
    generator_weights: list[float] | None = None

    def values(self) -> dict[str, Any]:
        """Every column by its name; what not every study has, only where there is something."""
        found = {name: getattr(self, name) for name in COLUMNS}
        return {name: value for name, value in found.items() if value is not None or name not in _OPTIONAL}


_OPTIONAL = ("stop_step", "best_step", "generator_weights")

COLUMNS = tuple(entry.name for entry in fields(ResultRow))
"""The names of these columns, which no metric may have."""
