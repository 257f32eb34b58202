"""From a request to a planned study: resolved, cut into fleets, nothing written yet."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from gantlet import catalogue
from gantlet.cpu import cores, threads_allowed
from gantlet.data.base import Dataset
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, BadValue, MissingExtra
from gantlet.metrics.compose import Composed, joined
from gantlet.metrics.floors import floors_of
from gantlet.requests.options import Options, check_options
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.tasks.base import Task

from .cache import Cache
from .machine import command_line, facts_of_machine, git_commit, now, versions
from .plan import Limits, Plan, make_plan
from .record import ExecutionRecord, MetricRecord, StudyRecord, TaskRecord
from .store import Store
from .success import SUCCESS, rule_of
from .tensorboard import check_tensorboard
from .trust import own_parts

__all__ = ["PlannedStudy", "choose_device", "executor_for", "plan_study", "specification_of"]

_LOG = logging.getLogger("gantlet")


@dataclass(frozen=True)
class PlannedStudy:
    """A request, resolved and planned; nothing is written yet.

    Attributes:
        samples: The specification of each setting's samples.
        missing: Why the data could not be read, where planning went on without them (a dry run); else empty.
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

    def record(self) -> StudyRecord:
        """What ``study.json`` will hold."""
        first = self.plan.settings[0]
        task, dataset = first.task, self.cache.dataset(first)
        metrics = joined(self.cache.metrics(resolved) for resolved in self.plan.settings)
        for note in metrics.notes:
            _LOG.warning("note: %s", note)
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
            recorded=self.options.recorded,
            members=len(self.plan.members),
            settings=settings,
            plan=plan,
            execution=ExecutionRecord(
                device=str(self.device), workers=self.workers, threads=self.threads, executor=self.executor
            ),
            sample=self.samples[0],
            metrics=_columns(metrics, dataset, first.training.samples) | self._rules(),
            facts={"data": dict(dataset.facts), "metrics": dict(metrics.facts)},
            versions=here,
            machine=facts_of_machine(self.device) | {"threads": self.threads, "workers": self.workers},
            git=git_commit(),
        )

    def _rules(self) -> dict[str, MetricRecord]:
        """The column ``success`` where rules decide it."""
        found = {
            " and ".join(map(str, rule))
            for resolved in self.plan.settings
            if (rule := rule_of(resolved, self.cache.metrics(resolved)))
        }
        return {SUCCESS: MetricRecord(help=" or, by setting, ".join(sorted(found)), better="higher")} if found else {}


def _columns(metrics: Composed, dataset: Dataset, samples: int) -> dict[str, MetricRecord]:
    """What each column is, the metric that it is of, and its floor."""
    owners = {column.name: name for name, metric in metrics.metrics.items() for column in metric.columns}
    floors = floors_of(metrics, dataset, samples)
    return {
        column.name: MetricRecord(
            help=column.help, better=column.better, metric=owners[column.name], floor=floors.get(column.name)
        )
        for column in metrics.columns
    }


def plan_study(request: Request, options: Options, *, without_data: bool = False) -> PlannedStudy:
    """Resolve and plan a request; everything wrong with it is found here, before anything is written.

    Arguments:
        request: What was asked.
        options: How it is carried out.
        without_data: Whether to go on where the data are missing, with the shape that the settings give and no counts.

    Raises:
        UsageError: Whatever is wrong.
    """
    check_options(options)
    settings = expand(request)
    if options.tensorboard:
        check_tensorboard()
    if options.out is not None:
        Store(options.out).check_free()
    device = choose_device(options.device)
    cache = Cache()
    missing = _missing(cache, settings) if without_data else ""
    samples = tuple(
        SampleSpec(_expected_shape(resolved), pool=0)
        if missing
        else specification_of(resolved.task, cache.dataset(resolved))
        for resolved in settings
    )
    executor = executor_for(settings, options.executor)
    workers = 1 if executor == "inline" else options.workers or (cores() if device.type == "cpu" else 1)
    workers = max(1, min(workers, len(settings) * len(request.seeds)))
    limits = Limits(device=device, route=options.route, width=options.width, workers=workers)
    plan = make_plan(settings, request.seeds, samples, limits)
    workers = min(workers, len(plan.fleets))
    threads = max(1, min(cores() // workers, threads_allowed()))
    return PlannedStudy(request, options, plan, samples, device, executor, workers, threads, cache, missing)


def choose_device(name: str) -> torch.device:
    """The device behind ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.

    Raises:
        BadValue: No such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadValue(f"--device {name} is not auto, cpu, cuda or cuda:i.") from None
    if device.type not in ("cpu", "cuda"):
        raise BadValue(f"--device {name} is not supported: give auto, cpu, cuda or cuda:i.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise BadValue(f"--device {name} was asked for, but torch sees {count} CUDA devices here. Use --device cpu.")
    return device


def executor_for(settings: Sequence[Resolved], asked: str) -> str:
    """The executor that was asked for, or ``inline`` where no other process could import a part."""
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
        )
    }
    here = sorted(name for name in named if catalogue.only_here(name))
    if not here or asked == "inline":
        return asked
    _LOG.warning(
        "note: %s is defined in a notebook, in an interactive session or in a script without a main guard, so no worker "
        "process can import it: this process trains alone. Put it into a module of its own to use several.",
        here[0],
    )
    return "inline"


def _missing(cache: Cache, settings: Sequence[Resolved]) -> str:
    """Why the data of a dry run cannot be read; empty where they can.

    Raises:
        BadData: The user did not say where they are.
    """
    try:
        for resolved in settings:
            cache.load(resolved)
    except (BadData, MissingExtra) as error:
        if any(_unnamed(resolved.source) for resolved in settings):
            raise
        return str(error)
    return ""


def _unnamed(source: object) -> bool:
    """Whether a source reads files of the user's own and none were named."""
    return getattr(source, "data_path", None) == "" and not getattr(source, "card", "")


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
