"""Training one fleet of a study to its end: evaluations, images, checkpoints, and a clean stop at any step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.figures.recorder import SampleRecorder
from gantlet.metrics.compose import Composed
from gantlet.requests.keeping import parse_stop
from gantlet.requests.resolve import Resolved
from gantlet.requests.training_settings import TrainingSettings
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.ranks import Alone, Ranks

from .best import best_results
from .build import blueprint
from .checkpoints import last_good
from .evaluate import as_history, evaluate
from .initial import begin
from .kept import WeightsKeeper
from .record import FleetPlan
from .result_row import ResultRow
from .store import Store
from .success import SUCCESS, Recent, recent_of, rule_of, succeeds
from .tensorboard import Drawn, Histogram, drawn, histograms, withdraw, write_events, write_final, write_settings
from .tensorboard_graph import network_graph
from .trackers import Tracker

__all__ = ["FleetJob", "Progress", "evaluation_steps", "start_fleet", "train"]

_CHECKPOINT_SECONDS = 60.0
_PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """How a fleet is doing.

    ``rate`` is member-steps per second since the last report, 0 in the first one, before any step; ``best`` and ``worst`` are
    (value, run) of the headline ``metric`` at the last evaluation. Right after an evaluation ``rows`` has each run's metrics;
    right before it ``evaluating`` is true.
    """

    fleet: str
    step: int
    steps: int
    members: int
    rate: float
    out: int
    best: tuple[float, int] | None = None
    worst: tuple[float, int] | None = None
    metric: str = ""
    rows: dict[int, dict[str, Any]] | None = None
    evaluating: bool = False


@dataclass
class FleetJob:
    """A fleet to train, and what it needs.

    Attributes:
        slots: The setting and seed of each slot of the fleet.
        headline: The column that ranks members, and whether higher is better in it.
        recorder: Draws samples at evaluations.
        study: The digest of the study's record, which ties what is written to it.
        lineage: That one, and those of the study before it was extended, by which a checkpoint may have been written.
        ended: The steps at which earlier, shorter plans of the fleet ended.
        keeper: Who keeps weights beside the last checkpoint, None for nobody.
        initial: Reads the weights from which members start, where there is no checkpoint; none for random ones.
        notify: Called with a :class:`Progress` now and then.
        stopping: Asked after every step; True saves and stops.
        events: The folder of TensorBoard event files, None for none.
        tracker: The experiment tracker, None for none.
        recent: By slot, what the rule of success needs of the last evaluations.
        chunks: The history files that were written, with their SHA-256.
        damage: A sentence for each damage that was met.
        held: By run, at how many evaluations in a row what ends it early has held.
        ranks: The processes that train it together, of which this is one.
    """

    fleet: FleetPlan
    slots: Sequence[tuple[Resolved, int]]
    dataset: Dataset
    metrics: Composed
    headline: tuple[str, bool]
    store: Store
    execution: Execution
    recorder: SampleRecorder
    study: str = ""
    lineage: frozenset[str] = frozenset({""})
    ended: tuple[int, ...] = ()
    keeper: WeightsKeeper | None = None
    initial: Callable[[], Mapping[str, Tensor]] = dict[str, Tensor]
    notify: Callable[[Progress], None] = lambda progress: None
    stopping: Callable[[], bool] = lambda: False
    events: Path | None = None
    tracker: Tracker | None = None
    seconds: float = 0.0
    fresh: list[Rows] = field(default_factory=list[Rows])
    seen: list[Histogram] = field(default_factory=list[Histogram])
    images: list[Drawn] = field(default_factory=list[Drawn])
    last: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    recent: dict[int, Recent] = field(default_factory=dict[int, Recent])
    chunks: dict[str, str] = field(default_factory=dict[str, str])
    damage: list[str] = field(default_factory=list[str])
    held: dict[int, int] = field(default_factory=dict[int, int])
    ranks: Ranks = field(default_factory=Alone)

    def blueprint(self) -> Blueprint:
        """The fleet's blueprint."""
        return blueprint(self.slots, self.dataset.specification, self.execution, ended=self.ended)

    @property
    def training(self) -> TrainingSettings:
        """What all members of the fleet agree on."""
        return self.slots[0][0].training

    @property
    def members(self) -> dict[int, int]:
        """Slots that count (pads stand at the end), and their run numbers."""
        return dict(enumerate(self.fleet.runs))

    def trained(self, fleet: Fleet) -> list[int]:
        """Slots that count and whose members are still trained."""
        return [slot for slot in self.members if fleet.alive[slot]]


def evaluation_steps(steps: int, count: int) -> tuple[int, ...]:
    """When the metrics are measured: ``count`` times, evenly, the last at the end.

    Example:
        >>> evaluation_steps(100, 4)
        (25, 50, 75, 100)
    """
    return tuple(sorted({-(-steps * place // count) for place in range(1, count + 1)} - {0}))


def train(job: FleetJob) -> bool:
    """Train a fleet from wherever it stands; True when it finished, False when it was asked to stop.

    Raises:
        StoreError: A file could not be written; the last good checkpoint is kept.
    """
    fleet, begin = start_fleet(job)
    sheet = fleet.blueprint
    due = set(evaluation_steps(sheet.sizes.steps, job.training.evaluations))
    job.notify(_progress(job, fleet, 0.0))
    saved, reported, mark = time.monotonic(), time.monotonic(), fleet.step
    while fleet.step < sheet.sizes.steps and any(fleet.alive):
        started = time.perf_counter()
        fleet.advance()
        job.seconds += time.perf_counter() - started
        now = time.monotonic()
        if fleet.step in due:
            fleet.settle()
            rate = (fleet.step - mark) / max(1e-9, time.monotonic() - reported)
            job.notify(replace(_progress(job, fleet, rate), evaluating=True))
            fleet.stop(job.ranks.from_first(_evaluate(job, fleet)))
        elif job.keeper is not None and job.keeper.due(fleet.step):
            fleet.settle()
            job.keeper.keep(fleet, job.trained(fleet))
        if now - reported >= _PROGRESS_SECONDS or fleet.step in due:
            rate = (fleet.step - mark) / max(1e-9, time.monotonic() - reported)
            job.notify(_progress(job, fleet, rate, evaluated=fleet.step in due))
            reported, mark = time.monotonic(), fleet.step
        stopping = job.ranks.any(job.stopping())
        if stopping or fleet.step in due or now - saved >= _CHECKPOINT_SECONDS:
            begin = _save(job, fleet, begin)
            saved = time.monotonic()
        if stopping and fleet.step < sheet.sizes.steps:
            if job.tracker is not None:
                job.tracker.finish()
            return False
    if not job.last or fleet.step not in due:
        fleet.stop(_evaluate(job, fleet))
        _save(job, fleet, begin)
        job.notify(_progress(job, fleet, 0.0, evaluated=True))
    job.recorder.final(fleet, job.members, job.dataset, job.metrics.owning, job.training.samples)
    rows = [_row(job, fleet, slot) for slot in job.members]
    if job.keeper is not None:
        best = best_results(job.keeper, fleet, job.metrics, job.dataset, job.training.samples)
        rows = [row | best.get(row["run"], {}) for row in rows]
    job.store.write_results(job.fleet.id, rows, study=job.study)
    if job.events is not None:
        for slot, run in job.members.items():
            write_final(job.events, run, job.slots[slot][0].values, job.last[slot], fleet.step)
    if job.tracker is not None:
        job.tracker.finish(job.last)
    return True


def start_fleet(job: FleetJob) -> tuple[Fleet, int]:
    """A fleet at step 0 or at its last good checkpoint, and the step its history is committed to.

    Of several ranks the first one reads it, and the others take over what it has.
    """
    fleet = Fleet(job.blueprint(), job.dataset, job.ranks)
    if job.ranks.rank == 0:
        _restore(job, fleet)
    if job.ranks.count > 1:
        stand = job.ranks.from_first(checkpoint.snapshot(fleet))
        if job.ranks.rank:
            checkpoint.restore(fleet, *stand)
    return fleet, fleet.step


def _restore(job: FleetJob, fleet: Fleet) -> None:
    good = last_good(job.store, job.fleet.id, job.lineage)
    if good.rest:
        checkpoint.restore(fleet, good.tensors, good.rest)
        job.recent = recent_of(good.rest.get("recent"))
        job.seconds, job.last, job.chunks = good.rest["seconds"], good.rest["last"], dict(good.rest.get("chunks", {}))
        job.held = {int(run): int(times) for run, times in good.rest.get("held", {}).items()}
        if job.keeper is not None:
            job.keeper.restore(good.rest)
    else:
        begin(fleet, job.initial())
    if good.damage:
        went = f"goes on from step {fleet.step:,}" if fleet.step else "is trained again from the start"
        job.damage.append(f"{' '.join(good.damage)} Fleet {job.fleet.id} {went}.")


def _evaluate(job: FleetJob, fleet: Fleet) -> list[int]:
    """Measure, and say which slots end early."""
    inside, ended = job.trained(fleet), [slot for slot in job.members if slot in fleet.stopped and job.last]
    measured = [slot for slot in job.members if slot not in ended]
    fresh = evaluate(fleet, job.metrics, job.dataset, measured, job.training.samples)
    rows = {slot: job.last[slot] for slot in ended} | dict(zip(measured, fresh, strict=True))
    job.last = [rows[slot] for slot in job.members]
    if rule := rule_of(job.slots[0][0], job.metrics):
        for slot in measured:
            held = succeeds(rule, job.recent.setdefault(slot, []), job.last[slot])
            job.last[slot][SUCCESS] = fleet.alive[slot] and held
    job.fresh.append(as_history(fleet.step, inside, [job.last[slot] for slot in inside]))
    job.recorder.record(fleet, job.members, job.dataset)
    if job.events is not None:
        job.seen += histograms(fleet, job.dataset.test, inside)
        job.images += drawn(job.recorder.folder, fleet.step, job.members)
    if job.keeper is not None:
        job.keeper.choose(fleet, inside, job.last)
    return _ending(job, inside)


def _ending(job: FleetJob, slots: Sequence[int]) -> list[int]:
    """The slots, pads included, of members for which what ends them early has held at enough evaluations."""
    rule = parse_stop(job.training.stop)
    if rule is None:
        return []
    for slot in slots:
        run = job.fleet.slots[slot]
        job.held[run] = job.held.get(run, 0) + 1 if rule.met(job.last[slot].get(rule.column)) else 0
    ending = {job.fleet.slots[slot] for slot in slots if job.held[job.fleet.slots[slot]] >= rule.held}
    return [slot for slot, run in enumerate(job.fleet.slots) if run in ending]


def _save(job: FleetJob, fleet: Fleet, begin: int) -> int:
    fleet.settle()  # before its history is taken: who diverged meanwhile is not in it
    rows = _joined([fleet.history.take(), *job.fresh])
    job.fresh, history = [], job.store.chunks(job.fleet.id)
    if rows.step:
        job.chunks = history.add(job.chunks, begin, fleet.step, rows, job.members)
    tensors, rest = checkpoint.snapshot(fleet)
    own: dict[str, Any] = {"fleet": job.fleet.id, "study": job.study, "chunks": job.chunks, "seconds": job.seconds}
    own |= {"last": job.last, "recent": [job.recent.get(slot, []) for slot in job.members]}
    own |= {"held": {str(run): times for run, times in job.held.items()}} if job.held else {}
    own |= job.keeper.state if job.keeper is not None else {}
    if job.events is not None:  # before the checkpoint: what is trained again after a kill in between is withdrawn
        withdraw(job.events, job.members.values(), begin)
        if begin == 0:
            graph = network_graph(fleet.blueprint)
            for slot, run in job.members.items():
                write_settings(job.events, run, job.slots[slot][0].values, graph)
        write_events(job.events, begin, rows, job.members, job.seen, job.images)
        job.seen, job.images = [], []
    checkpoint.write(job.store.checkpoint(job.fleet.id), tensors, rest | own)
    history.tidy(job.chunks)
    if job.keeper is not None:
        job.keeper.tidy()
    if job.tracker is not None:
        job.tracker.log(rows)
    return fleet.step


def _joined(parts: Sequence[Rows]) -> Rows:
    whole = Rows([], [], [], [])
    for part in parts:
        whole.slot.extend(part.slot)
        whole.step.extend(part.step)
        whole.name.extend(part.name)
        whole.value.extend(part.value)
    return whole


def _progress(job: FleetJob, fleet: Fleet, steps_per_second: float, *, evaluated: bool = False) -> Progress:
    name, higher = job.headline
    ranked = sorted(
        ((row[name], job.fleet.slots[slot]) for slot, row in enumerate(job.last) if row.get(name) is not None),
        reverse=higher,
    )
    return Progress(
        fleet=job.fleet.id,
        step=fleet.step,
        steps=fleet.blueprint.sizes.steps,
        members=len(job.fleet.runs),
        rate=steps_per_second * len(job.fleet.runs),
        out=sum(slot in fleet.divergences for slot in job.members),
        best=ranked[0] if ranked else None,
        worst=ranked[-1] if ranked else None,
        metric=name,
        rows={job.fleet.slots[slot]: row for slot, row in enumerate(job.last)} if evaluated else None,
    )


def _row(job: FleetJob, fleet: Fleet, slot: int) -> dict[str, Any]:
    resolved, seed = job.slots[slot]
    left = fleet.divergences.get(slot)
    steps = fleet.reached(slot)
    updates = fleet.blueprint.schedule.total(steps)
    shares = None if fleet.generator_weights is None else fleet.generator_weights.shares()[slot].tolist()
    row = ResultRow(
        run=job.fleet.slots[slot],
        task=resolved.task.name,
        method=resolved.method.name,
        setting=resolved.label,
        seed=seed,
        status="diverged" if left else "finished",
        diverged_step=left.step if left else None,
        cause=left.cause if left else None,
        route=job.fleet.route,
        width=len(job.fleet.slots),
        seconds=job.seconds / len(job.fleet.slots),
        generator_steps=steps,
        discriminator_steps=updates,
        images_seen=fleet.loader.seen(updates),
        weights="average" if fleet.average is not None else "last",
        generator_weights=shares,
        stop_step=fleet.stopped.get(slot),
    )
    return {**row.values(), **_settings(resolved), **job.last[slot]}


def _settings(resolved: Resolved) -> dict[str, Any]:
    # Two columns would share the name: the method column says more than the key that chose it, the result than its rule.
    return {name: value for name, value in resolved.values.items() if name not in ("task", "method", SUCCESS)}
