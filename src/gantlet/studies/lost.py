"""What the tables of a study say was trained and the fleets' files do not have: results or whole folders that were deleted.

``runs.parquet`` and ``history.parquet`` are written from the fleets' files, after each fleet; so what they have and those
lack was there once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pandas as pd
from pandas.api.types import is_integer_dtype

from gantlet.errors import StoreError
from gantlet.training import checkpoint

from .record import FleetPlan
from .store import Store

__all__ = ["Lost", "lost_work"]


class Lost:
    """What the tables say of each run, read once; a table that cannot be read says nothing.

    Arguments:
        store: The study.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        runs = self._table("runs.parquet", "status")
        statuses = [] if runs is None else zip(runs["run"].tolist(), runs["status"].tolist(), strict=True)
        self._ended = {run for run, status in statuses if str(status) in ("finished", "diverged")}
        self._reached: dict[int, int] | None = None

    def of(self, fleet: FleetPlan) -> str:
        """A sentence on what is lost of a fleet that was not cut; empty where that is nothing.

        Raises:
            StoreError: A link stands in the place of its folder.
        """
        folder = self._store.fleet(fleet.id)
        whole = [fleet.id[:length] for length in range(4, len(fleet.id)) if fleet.id[length] in "ab"]
        if any(os.path.lexists(self._store.fleet(name) / "results.json") for name in whole):
            return ""  # those of a shorter plan, of the fleet before it was cut
        if not os.path.lexists(folder / "results.json") and self._ended.issuperset(fleet.runs):
            gone = folder / "results.json" if os.path.lexists(folder) else folder
            return f"{gone} is missing, and runs.parquet says that fleet {fleet.id} was finished."
        if not os.path.lexists(folder) and (step := self._reaches(fleet)):
            return f"{folder} is missing, and history.parquet says that fleet {fleet.id} was trained to step {step:,}."
        return ""

    def _reaches(self, fleet: FleetPlan) -> int:
        """The step to which history.parquet has a fleet, 0 where it has nothing of it."""
        if self._reached is None:
            found, self._reached = self._table("history.parquet", "step"), {}
            if found is not None and is_integer_dtype(found["step"]):
                last = found.groupby("run")["step"].max()
                self._reached = dict(zip(map(int, last.index), map(int, last), strict=True))
        return max(self._reached.get(run, 0) for run in fleet.runs)

    def _table(self, name: str, column: str) -> pd.DataFrame | None:
        """Runs and one more column of a table; None where it cannot be read, or its runs are not numbers."""
        try:
            frame = self._store.frame(name, ("run", column))
        except StoreError:  # which verify tells
            return None
        return frame if is_integer_dtype(frame["run"]) else None


def lost_work(store: Store, fleets: Iterable[FleetPlan]) -> dict[str, str]:
    """What is lost or damaged of fleets that are to be trained, a sentence by planned fleet, with what becomes of it.

    Arguments:
        store: The study.
        fleets: Planned fleets.
    """
    lost, record, found = Lost(store), store.record(), dict[str, str]()
    for planned in fleets:
        try:
            for leaf in store.leaves(planned):
                if sentence := lost.of(leaf) or _garbled(store, leaf, {*record.lineage, *record.seals(leaf)}):
                    there = checkpoint.has_checkpoint(store.checkpoint(leaf.id))
                    went = "goes on from its last good checkpoint" if there else "is trained again from the start"
                    found[planned.id] = f"{found.get(planned.id, '')} {sentence} It {went}.".strip()
        except StoreError:  # which training will tell
            continue
    return found


def _garbled(store: Store, fleet: FleetPlan, seals: set[str]) -> str:
    """What is wrong with results that are there; empty if nothing is, or they are not."""
    if os.path.lexists(store.fleet(fleet.id) / "results.json"):
        try:
            store.results(fleet, seals)
        except StoreError as error:
            return str(error)
    return ""
