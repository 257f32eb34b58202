"""An executor that trains nothing: for tests of what plans, runs and reports studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..cache import Cache
from ..store import Store
from .base import Callbacks, FleetResult

__all__ = ["FakeExecutor"]


def _stopped(fleet: str) -> FleetResult:
    return FleetResult(fleet, "stopped")


@dataclass
class FakeExecutor:
    """Ends each fleet as it is told to, and remembers what it was asked.

    Attributes:
        end: What becomes of a fleet; by default each is stopped before it began.
        asked: The fleets of each call, in order.

    Example:
        >>> from pathlib import Path
        >>> fake, seen = FakeExecutor(), []
        >>> fake.run(Store(Path("study")), ["0000"], Callbacks(ended=seen.append), workers=1, cache=Cache())
        >>> fake.asked, seen
        ([['0000']], [FleetResult(fleet='0000', kind='stopped', error=None, damage=())])
    """

    end: Callable[[str], FleetResult] = _stopped
    asked: list[list[str]] = field(default_factory=list[list[str]])
    in_process = True

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """End every fleet, unless asked to stop."""
        self.asked.append(list(fleets))
        for fleet in fleets:
            if callbacks.stopping():
                return
            callbacks.ended(self.end(fleet))
