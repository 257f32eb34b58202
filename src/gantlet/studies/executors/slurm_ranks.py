"""One Slurm task for each rank: the tasks of a job, on one node or several, train fleets together, one after another.

They find each other by a file in the study's folder ``slurm``. When one is lost the others notice, and whoever does puts the job
back into the queue, where it goes on from the last checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from gantlet.cpu import threads_set
from gantlet.files import locked

from ..cache import Cache
from ..runner import Progress
from ..store import Store
from .base import FleetResult, train_one
from .group import Place, grouped

__all__ = ["my_rank", "train_as_rank"]

_LOCK_SECONDS = 2.0  # between two looks at a fleet that what is left of an earlier start holds


def my_rank() -> int:
    """The number of this task of the job."""
    return int(os.environ.get("SLURM_PROCID", "0"))


def train_as_rank(
    store: Store,
    fleets: Sequence[str],
    *,
    start: str,
    notify: Callable[[Progress], None],
    stopping: Callable[[], bool],
) -> list[FleetResult]:
    """Train fleets as one of the job's tasks; what became of them, which rank 0 alone knows.

    Arguments:
        store: The study.
        fleets: Their ids.
        start: A name of this start of the job, which no other start of a job has.
        notify: Told of progress, by rank 0.
        stopping: Whether this task was told to stop.
    """
    record, cache, results = store.record(), Cache(), list[FleetResult]()
    meeting = store.folder / "slurm" / f"meeting-{start}"
    place = Place(my_rank(), int(os.environ["SLURM_LOCALID"]), record.execution.processes, meeting)
    with threads_set(record.execution.threads), grouped(place, record.execution.device) as (ranks, device):
        for fleet in fleets:
            if not ranks.from_first(place.rank > 0 or _to_train(store, fleet, stopping)):
                continue
            result = train_one(cache, store, fleet, notify=notify, stopping=stopping, ranks=ranks, device=device)
            if place.rank == 0:
                results.append(result)
            if ranks.any(stopping()):
                break
    return results


def _to_train(store: Store, fleet: str, stopping: Callable[[], bool]) -> bool:
    """Whether a fleet is unfinished, as soon as nobody holds it any more."""
    record = store.record()
    plan = next(each for each in record.plan.fleets if each.id == fleet)
    while not stopping():
        with locked(store.lock(fleet), wait=False) as holder:
            if holder is None:
                return not store.finished(plan, record.seals(plan))
        time.sleep(_LOCK_SECONDS)
    return False
