"""Starting and resuming a study: its record is written, its executor trains what is unfinished, its tables are kept true."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gantlet import catalogue
from gantlet.devices import choose_device
from gantlet.errors import BadValue, Refused, StoreError
from gantlet.files import inside, locked
from gantlet.leftovers import sweep
from gantlet.places import command
from gantlet.requests.options import Options, default_folder
from gantlet.requests.slurm_options import SlurmOptions
from gantlet.training.blueprint import Execution

from . import executors
from .build import blueprint
from .cache import Cache
from .executors.base import Callbacks, Executor, FleetResult
from .executors.slurm import SlurmExecutor
from .initial import write_copies
from .lost import lost_work
from .plan import longest_first, plan_of
from .planning import PlannedStudy, trains_elsewhere
from .record import FleetPlan, StudyRecord
from .several import check_several
from .store import Store
from .trust import allow, allow_lines, require_trust
from .views import LiveViews

__all__ = ["check_device", "create", "hands_over", "resume", "start", "unfinished"]


def start(planned: PlannedStudy, callbacks: Callbacks | None = None, *, executor: Executor | None = None) -> Store:
    """Write ``study.json`` and train everything.

    Arguments:
        planned: What to train.
        callbacks: Who is told how it goes.
        executor: Who trains, instead of the one that the options name.

    Raises:
        FolderInUse: The output folder holds something.
        StoreError: It cannot be written.
    """
    return _carry_on(create(planned), callbacks or Callbacks(), planned.cache, executor)


def create(planned: PlannedStudy) -> Store:
    """Write ``study.json`` and train nothing yet.

    Raises:
        FolderInUse: The output folder holds something.
        StoreError: It cannot be written.
    """
    store, record = Store(planned.options.out or default_folder(planned.request.task)), planned.record()
    store.create(record, lambda: write_copies(store, planned.sources))
    allow(record.settings, record.key, record.execution.executor)
    allow_lines(record.execution.slurm.lines if record.execution.slurm else (), record.key)
    return store


def resume(
    folder: str | Path,
    callbacks: Callbacks | None = None,
    *,
    executor: Executor | str | None = None,
    device: str | None = None,
    processes: int | None = None,
    slurm: Mapping[str, Any] | None = None,
    trust: bool = False,
    cache: Cache | None = None,
) -> Store:
    """Train whatever is unfinished in a study; finished members are never run again.

    Arguments:
        folder: A study folder.
        callbacks: Who is told how it goes.
        executor: Who trains, or its name, instead of the one that the study names.
        device: Where, instead of where the study was started; this is recorded, since bits will differ.
        processes: How many train each member together from now on; recorded, too, since sums are rounded otherwise.
        slurm: What its Slurm jobs ask for, in the place of what they asked for last.
        trust: Whether parts of its author's own may run here.
        cache: Data sets and metrics that this process has loaded already.

    Raises:
        StoreError: There is no study, or its record is damaged.
        Untrusted: It names parts of somebody's own.
        Refused: Its batches cannot be divided among so many processes, or its fleets are of several members.
        BadValue: Its device or GPUs are not there, or options of Slurm's for a study that is not trained there.
        ClusterError: Slurm is not here, or refuses the jobs.
    """
    store = Store(Path(folder))
    record = store.record()
    if trust:
        allow(record.settings, record.key, record.execution.executor)
    trainer = None if executor is None or isinstance(executor, str) else executor
    name = executor if isinstance(executor, str) else record.execution.executor
    if trainer is None and name == "slurm":
        trainer = SlurmExecutor(slurm or {}, trust=trust)
    elif slurm:
        raise BadValue(f"--slurm is for --executor slurm, and the executor of {folder} is {name}.")
    elif trainer is None and isinstance(executor, str):
        trainer = executors.get(executor)
    target = record.execution.device if device is None else str(choose_device(device))
    count = processes or record.execution.processes
    if processes is not None:
        _check_processes(store, record, processes, name, target)
    if (target, count) != (record.execution.device, record.execution.processes):
        _move(store, target, count)
    return _carry_on(store, callbacks or Callbacks(), cache or Cache(), trainer)


def _check_processes(store: Store, record: StudyRecord, processes: int, executor: str, device: str) -> None:
    """Make sure that what is left of a study can be trained by so many processes for each member.

    Raises:
        BadValue: There are not so many GPUs, or its executor does not start them.
        Refused: Its batches cannot be divided so, or its fleets are of several members.
    """
    if processes < 1:
        raise BadValue(f"--processes {processes} is not at least 1.")
    if processes == 1:
        return
    slurm = record.execution.slurm or SlurmOptions()
    check_several(Options(executor=executor, device=device, processes=processes, slurm=slurm))
    fleets, plan = unfinished(store), plan_of(record)
    for fleet in fleets:
        if len(fleet.slots) > 1 or fleet.route != "loop":
            raise Refused(
                f"Fleet {fleet.id} trains {len(fleet.slots)} members by the route {fleet.route}, and --processes {processes} "
                f"would train each by itself. Only a study that was started with --processes, or --route loop --width 1, goes "
                f"on with several."
            )
        execution = Execution(route="loop", device=torch.device("cpu"), processes=processes)
        blueprint(
            plan.slots(fleet), record.sample_of(record.member_by_run[fleet.runs[0]].setting), execution, to_train=False
        )


def _move(store: Store, device: str, processes: int) -> None:
    """Record that a study goes on elsewhere, or by more or fewer processes; the plan, which another process may be extending, is read again for it."""
    with locked(store.study_lock, wait=False) as holder:
        if holder is not None:
            raise StoreError(f"{store.folder} is in use by {holder}. Stop it or wait until it has ended, then resume.")
        record = store.record()
        moved = record.execution.model_copy(update={"device": device, "processes": processes})
        left = device != record.execution.device
        before = (*record.moved_from, record.execution.device) if left else record.moved_from
        store.update(record.model_copy(update={"execution": moved, "moved_from": before}))


def unfinished(store: Store) -> list[FleetPlan]:
    """The planned fleets of a study that are to be trained.

    Raises:
        StoreError: There is no study, or it is damaged.
    """
    record = store.record()
    return [
        fleet
        for fleet in record.plan.fleets
        if not all(store.finished(leaf, record.seals(leaf)) for leaf in store.leaves(fleet))
    ]


def hands_over(record: StudyRecord, *, trust: bool = False) -> bool:
    """Whether a study's executor hands its fleets over to other machines; to know that, one of somebody's own is imported.

    Arguments:
        record: The study's record.
        trust: Whether parts of its author's own may run here.

    Raises:
        Untrusted: The executor is of a stranger's own.
    """
    executor = record.execution.executor
    if trust:
        allow(record.settings, record.key, executor)
    if catalogue.is_path(executor):
        require_trust(record.settings, record.key, executor)
    return trains_elsewhere(executor)


def check_device(folder: Path, name: str) -> None:
    """Make sure that the device of a study is here.

    Raises:
        BadValue: It is not; the message says how to go on.
    """
    try:
        choose_device(name)
    except BadValue as error:
        raise BadValue(
            f"The study was started on {name}, which is not here: {error} To go on elsewhere, with other rounding: gantlet "
            f"resume {folder} --device cpu"
        ) from None


def _carry_on(store: Store, callbacks: Callbacks, cache: Cache, executor: Executor | None) -> Store:
    with locked(store.study_lock, shared=True):  # the plan stays as it is meanwhile
        _train_unfinished(store, callbacks, cache, executor)
    return store


def _train_unfinished(store: Store, callbacks: Callbacks, cache: Cache, executor: Executor | None) -> None:
    record, place = store.record(), inside(store.folder, "fleets")
    if os.path.lexists(place) and not place.is_dir():
        raise StoreError(
            f"{place} is not a folder, so nothing can be trained. Remove it, then use: {command('resume', store.folder)}"
        )
    sweep(store.folder)
    fleets = unfinished(store)
    lost = lost_work(store, fleets)  # before the tables that tell it are written anew
    views = LiveViews(store)

    def ended(result: FleetResult) -> None:
        views.refresh()
        if result.kind != "elsewhere" and (sentence := lost.pop(result.fleet, "")):
            result = replace(result, damage=(sentence, *result.damage))
        callbacks.ended(result)

    if fleets:
        waiting = [fleet.id for fleet in longest_first(plan_of(record), fleets)]
        if executor is None:
            require_trust(record.settings, record.key, record.execution.executor)
        trainer: Executor = executor or executors.get(record.execution.executor)
        if not getattr(trainer, "detached", False):
            check_device(store.folder, record.execution.device)
        told = replace(callbacks, ended=ended)
        trainer.run(store, waiting, told, workers=record.execution.workers, cache=cache)
    views.finish()
