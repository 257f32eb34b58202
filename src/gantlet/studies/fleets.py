"""Training one fleet of a study by its id, wherever it stands; out of memory, it is cut in halves and started again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import torch

from gantlet.data.base import Dataset
from gantlet.data.pool import unchanged
from gantlet.devices import named_device
from gantlet.errors import BadData, MissingExtra
from gantlet.figures.recorder import SampleRecorder, recorded_runs
from gantlet.files import inside
from gantlet.leftovers import sweep
from gantlet.memory import out_of_memory
from gantlet.metrics.compose import Composed
from gantlet.requests.keeping import Keeping, parse_keeping
from gantlet.requests.resolve import Resolved
from gantlet.tasks.base import Task
from gantlet.training.blueprint import Execution
from gantlet.training.ranks import Ranks

from .best import keeper_of
from .cache import Cache
from .follow import train_along
from .initial import initial_weights
from .plan import slots_of
from .record import FleetPlan, StudyRecord
from .runner import FleetJob, Progress, train
from .store import Store
from .trackers import TrackedRun, Tracker, check_tracker

__all__ = ["check_unchanged", "execution_of", "follow_fleet", "headline_of", "recorder_of", "train_fleet"]

_LOG = logging.getLogger("gantlet")


def train_fleet(
    cache: Cache,
    store: Store,
    fleet_id: str,
    *,
    notify: Callable[[Progress], None],
    stopping: Callable[[], bool],
    damage: list[str],
    ranks: Ranks | None = None,
    device: torch.device | None = None,
) -> bool:
    """Train one fleet of a study to its end, or until asked to stop; True when it finished.

    A sentence for each damage that was met is added to ``damage``.

    After running out of memory the fleet is cut in halves, which is recorded, and started again. The first of several ``ranks``
    trains on its own ``device``.
    """
    record = store.record()
    queue = store.leaves(next(fleet for fleet in record.plan.fleets if fleet.id == fleet_id))
    while queue:
        fleet = queue.pop(0)
        if store.finished(fleet, record.seals(fleet)):
            continue
        sweep(store.fleet(fleet.id))
        job = _job(cache, store, record, fleet, notify=notify, stopping=stopping)
        job.damage, job.ranks = damage, ranks or job.ranks
        job.execution = replace(job.execution, device=device or job.execution.device)
        try:
            if not train(job):
                return False
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or len(fleet.slots) == 1:
                raise
            queue = _halve(store, fleet, record.lineage, str(error)) + queue
    return True


def follow_fleet(
    cache: Cache,
    store: Store,
    fleet_id: str,
    *,
    stopping: Callable[[], bool],
    ranks: Ranks,
    device: torch.device | None,
) -> bool:
    """Train one fleet along with the first of several ranks, and write nothing; True when it is at its end."""
    record = store.record().model_copy(update={"tracker": "", "tensorboard": False})
    fleet = next(fleet for fleet in record.plan.fleets if fleet.id == fleet_id)
    job = _job(cache, store, record, fleet, notify=lambda progress: None, stopping=stopping)
    job.keeper, job.ranks = None, ranks
    job.execution = replace(job.execution, device=device or job.execution.device)
    return train_along(job)


def execution_of(record: StudyRecord, fleet: FleetPlan) -> Execution:
    """How a fleet of a study is carried out."""
    execution = record.execution
    return Execution(route=fleet.route, device=named_device(execution.device), processes=execution.processes)


def recorder_of(store: Store, record: StudyRecord, fleet: FleetPlan) -> SampleRecorder:
    """Who draws the samples of a fleet."""
    ends = (
        *(extension.first_run for extension in record.extensions),
        1 << 31,
    )  # an extension takes no member's images away
    planned = [{m.run: m.setting for m in record.plan.members if m.run < end} for end in ends]
    runs = frozenset(run for settings in planned for run in recorded_runs(settings, most=record.recorded))
    first: dict[int, int] = {}
    for member in record.plan.members:
        if member.run in runs:
            first.setdefault(member.setting, member.run)
    kind, spec = record.task.pictures, record.sample_of(record.member_by_run[fleet.runs[0]].setting)
    return SampleRecorder(
        inside(store.folder, "samples"),
        runs,
        kind="none" if kind == "points" and spec.shape != (2,) else kind,
        extent=spec.extent,
        first_of_settings=frozenset(first.values()),
    )


def _job(
    cache: Cache,
    store: Store,
    record: StudyRecord,
    fleet: FleetPlan,
    *,
    notify: Callable[[Progress], None],
    stopping: Callable[[], bool],
) -> FleetJob:
    slots = slots_of(record, fleet)
    first = slots[0][0]
    dataset, metrics = cache.dataset(first), cache.metrics(first)
    check_unchanged(store, record, record.member_by_run[fleet.runs[0]].setting, first, dataset)
    keeping = parse_keeping(first.training.checkpoints)
    return FleetJob(
        fleet=fleet,
        slots=slots,
        dataset=dataset,
        metrics=metrics,
        headline=headline_of(first.task, metrics),
        store=store,
        execution=execution_of(record, fleet),
        recorder=recorder_of(store, record, fleet),
        study=record.seal,
        lineage=record.lineage,
        ended=record.ended(fleet),
        keeper=keeper_of(store, fleet, keeping, metrics) if keeping != Keeping() else None,
        initial=partial(initial_weights, store, record, first),
        notify=notify,
        stopping=stopping,
        events=inside(store.folder, "tensorboard") if record.tensorboard else None,
        tracker=_tracker(store, record, fleet, slots) if record.tracker else None,
    )


def _tracker(
    store: Store, record: StudyRecord, fleet: FleetPlan, slots: Sequence[tuple[Resolved, int]]
) -> Tracker | None:
    """The runs of a fleet's members; none where the package is not here, such as on another machine."""
    try:
        check_tracker(record.tracker)
    except MissingExtra as error:
        _LOG.warning("note: %s Training goes on without it.", error)
        return None
    told = {
        slot: TrackedRun(
            f"{store.folder.resolve().name} {run} {slots[slot][0].label} seed {slots[slot][1]}",
            {"task": record.task.name, "run": run, "seed": slots[slot][1], **slots[slot][0].values},
        )
        for slot, run in enumerate(fleet.runs)
    }
    return Tracker(record.tracker, f"gantlet-{record.task.name.rpartition('/')[2]}", told)


def check_unchanged(store: Store, record: StudyRecord, setting: int, resolved: Resolved, dataset: Dataset) -> None:
    """Refuse to go on with other data than a setting was started with; files of one's own can change meanwhile.

    Raises:
        BadData: They are others.
    """
    values = record.settings[0].values
    data = [name for name, key in resolved.parts.keys.items() if key.part == "data"]
    others = any(name in values and str(values[name]) != str(resolved.values[name]) for name in data)
    if "data_path" not in data or (others and setting not in record.own_data):
        return  # studies of an earlier version have the facts of the first setting's data alone
    known, now = record.data_of(setting), dataset.facts.get("train")
    if not unchanged(dataset, known):
        as_many = known.get("train") == now and known.get("test") == dataset.facts.get("test")
        what = (
            f"as many, {now} to train on, but others"
            if as_many
            else f"{known.get('train')} to train on then, {now} now"
        )
        raise BadData(
            f"The data of '{resolved.label}' are not those that {store.folder} was started with: {what}. Put the files back, or "
            f"start a new study."
        )


def headline_of(task: Task, metrics: Composed) -> tuple[str, bool]:
    """The column that ranks members, and whether higher is better: the task's, or the first of others."""
    better = {column.name: column.better for column in metrics.columns if column.better}
    name = task.headline if task.headline in better else next(iter(better), task.headline)
    return name, better.get(name) != "lower"


def _halve(store: Store, fleet: FleetPlan, lineage: Collection[str], error: str) -> list[FleetPlan]:
    """Cut a fleet; what it trained goes, but for the results and weights of a shorter plan that it had finished."""
    parts = list(fleet.halves)
    if not store.finished(fleet, lineage):
        store.restart_fleet(fleet.id)
    store.write_split(fleet.id, parts, error)
    return parts
