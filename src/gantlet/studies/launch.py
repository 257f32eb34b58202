"""Starting and resuming a study: its record is written, its executor trains what is unfinished, its tables are kept true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gantlet.requests.options import default_folder

from . import executors
from .cache import Cache
from .executors.base import Callbacks, Executor, FleetResult
from .plan import longest_first, plan_of
from .planning import PlannedStudy
from .store import Store
from .study import Study
from .views import write_views

__all__ = ["resume", "start"]


def start(planned: PlannedStudy, callbacks: Callbacks | None = None, *, executor: Executor | None = None) -> Study:
    """Write ``study.json`` and train everything.

    Arguments:
        planned: What to train.
        callbacks: Who is told how it goes.
        executor: Who trains, instead of the one that the options name.

    Raises:
        FolderInUse: The output folder holds something.
        StoreError: It cannot be written.
    """
    store = Store(planned.options.out or default_folder(planned.request.task))
    store.create(planned.record())
    return _carry_on(store, callbacks or Callbacks(), planned.cache, executor)


def resume(folder: Path, callbacks: Callbacks | None = None, *, executor: Executor | None = None) -> Study:
    """Train whatever is unfinished in a study; finished members are never run again.

    Raises:
        StoreError: There is no study.
    """
    return _carry_on(Store(folder), callbacks or Callbacks(), Cache(), executor)


def _carry_on(store: Store, callbacks: Callbacks, cache: Cache, executor: Executor | None) -> Study:
    record = store.record()
    fleets = [fleet for fleet in record.plan.fleets if not all(store.finished(leaf.id) for leaf in store.leaves(fleet))]

    def ended(result: FleetResult) -> None:
        write_views(store)
        callbacks.ended(result)

    if fleets:
        unfinished = [fleet.id for fleet in longest_first(plan_of(record), fleets)]
        for fleet in unfinished:
            store.forget_failure(fleet)
        trainer: Executor = executor or executors.get(record.execution.executor)
        told = replace(callbacks, ended=ended)
        trainer.run(store, unfinished, told, workers=record.execution.workers, cache=cache)
    write_views(store)
    return Study(store.folder)
