"""Fleets one after another, in this process: for one worker, notebooks, and parts that no other process can import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gantlet.cpu import threads_set

from ..cache import Cache
from ..store import Store
from .base import Callbacks, train_one

__all__ = ["InlineExecutor"]


@dataclass(frozen=True)
class InlineExecutor:
    """Trains in this process."""

    in_process = True

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Train fleets one after another; ``workers`` has no meaning here."""
        with threads_set(store.record().execution.threads):
            for fleet in fleets:
                if callbacks.stopping():
                    return
                callbacks.ended(train_one(cache, store, fleet, notify=callbacks.progress, stopping=callbacks.stopping))
