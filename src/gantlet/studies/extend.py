"""Adding to a study: more seeds, more steps, more settings. This is the one way in which a plan changes after step 0.

Only the record changes here, as one file that appears whole: a crash leaves the study as it was, or extended. It keeps the
digest of the study before, by which what was trained until then is known; what is unfinished since is trained by ``resume``.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, product
from pathlib import Path
from typing import Any

import torch

from gantlet.data.specification import SampleSpec
from gantlet.devices import choose_device
from gantlet.errors import BadGrid, BadValue, StoreError
from gantlet.files import locked
from gantlet.metrics.compose import joined
from gantlet.metrics.floors import floors_of
from gantlet.requests.aliases import renamed
from gantlet.requests.grid import Axis
from gantlet.requests.parts import SINCE
from gantlet.requests.resolve import Base, Request, Resolved, expand
from gantlet.requests.training_settings import TrainingSettings
from gantlet.settings import Scalar, settings_of
from gantlet.training.blueprint import Route

from .batches import fitting
from .build import steps_of
from .cache import Cache
from .fleets import check_unchanged
from .initial import SourceWeights, check_copies, read_sources, write_copies
from .kept_size import check_disk, kept_size, noted
from .launch import check_device
from .machine import now, versions
from .own_data import MIXED, own_data, same_test, without_floors, without_stated_floors
from .plan import Limits, Plan, cut_into_fleets, plan_of, recorded_setting
from .planning import (
    check_rules,
    executor_for,
    metric_records,
    specification_of,
    trains_elsewhere,
)
from .record import EarlierPlan, ExtensionRecord, Member, SettingRecord, StudyRecord
from .several import check_route
from .store import Store
from .success import SUCCESS, rule_records
from .trust import allow, own_parts, require_trust

__all__ = ["Extension", "extend_plan"]

_LOG = logging.getLogger("gantlet")
_LENGTHS = ("steps", "epochs")
_OF_LENGTH = (*_LENGTHS, "samples")  # what changes where a study is made longer


@dataclass(frozen=True)
class Extension:
    """What is to be added to a study.

    Attributes:
        methods: Of new settings; none: those of the study.
        axes: The grid of new settings. ``steps`` or ``epochs`` alone, without methods, makes what is there longer.
        seeds: Those that every setting shall have.
        presets: Named sets of settings, of new settings.
        route: Of new fleets; None to choose.
        width: Of new fleets; None to choose.
        workers: Worker processes from now on; 0: as many as before.
        device: Where it is trained from now on; empty: where it was.
        command: How it was asked for.
        points: New settings one by one: values by key, and the words that say them, put on the study's first setting. They
            get ``seeds``, and the other settings nothing.
        only: The settings (by position) that get ``seeds``; none: all do, and the study's own beside them.
        samples: Of an evaluation from now on, where the study is made longer; None: as many as before.
    """

    methods: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = ()
    presets: tuple[str, ...] = ()
    route: Route | None = None
    width: int | None = None
    workers: int = 0
    device: str = ""
    command: str = ""
    points: tuple[tuple[Mapping[str, Scalar], tuple[str, ...]], ...] = ()
    only: tuple[int, ...] = ()
    samples: int | None = None

    @property
    def length(self) -> Axis | None:
        """``steps`` or ``epochs``, where the study is to be made longer by it."""
        if self.methods or self.presets or len(self.axes) != 1 or len(self.axes[0].keys) != 1:
            return None
        return self.axes[0] if renamed(self.axes[0].keys[0]) in _LENGTHS else None


def extend_plan(folder: Path, asked: Extension, *, trust: bool = False) -> Cache:
    """Write what is added into the plan of a study; what is there already is not added again. Nothing is trained yet.

    Arguments:
        folder: A study folder.
        asked: What to add.
        trust: Whether parts of the study's author's own may run here.

    Returns:
        The data sets that were loaded for it.

    Raises:
        UsageError: The request is wrong, or the data are not those of the study; nothing is written then.
        StoreError: There is no study, it is damaged, cannot be written, or another process trains or extends it.
        Untrusted: It names parts of somebody's own.
    """
    store = Store(folder)
    store.record()  # before a lock is written into a folder that is not a study
    if not (asked.methods or asked.axes or asked.seeds or asked.presets or asked.points):
        raise BadGrid("Nothing was named to add. Give for example --seeds 10, steps=2000, a method, or lr=1e-4.")
    with locked(store.study_lock, wait=False) as holder:
        if holder is not None:
            raise StoreError(f"{folder} is in use by {holder}. Stop it or wait until it has ended, then extend.")
        record = store.record()
        _check_idle(store, record)
        if trust:
            allow(record.settings, record.key, record.execution.executor)
        require_trust(record.settings, record.key, record.execution.executor)
        if not asked.device and not trains_elsewhere(record.execution.executor):
            check_device(folder, record.execution.device)
        cache, carried = Cache(), _carried_out(record, asked)
        extended, sources = _extended(store, carried, asked, cache)
        if extended is None:
            _LOG.warning("note: the study has all of that already; whatever is unfinished is trained")
            extended = carried
        if extended is record:
            return cache
        allow(extended.settings, extended.key, extended.execution.executor)
        write_copies(store, sources)
        store.update(extended)
    return cache


def _check_idle(store: Store, record: StudyRecord) -> None:
    """Refuse while a worker whose parent is gone still trains a fleet.

    Raises:
        StoreError: It does.
    """
    for path in {store.lock(fleet.id) for fleet in record.plan.fleets}:
        if path.exists():  # it is also left behind by a process that was killed
            with locked(path, wait=False) as holder:
                if holder is not None:
                    raise StoreError(
                        f"{store.folder} is in use by {holder}. Stop it or wait until it has ended, then extend."
                    )


def _carried_out(record: StudyRecord, asked: Extension) -> StudyRecord:
    """The record with the device and the workers that were asked for; threads, on which bits depend, stay as they are."""
    device = str(choose_device(asked.device)) if asked.device else record.execution.device
    workers = asked.workers or record.execution.workers
    if (device, workers) == (record.execution.device, record.execution.workers):
        return record
    before = (*record.moved_from, record.execution.device) if device != record.execution.device else record.moved_from
    execution = record.execution.model_copy(update={"device": device, "workers": workers})
    return record.model_copy(update={"execution": execution, "moved_from": before})


def _extended(
    store: Store, record: StudyRecord, asked: Extension, cache: Cache
) -> tuple[StudyRecord | None, dict[str, SourceWeights]]:
    """The record with what is added, None where that is nothing, and weights from which new settings start."""
    plan = plan_of(record)
    for place, resolved in enumerate(plan.settings):
        check_unchanged(store, record, place, resolved, cache.dataset(resolved))
    longer = list(_longer(plan, asked.length, cache, asked.samples)) if asked.length else []
    changed = {earlier.setting: resolved for earlier, resolved in longer}
    kept = [changed.get(place, resolved) for place, resolved in enumerate(plan.settings)]
    adds = asked.methods or asked.axes or asked.presets or asked.points
    new = [] if asked.length or not adds else _new_settings(plan, asked, cache)
    settings = [*kept, *new]
    members = _new_members(record, len(settings), asked)
    if not (longer or members):
        return None, {}
    samples = [specification_of(each.task, cache.dataset(each)) for each in settings]
    check_rules(settings, cache)
    check_copies(store, record, new, samples[len(kept) :])
    unknown = [each.training.init_from not in record.initial for each in settings]
    sources = read_sources(list(compress(settings, unknown)), list(compress(samples, unknown)))
    elsewhere = trains_elsewhere(record.execution.executor)
    device = torch.device(record.execution.device) if elsewhere else choose_device(record.execution.device)
    processes = record.execution.processes
    check_route(asked.route, asked.width, processes)
    limits = Limits(device, asked.route, asked.width, record.execution.workers, processes=processes)
    first = 1 + max(int(fleet.id) for fleet in record.plan.fleets)
    fleets = cut_into_fleets(settings, members, samples, limits, first=first)
    size = kept_size(Plan(tuple(settings), (*record.plan.members, *members), ()), samples, cache)
    check_disk(size, store.folder)
    notes = tuple(
        dict.fromkeys(
            sentence
            for earlier, resolved in longer
            for sentence in _dependent(
                earlier.steps, steps_of(resolved.training, samples[earlier.setting].pool), resolved
            )
        )
    )
    for note in notes:
        _LOG.warning("note: %s", note)
    here = versions()
    extension = ExtensionRecord(
        created=now(),
        gantlet=here["gantlet"],
        command=asked.command,
        before=record.seal,
        first_run=1 + max(record.member_by_run),
        lengthened=tuple(earlier for earlier, _ in longer),
        notes=notes,
        versions=here,
    )
    recorded = [_recorded(record, place, resolved, changed) for place, resolved in enumerate(settings)]
    executor = executor_for(new, record.execution.executor)
    extended = record.model_copy(
        update={
            "id": record.id or uuid.uuid4().hex,
            "digest": "",
            "parts": {**own_parts(tuple(recorded), executor), **record.parts},
            "members": record.members + len(members),
            "settings": tuple(recorded),
            "plan": record.plan.model_copy(
                update={
                    "members": (*record.plan.members, *members),
                    "fleets": (*record.plan.fleets, *noted(fleets, size)),
                }
            ),
            "execution": record.execution.model_copy(update={"executor": executor}),
            **_measured(record, settings, samples, cache),
            "initial": {**record.initial, **{text: source.record for text, source in sources.items()}},
            "extensions": (*record.extensions, extension),
        }
    )
    return extended, sources


def _measured(
    record: StudyRecord, settings: Sequence[Resolved], samples: Sequence[SampleSpec], cache: Cache
) -> dict[str, Any]:
    """What the record says of data and columns once all these settings are in it."""
    found = joined(cache.metrics(resolved) for resolved in settings)
    alike = same_test(cache.dataset(each) for each in settings)
    if not alike:
        _LOG.warning(MIXED)
    new_columns = {column.name for column in found.columns} - record.metrics.keys()
    first, measured = settings[0], alike and new_columns
    floors = floors_of(found, cache.dataset(first), first.training.samples) if measured else {}
    own = own_data(settings, samples, cache, first=record.sample, facts=record.data_of(0), start=len(record.settings))
    return {
        "own_data": {**record.own_data, **own},
        "facts": record.facts if alike else without_stated_floors(record.facts),
        "metrics": metric_records(settings, found, floors)
        | (record.metrics if alike else without_floors(record.metrics))
        | rule_records([(resolved, cache.metrics(resolved)) for resolved in settings]),
    }


def _longer(plan: Plan, length: Axis, cache: Cache, samples: int | None) -> Iterator[tuple[EarlierPlan, Resolved]]:
    """The settings that are to be trained for longer than they were planned for, with where that plan ended.

    Raises:
        BadGrid: Several lengths, or settings that differ by how long they train.
        BadValue: A length that is not one, or is shorter than what was planned.
    """
    key, (given, *more) = renamed(length.keys[0]), length.values
    if more:
        raise BadGrid(
            f"{key}={','.join(length.values)} gives several lengths, and a study is made longer by one. Name a method, too, to add "
            f"settings of these lengths."
        )
    value = settings_of(TrainingSettings)[key].parse(given)
    if not value:
        raise BadValue(f"{key}={given} is not a length; expected at least 1.")
    for place, resolved in enumerate(plan.settings):
        if re.search(r"[ +](steps|epochs)[+=]", resolved.label):
            raise BadGrid(
                f"The study compares lengths ('{resolved.label}'), so {key}={given} cannot be said of all of it. To add "
                f"that length, name the method, too: {resolved.method.name} {key}={given}"
            )
        pool = cache.dataset(resolved).specification.pool
        chosen, said = resolved.training, {"steps": "user", "epochs": "steps"}
        if key == "steps":
            longer = replace(chosen, steps=int(value))
        else:
            longer, said = replace(chosen, epochs=float(value), steps=0), {"steps": "epochs", "epochs": "user"}
        if samples not in (None, chosen.samples):
            longer, said = replace(longer, samples=samples), {**said, "samples": "user"}
        before, after = steps_of(chosen, pool), steps_of(longer, pool)
        if after < before:
            raise BadValue(
                f"{key}={given} is {after:,} steps of '{resolved.label}', which was planned for {before:,}: a study can "
                f"be made longer, not shorter."
            )
        if after > before:
            yield EarlierPlan(place, before), replace(resolved, training=longer, sources={**resolved.sources, **said})


def _new_settings(plan: Plan, asked: Extension, cache: Cache) -> list[Resolved]:
    """The settings that the study does not have yet: made from its own by what was asked.

    Raises:
        UsageError: Whatever is wrong with the request.
    """
    methods = asked.methods or tuple(dict.fromkeys(resolved.method.name for resolved in plan.settings))
    bases = tuple(_base(resolved) for resolved in plan.settings)
    if asked.points:
        methods, first = (plan.settings[0].method.name,), bases[0]
        bases = tuple(
            Base(first.method, (*first.layers, ("user", dict(values))), words) for values, words in asked.points
        )
    expanded = expand(Request(plan.settings[0].task.name, methods, asked.axes, presets=asked.presets, bases=bases))
    found = fitting(expanded, lambda resolved: cache.load(resolved).size)
    known, labels = {resolved.identity for resolved in plan.settings}, {each.label for each in plan.settings}
    new = [resolved for resolved in found if resolved.identity not in known]
    for resolved in new:
        if resolved.label in labels:
            raise BadGrid(
                f"The study has a setting '{resolved.label}' already, whose values are not quite these: defaults have changed "
                f"since. Give the values in which yours shall differ."
            )
        labels.add(resolved.label)
    return new


def _base(resolved: Resolved) -> Base:
    by_user = ("preset", "user")  # the later is the stronger
    layers = tuple(
        (source, {name: resolved.values[name] for name, named in resolved.sources.items() if named == source})
        for kind in by_user
        for source in dict.fromkeys(resolved.sources.values())
        if source.partition(" ")[0] == kind
    )
    # One study, one rule: a default that has changed since must not judge new settings otherwise than those they are beside.
    if resolved.sources.get(SUCCESS) == SINCE:
        layers = ((SINCE, {SUCCESS: resolved.values[SUCCESS]}), *layers)
    return Base(resolved.method.name, layers, tuple(word for word in resolved.label.split() if "=" in word))


def _new_members(record: StudyRecord, settings: int, asked: Extension) -> list[Member]:
    """Members that are missing so that every setting has the seeds of the study and those that were asked for; or some settings."""
    known = {(member.setting, member.seed) for member in record.plan.members}
    if asked.points or asked.only:
        wanted, places = dict.fromkeys(asked.seeds), [*asked.only, *range(len(record.settings), settings)]
    else:
        wanted = dict.fromkeys([*(member.seed for member in record.plan.members), *asked.seeds])
        places = list(range(settings))
    missing = [pair for pair in product(places, wanted) if pair not in known]
    first = 1 + max(record.member_by_run)
    return [Member(first + number, setting, seed) for number, (setting, seed) in enumerate(missing)]


def _recorded(record: StudyRecord, place: int, resolved: Resolved, changed: dict[int, Resolved]) -> SettingRecord:
    """A setting as the record keeps it: what is there stays to the letter, but for its length."""
    if place >= len(record.settings):
        return recorded_setting(resolved)
    before = record.settings[place]
    if place not in changed:
        return before
    values = {name: resolved.values[name] for name in _OF_LENGTH}
    sources = {name: resolved.sources[name] for name in _OF_LENGTH}
    return before.model_copy(update={"values": before.values | values, "sources": before.sources | sources})


def _dependent(before: int, after: int, resolved: Resolved) -> Iterator[str]:
    """A sentence for each schedule of a setting that depends on how long it is trained."""
    chosen = resolved.training
    scheduled = {
        f"lr_schedule={chosen.lr_schedule}": chosen.lr_schedule == "cosine" and not chosen.lr_every,
        f"beta2_schedule={chosen.beta2_schedule}": chosen.beta2_schedule == "cosine" and not chosen.ramp_steps,
        f"penalty_schedule={chosen.penalty_schedule}": chosen.penalty_schedule == "cosine" and not chosen.ramp_steps,
    }
    for name in (name for name, depends in scheduled.items() if depends):
        yield (
            f"{name} of '{resolved.label}' spans all steps: up to step {before:,} it is that of the plan that ended there, and "
            f"from then on that of {after:,} steps, so the result is not that of {after:,} steps planned at once."
        )
    for key, value in (("stop", chosen.stop), ("checkpoints", "best:" * ("best:" in chosen.checkpoints))):
        if value:
            yield (
                f"{key}={getattr(chosen, key)} of '{resolved.label}' is asked at evaluations, which up to step {before:,} were "
                f"those of the plan that ended there, so the result may not be that of {after:,} steps planned at once."
            )
    if chosen.lr_schedule == "on-plateau" and not chosen.lr_every:
        yield (
            f"lr_schedule=on-plateau of '{resolved.label}' averages over all steps as first planned, and goes on to do so, so "
            f"the result is not that of {after:,} steps planned at once."
        )
