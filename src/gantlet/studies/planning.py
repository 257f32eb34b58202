"""From a request to a planned study: resolved, cut into fleets, nothing written yet."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch

from gantlet import catalogue
from gantlet.cpu import cores, threads_allowed
from gantlet.data.base import Dataset
from gantlet.data.data_dir import is_here, names_files
from gantlet.data.specification import SampleSpec
from gantlet.devices import choose_device
from gantlet.errors import BadData, BadGrid, BadValue, MissingExtra, Refused
from gantlet.metrics.compose import Composed, joined
from gantlet.metrics.floors import floors_of
from gantlet.requests.aliases import renamed
from gantlet.requests.keeping import Keeping, parse_keeping
from gantlet.requests.options import Options, check_options
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.tasks.base import Task
from gantlet.training.memory import available_memory

from . import executors
from .batches import fitting
from .best import best_columns, check_rule
from .build import steps_of
from .cache import Cache
from .initial import SourceWeights, read_sources
from .kept_size import check_disk, kept_size, noted
from .machine import command_line, facts_of_machine, git_commit, now, versions
from .measure import busy, measure, steps_within
from .own_data import MIXED, own_data, same_test, without_stated_floors
from .plan import Limits, Plan, make_plan
from .record import ExecutionRecord, MetricRecord, StudyRecord, TaskRecord
from .record_parts import BudgetRecord
from .several import check_parts, check_several
from .store import Store
from .success import rule_records
from .tensorboard import check_tensorboard
from .trackers import check_tracker
from .trial import try_own_parts
from .trust import own_parts

__all__ = [
    "PlannedStudy",
    "check_rules",
    "executor_for",
    "metric_records",
    "plan_study",
    "specification_of",
    "trains_elsewhere",
]

_LOG = logging.getLogger("gantlet")


@dataclass(frozen=True)
class PlannedStudy:
    """A request, resolved and planned; nothing is written yet.

    Attributes:
        samples: The specification of each setting's samples.
        sources: The weights from which settings start, by the value of their key ``init_from``.
        missing: Why the data could not be read, where planning went on without them (a dry run); else empty.
        facts: What else the record shall say.
        budget: The wall time by which steps were planned, and what was measured for it.
    """

    request: Request
    options: Options
    plan: Plan
    samples: tuple[SampleSpec, ...]
    device: torch.device
    executor: str
    workers: int
    threads: int
    cache: Cache
    missing: str = ""
    sources: Mapping[str, SourceWeights] = field(default_factory=dict[str, SourceWeights])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    budget: BudgetRecord | None = None

    def record(self) -> StudyRecord:
        """What ``study.json`` will hold."""
        first = self.plan.settings[0]
        task, dataset = first.task, self.cache.dataset(first)
        metrics = joined(self.cache.metrics(resolved) for resolved in self.plan.settings)
        for note in metrics.notes:
            _LOG.warning("note: %s", note)
        alike = same_test(self.cache.dataset(resolved) for resolved in self.plan.settings)
        if not alike:
            _LOG.warning(MIXED)
        floors = floors_of(metrics, dataset, first.training.samples) if alike else {}
        card = metrics.facts if alike else without_stated_floors(metrics.facts)
        settings, plan = self.plan.recorded()
        here = versions()
        return StudyRecord(
            id=uuid.uuid4().hex,
            parts=own_parts(settings, self.executor),
            gantlet=here["gantlet"],
            command=self.options.command or command_line(),
            created=now(),
            task=TaskRecord(
                name=task.name,
                summary=task.summary,
                paper=task.paper,
                headline=task.headline,
                pictures=task.pictures,
            ),
            note=self.options.note,
            tensorboard=self.options.tensorboard,
            tracker=cast(Any, self.options.tracker),  # checked by plan_study
            recorded=self.options.recorded,
            members=len(self.plan.members),
            settings=settings,
            plan=plan,
            execution=ExecutionRecord(
                device=str(self.device),
                workers=self.workers,
                threads=self.threads,
                processes=self.options.processes,
                executor=self.executor,
                slurm=self.options.slurm if self.executor == "slurm" else None,
            ),
            sample=self.samples[0],
            own_data=own_data(self.plan.settings, self.samples, self.cache, first=self.samples[0], facts=dataset.facts),
            metrics=metric_records(self.plan.settings, metrics, floors)
            | rule_records([(resolved, self.cache.metrics(resolved)) for resolved in self.plan.settings]),
            initial={text: source.record for text, source in self.sources.items()},
            facts={"data": dict(dataset.facts), "metrics": dict(card), **self.facts},
            versions=here,
            machine=facts_of_machine(self.device)
            | {"threads": self.threads, "workers": self.workers}
            | ({"processes": self.options.processes} if self.options.processes > 1 else {}),
            git=git_commit(),
            budget=self.budget,
        )


def plan_study(
    request: Request, options: Options, *, without_data: bool = False, cache: Cache | None = None
) -> PlannedStudy:
    """Resolve and plan a request; everything wrong with it is found here, before anything is written.

    Arguments:
        request: What was asked.
        options: How it is carried out.
        without_data: Whether to go on where the data are missing, with the shape that the settings give and no counts.
        cache: Data sets and metrics that are there already.

    Raises:
        UsageError: Whatever is wrong.
    """
    check_options(options)
    check_several(options)
    if options.minutes:
        _check_length(request)
    settings = expand(request)
    if options.tensorboard:
        check_tensorboard()
    check_tracker(options.tracker)
    if options.out is not None:
        Store(options.out).check_free()
    elsewhere = trains_elsewhere(options.executor)
    if elsewhere and options.minutes:
        raise BadValue(
            f"--minutes measures steps on this machine, and --executor {options.executor} trains elsewhere. Give steps=."
        )
    if elsewhere and not without_data:
        executors.get(options.executor).check()
    device = _device_elsewhere(options) if elsewhere else choose_device(options.device)
    cache = cache or Cache()
    missing = _missing(cache, settings) if without_data else ""
    settings = settings if missing else fitting(settings, lambda resolved: cache.load(resolved).size)
    samples = tuple(
        SampleSpec(_expected_shape(resolved), pool=0)
        if missing
        else specification_of(resolved.task, cache.dataset(resolved))
        for resolved in settings
    )
    if not missing:
        check_rules(settings, cache)
    sources = read_sources(settings, samples)
    executor, processes = executor_for(settings, options.executor), options.processes
    check_parts(settings, executor, processes)
    alone = processes > 1 or _trains_here(executor) or (elsewhere and not options.workers)
    gpus = torch.cuda.device_count() if str(device) == "cuda" and not elsewhere else 1
    workers = 1 if alone else options.workers or (cores() if device.type == "cpu" else gpus)
    workers = max(1, min(workers, len(settings) * len(request.seeds)))
    memory = available_memory(device) * min(gpus, workers) if gpus > 1 else None
    limits = Limits(
        device=device, route=options.route, width=options.width, workers=workers, memory=memory, processes=processes
    )
    if not (elsewhere and device.type != "cpu"):
        try_own_parts(settings, samples, device)
    plan = make_plan(settings, request.seeds, samples, limits)
    workers = min(workers, len(plan.fleets))
    here = max(1, min(cores() // (workers * processes), threads_allowed()))
    threads = max(1, options.slurm.cpus // options.slurm.workers) if elsewhere else here
    planned = PlannedStudy(request, options, plan, samples, device, executor, workers, threads, cache, missing, sources)
    if options.minutes:
        planned = _within(planned, options.minutes)
    size = kept_size(planned.plan, samples, None if missing else cache)
    check_disk(size, options.out or Path())
    return replace(planned, plan=replace(planned.plan, fleets=noted(planned.plan.fleets, size)))


def _check_length(request: Request) -> None:
    """Refuse a length beside a budget of time.

    Raises:
        BadGrid: The request says for how many steps or epochs to train.
    """
    named = {renamed(key) for axis in request.axes for key in axis.keys} & {"steps", "epochs"}
    if named:
        raise BadGrid(f"--minutes and {min(named)}= both say how long to train. Keep one.")


def _within(planned: PlannedStudy, minutes: float) -> PlannedStudy:
    """The same study, each setting as long as fits into so many minutes, by steps that are measured now.

    Raises:
        BadValue: Not one step fits.
    """
    load, plan = busy(), planned.plan
    times = measure(
        plan,
        planned.samples,
        planned.cache,
        planned.device,
        threads=planned.threads,
        without_data=bool(planned.missing),
        evaluations=True,
    )
    counts = [plan.slots(fleet)[0][0].training.evaluations for fleet in plan.fleets]
    steps = steps_within(60 * minutes, times, planned.workers, counts)
    by_fleet = list(zip([fleet.id for fleet in plan.fleets], times, strict=True))
    budget = BudgetRecord(
        minutes=minutes,
        steps=steps,
        update_seconds={fleet: time.update for fleet, time in by_fleet},
        evaluation_seconds={fleet: time.evaluation for fleet, time in by_fleet},
        busy=load,
    )
    slowest = max(time.update * time.sheet.schedule.total(steps) / steps for time in times)
    _LOG.warning(
        "note: %g minutes are planned as %s steps: a step takes up to %.3g s here, an evaluation up to %.3g s%s; %s fleets, "
        "%s at a time",
        *(minutes, f"{steps:,}", slowest, max(time.evaluation for time in times)),
        *(f", while {load:.0%} of the cores are busy" if load > 0.3 else "", len(times), planned.workers),
    )
    said = {"steps": f"user (--minutes {minutes:g})", "epochs": "steps"}
    settings = tuple(
        replace(each, training=replace(each.training, steps=steps), sources={**each.sources, **said})
        for each in plan.settings
    )
    if not planned.missing:
        check_rules(settings, planned.cache)  # weights of every so many steps, of these many
    return replace(planned, plan=replace(plan, settings=settings), budget=budget)


def metric_records(
    settings: Sequence[Resolved], metrics: Composed, floors: Mapping[str, float] | None = None
) -> dict[str, MetricRecord]:
    """What a study's record says of the columns that its settings are measured by, those of best evaluations last.

    Arguments:
        settings: The settings.
        metrics: What measures them.
        floors: By column, what real data reach.
    """
    owners = {column.name: name for name, metric in metrics.metrics.items() for column in metric.columns}
    reached = floors or {}
    known = {
        column.name: MetricRecord(
            help=column.help, better=column.better, metric=owners[column.name], floor=reached.get(column.name)
        )
        for column in metrics.columns
    }
    return known | best_columns([resolved.training.checkpoints for resolved in settings], known)


def check_rules(settings: Sequence[Resolved], cache: Cache) -> None:
    """Make sure that settings measure what they keep weights by, or end members by.

    Raises:
        UnknownName: A metric that is not measured.
        BadValue: A metric that cannot rank, or weights of too many steps.
    """
    for resolved in settings:
        training = resolved.training
        if parse_keeping(training.checkpoints) != Keeping() or training.stop:
            steps = steps_of(training, cache.dataset(resolved).specification.pool)
            check_rule(training, cache.metrics(resolved), steps)


def trains_elsewhere(executor: str) -> bool:
    """Whether an executor hands fleets over to other machines and returns before they are trained."""
    return bool(getattr(executors.get(executor), "detached", False))


def _device_elsewhere(options: Options) -> torch.device:
    """The device of a cluster's nodes, which need not be on this machine.

    Raises:
        BadValue: It is not one, or does not fit what is asked of Slurm.
    """
    name = ("cuda" if options.slurm.uses_gpu else "cpu") if options.device == "auto" else options.device
    if name not in ("cpu", "cuda"):
        raise BadValue(f"--device {name} is not auto, cpu or cuda, which --executor {options.executor} takes.")
    if (name == "cuda") != options.slurm.uses_gpu:
        asked = f"gpus={options.slurm.gpus}" if options.slurm.gpus else "no GPU"
        raise BadValue(
            f"--device {name} does not fit --slurm, which asks for {asked}. Add --slurm gpus=1, or leave --device out."
        )
    return torch.device(name)


def executor_for(settings: Sequence[Resolved], asked: str) -> str:
    """The executor that was asked for, or ``inline`` where it has other processes and these could not import a part."""
    named = {
        name
        for resolved in settings
        for name in (
            resolved.task.name,
            resolved.method.name,
            *resolved.method.penalties,
            resolved.method.constraint or "",
            resolved.training.generator,
            resolved.training.discriminator,
            *resolved.training.metrics.split("+"),
        )
    }
    here = sorted(name for name in named if catalogue.only_here(name))
    if not here or _trains_here(asked):
        return asked
    if trains_elsewhere(asked):
        raise Refused(
            f"{here[0]} is defined in a notebook, in an interactive session or in a script without a main guard, so no job of "
            f"--executor {asked} can import it. Put it into a module of its own."
        )
    _LOG.warning(
        "note: %s is defined in a notebook, in an interactive session or in a script without a main guard, so no worker "
        "process can import it: this process trains alone. Put it into a module of its own to use several.",
        here[0],
    )
    return "inline"


def _trains_here(executor: str) -> bool:
    """Whether an executor trains in this process; one that does not say so has processes of its own."""
    return getattr(executors.get(executor), "in_process", False) is True


def _missing(cache: Cache, settings: Sequence[Resolved]) -> str:
    """Why the data of a dry run are not at hand; empty where they are.

    Raises:
        BadData: The user did not say where they are, or they are here and wrong, which a run would refuse, too.
    """
    missing = ""
    for resolved in settings:
        try:
            cache.load(resolved)
        except MissingExtra as error:
            missing = missing or str(error)
        except BadData as error:
            if names_files(resolved.source) and not is_here(resolved.source):
                missing = missing or str(error)
            else:
                raise
    return missing


def _expected_shape(resolved: Resolved) -> tuple[int, ...]:
    """The shape of a sample as the settings have it, where the data are not at hand."""
    size, colour = getattr(resolved.source, "size", ""), getattr(resolved.source, "colour", "")
    sides = [int(side) for side in re.findall(r"\d+", str(size))][:2]
    if len(resolved.task.shape) != 3 or not sides:
        return resolved.task.shape
    channels = {"rgb": 3, "grey": 1}.get(str(colour), resolved.task.shape[0])
    return (channels, sides[0], sides[-1])


def specification_of(task: Task, dataset: Dataset) -> SampleSpec:
    """What a sample of a task's data looks like; points in the plane have a window in which they are drawn."""
    found = dataset.specification
    if found.shape != (2,) or task.pictures != "points":
        return found
    return replace(found, extent=task.extent or float(1.25 * dataset.test.abs().amax()))
