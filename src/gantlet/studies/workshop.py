"""What fleets of a study share: data sets and metrics, made once per process, and the training of one fleet by its id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from gantlet.data.base import Dataset
from gantlet.data.pool import unchanged
from gantlet.errors import BadData, Refused
from gantlet.metrics.base import Metric
from gantlet.tasks.base import Task

from .album import Album, pictured_runs
from .build import parts_of, source_of
from .parts import find_task
from .plan import FleetPlan, Plan
from .record import execution_of, fleet_from_record, plan_from_record
from .runner import Job, Pulse, train
from .spec import Resolved
from .store import Store

__all__ = [
    "Workshop",
    "album_of",
    "data_key",
    "headline_of",
    "leaves",
    "train_fleet",
]


class Workshop:
    """Data sets and metrics by what they were made from."""

    def __init__(self) -> None:
        self._datasets: dict[tuple[Any, ...], Dataset] = {}
        self._metrics: dict[tuple[Any, ...], Metric] = {}

    def dataset(self, resolved: Resolved) -> Dataset:
        """The data set of a setting.

        Raises:
            BadData: It cannot be read, or is smaller than a batch.
            Refused: Endless sampling of what has only its samples.
        """
        key = data_key(resolved)
        if key not in self._datasets:
            self._datasets[key] = source_of(parts_of(resolved), resolved).load()
        dataset = self._datasets[key]
        _check_size(resolved, dataset)
        if dataset.size < int(resolved.values["batch_size"]):
            raise BadData(
                f"The training pool of '{resolved.task}' holds {dataset.size} samples, fewer than one batch of "
                f"{resolved.values['batch_size']}. Lower batch_size or bring more data."
            )
        if resolved.values["pool"] == "endless" and dataset.endless is None:
            raise Refused("pool=endless needs a data set whose distribution is known; this one has only its samples.")
        return dataset

    def metric(self, resolved: Resolved) -> Metric:
        """The metrics of a setting's task."""
        key = data_key(resolved)
        if key not in self._metrics:
            task, _ = find_task(resolved.task)
            self._metrics[key] = task.judge(self.dataset(resolved))
        return self._metrics[key]


def _check_size(resolved: Resolved, dataset: Dataset) -> None:
    """A size that the user asked for is what the samples have; a prepared folder keeps its own whatever is asked.

    Raises:
        BadData: It is another.
    """
    if resolved.sources.get("size") != "user" or len(dataset.shape) != 3:
        return
    if resolved.values["size"] == "native":
        return
    came, asked = "x".join(map(str, dataset.shape[1:])), str(resolved.values["size"]).replace(" ", "").lower()
    if came != (asked if "x" in asked else f"{asked}x{asked}").replace("×", "x"):
        raise BadData(
            f"size={resolved.values['size']} was asked for, but '{resolved.task}' was prepared at {came} pixels; leave size "
            "out, or name the pictures themselves."
        )


def data_key(resolved: Resolved) -> tuple[Any, ...]:
    """What a setting's data set is made from."""
    chosen = parts_of(resolved).pick("data", resolved.values)
    return (resolved.task, *sorted((name, str(value)) for name, value in chosen.items()))


def train_fleet(
    workshop: Workshop,
    store: Store,
    fleet_id: str,
    *,
    notify: Callable[[Pulse], None],
    stopping: Callable[[], bool],
) -> bool:
    """Train one fleet of a study to its end, or until asked to stop; True when it finished.

    After running out of memory the fleet is cut in halves, which is recorded, and started again.
    """
    record = store.record()
    plan = plan_from_record(record)
    planned = next(fleet for fleet in plan.fleets if fleet.id == fleet_id)
    queue = leaves(store, planned)
    while queue:
        fleet = queue.pop(0)
        if store.finished(fleet.id):
            continue
        try:
            if not train(_job(workshop, store, record, plan, fleet, notify, stopping)):
                return False
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or len(fleet.slots) == 1:
                raise
            queue = _halve(store, fleet, str(error)) + queue
    return True


def leaves(store: Store, fleet: FleetPlan) -> list[FleetPlan]:
    """A planned fleet, or the narrower ones it was cut into when memory ran out."""
    split = store.split(fleet.id)
    if split is None:
        return [fleet]
    return [leaf for part in split for leaf in leaves(store, fleet_from_record(part))]


def _job(
    workshop: Workshop,
    store: Store,
    record: dict[str, Any],
    plan: Plan,
    fleet: FleetPlan,
    notify: Callable[[Pulse], None],
    stopping: Callable[[], bool],
) -> Job:
    first = plan.slots(fleet)[0][0]
    task, _ = find_task(first.task)
    dataset, metric = workshop.dataset(first), workshop.metric(first)
    _check_unchanged(store, record, first, dataset)
    return Job(
        plan=plan,
        fleet=fleet,
        dataset=dataset,
        metric=metric,
        headline=headline_of(task, metric),
        store=store,
        execution=execution_of(record, fleet),
        album=album_of(store, plan, task, dataset),
        notify=notify,
        stopping=stopping,
        events=store.folder / "tensorboard" if record["tensorboard"] else None,
    )


def _check_unchanged(store: Store, record: dict[str, Any], resolved: Resolved, dataset: Dataset) -> None:
    """Refuse to go on with other data than a study was started with; files of one's own can change meanwhile."""
    if "data_path" not in resolved.values or data_key(resolved) != data_key(plan_from_record(record).settings[0]):
        return
    known, found = record["facts"]["data"], dataset.facts
    if not unchanged(dataset, known):
        raise BadData(
            f"The data are not those that {store.folder} was started with: {known.get('train')} pictures or points to train "
            f"on then, {found.get('train')} now, or others of the same number. Put the files back, or start a new study."
        )


def album_of(store: Store, plan: Plan, task: Task, dataset: Dataset) -> Album:
    """The pictures of a study."""
    flat = task.pictures == "points" and dataset.shape == (2,)
    kind = task.pictures if flat or task.pictures == "images" else "none"
    extent = float(1.25 * dataset.test.abs().amax()) if flat else 0.0
    seeds = len(plan.members) // len(plan.settings)
    extent = 2.0 if task.name in ("ring8", "mixture8") else 5.0 if task.name == "grid25" else extent
    return Album(store.folder / "samples", pictured_runs(len(plan.settings), seeds), kind, extent)


def headline_of(task: Task, metric: Metric) -> tuple[str, bool]:
    """The column that names the best and worst member, and whether higher is better."""
    better = {column.name: column.better for column in metric.columns}
    return task.headline, better.get(task.headline) != "lower"


def _halve(store: Store, fleet: FleetPlan, error: str) -> list[FleetPlan]:
    middle = (len(fleet.runs) + 1) // 2
    parts = [
        replace(fleet, id=f"{fleet.id}{mark}", slots=runs, pads=0, route="loop" if len(runs) == 1 else fleet.route)
        for mark, runs in (("a", fleet.runs[:middle]), ("b", fleet.runs[middle:]))
        if runs
    ]
    store.restart_fleet(fleet.id)
    store.write_split(fleet.id, parts, error)
    return parts


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    known = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(part in words for part in known)
