"""``study.json``: everything that was asked, resolved, planned and found, as one typed model, written before step 0.

It is pure data: reading it imports no part of a user's and needs no training data. Version 2; studies of version 1 are
brought up to date when they are read (:mod:`gantlet.studies.migrations`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from gantlet.data.specification import SampleSpec
from gantlet.errors import BadValue, Damaged, StoreError
from gantlet.files import read_regular, sealed
from gantlet.places import what_is_there
from gantlet.requests.slurm_options import SlurmOptions
from gantlet.settings import Scalar

from .migrations import migrated
from .record_parts import STRICT, BudgetRecord, DataRecord, InitialRecord

__all__ = [
    "FORMAT",
    "EarlierPlan",
    "ExecutionRecord",
    "ExtensionRecord",
    "FleetId",
    "FleetPlan",
    "Member",
    "MetricRecord",
    "PlanRecord",
    "SettingRecord",
    "StudyRecord",
    "TaskRecord",
    "read_record",
]

FORMAT = 2
_TIED = ("id", "parts", "settings", "plan", "sample", "task", "metrics", "members", "extensions", "initial", "own_data")
_TIED_IF_ANY = ("extensions", "initial", "own_data")
_SMALL = 1 << 18  # bytes of one that is remembered
_LARGEST = 1 << 28  # bytes of a study.json; 100,000 members take about 10 MB


def _fleet_id(text: str) -> str:
    if not re.fullmatch(r"\d{4,9}[ab]{0,16}", text):
        raise ValueError(f"'{text[:40]}' is not the id of a fleet")
    return text


FleetId = Annotated[str, AfterValidator(_fleet_id)]
"""The id of a fleet: a number, and ``a`` or ``b`` for each time it was cut in halves."""


def _possible(options: SlurmOptions) -> SlurmOptions:
    try:
        return options.checked()
    except BadValue as error:
        raise ValueError(str(error)) from None


class _Part(BaseModel):
    model_config = STRICT


class Member(NamedTuple):
    """One run: its number, its setting (by position) and its seed."""

    run: int
    setting: int
    seed: int


class FleetPlan(_Part):
    """Members that are trained at once.

    ``slots`` are run numbers, pads included; ``pads`` of them at the end are copies of the first.
    """

    id: FleetId
    slots: Annotated[tuple[int, ...], Field(min_length=1)]
    pads: Annotated[int, Field(ge=0)] = 0
    route: Literal["loop", "stacked", "static", "captured"] = "stacked"
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[int, ...]:
        """The members that count."""
        return self.slots[: len(self.slots) - self.pads]

    @property
    def halves(self) -> tuple[FleetPlan, ...]:
        """The narrower fleets that it is cut into when memory runs out; none of a width of one."""
        middle = (len(self.runs) + 1) // 2
        if len(self.slots) < 2:
            return ()
        return tuple(
            FleetPlan(
                id=f"{self.id}{mark}", slots=runs, route="loop" if len(runs) == 1 else self.route, notes=self.notes
            )
            for mark, runs in (("a", self.runs[:middle]), ("b", self.runs[middle:]))
            if runs
        )


class PlanRecord(_Part):
    """Members and the fleets they train in."""

    members: tuple[Member, ...]
    fleets: tuple[FleetPlan, ...]


class TaskRecord(_Part):
    """The task of a study: its name, one line about it, its source, how samples look, and the column that ranks members."""

    name: str
    summary: str = ""
    paper: str = ""
    headline: str = ""
    pictures: Literal["points", "images", "none"] = "none"


class SettingRecord(_Part):
    """One setting of the grid: its label, its parts by name, every resolved value and who decided it."""

    task: str
    method: str
    label: str
    network: str = ""
    values: dict[str, Scalar] = {}
    sources: dict[str, str] = {}


class MetricRecord(_Part):
    """One column of the results.

    Attributes:
        help: What it is, in a line.
        better: Whether higher or lower is better.
        metric: The metric whose column it is; empty in studies that did not say so.
        floor: What real samples score in the place of generated ones; None where nobody measured it.
    """

    help: str = ""
    better: Literal["higher", "lower"] | None = None
    metric: str = ""
    floor: float | None = None


class ExecutionRecord(_Part):
    """How the study is carried out; ``slurm`` is what its jobs ask for, where a cluster trains it.

    ``processes`` train each member together.
    """

    device: str = "cpu"
    workers: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    threads: Annotated[int, Field(ge=1, le=1 << 16)] = 1
    processes: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    executor: str = "local"
    slurm: Annotated[SlurmOptions, AfterValidator(_possible)] | None = None


class EarlierPlan(NamedTuple):
    """Where the plan of a setting (by position) ended before it was made longer: ``steps`` generator updates."""

    setting: int
    steps: int


class ExtensionRecord(_Part):
    """One ``gantlet extend``.

    Attributes:
        created: When, in UTC.
        gantlet: The version of gantlet that did it.
        command: How it was asked for.
        before: The digest of the study as it was before; what was trained then carries it.
        first_run: The number of the first member that was added, or would have been.
        lengthened: The settings that are trained for longer since.
        notes: What a reader should know of it, such as a schedule that depends on the length.
        versions: Versions that numbers may depend on, from then on.
    """

    created: str
    gantlet: str
    command: str
    before: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    first_run: Annotated[int, Field(ge=0)]
    lengthened: tuple[EarlierPlan, ...] = ()
    notes: tuple[str, ...] = ()
    versions: dict[str, Any] = {}


class StudyRecord(_Part):
    """What ``study.json`` holds.

    Attributes:
        format: The version of this model.
        id: A name that no other study has; empty in studies of version 1.
        digest: SHA-256 of what was asked and planned; checkpoints and results carry it, too. It tells damage and edits.
        parts: The parts of the user's own that the settings name, with the SHA-256 of each file.
        gantlet: The version of gantlet that wrote it.
        command: How the study was asked for.
        created: When, in UTC.
        task: The task.
        note: Free text of the user's.
        tensorboard: Whether event files are written.
        tracker: The experiment tracker that gets every member as a run; empty for none.
        recorded: About how many members' samples are drawn at evaluations.
        members: How many members there are.
        settings: The grid.
        plan: Members and fleets.
        execution: Device, workers, threads, executor.
        moved_from: The devices on which it was trained before, where it was resumed on another.
        sample: The specification of a sample, so that the data are not needed to use what was trained.
        own_data: By position of a setting, its data, where they are not those of the first setting.
        metrics: By column, what it is.
        initial: By value of the key ``init_from``, the weights that it stands for.
        facts: Of the data set and of the metrics, for readers of the report.
        versions: Versions that numbers may depend on.
        machine: The machine, in words.
        git: The commit of the folder in which the study was started, if it was one.
        extensions: What was added later, the oldest first.
        budget: The wall time for which it was planned, and the measurement; None where the settings say how long.
    """

    format: Literal[2] = FORMAT
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{0,32}$")] = ""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")] = ""
    parts: dict[str, str] = {}
    gantlet: str
    command: str
    created: str
    task: TaskRecord
    note: str = ""
    tensorboard: bool = False
    tracker: Literal["", "wandb", "trackio"] = ""
    recorded: Annotated[int, Field(ge=0)] = 8
    members: int
    settings: tuple[SettingRecord, ...]
    plan: PlanRecord
    execution: ExecutionRecord
    moved_from: tuple[str, ...] = ()
    sample: SampleSpec
    own_data: dict[int, DataRecord] = {}
    metrics: dict[str, MetricRecord] = {}
    initial: dict[str, InitialRecord] = {}
    facts: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    git: str | None = None
    extensions: tuple[ExtensionRecord, ...] = ()
    budget: BudgetRecord | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> StudyRecord:
        runs = {member.run for member in self.plan.members}
        planned = [run for fleet in self.plan.fleets for run in fleet.runs]
        if len(runs) < len(self.plan.members) or self.members != len(runs):
            raise ValueError("a run is listed twice, or not all members are listed")
        if any(not 0 <= member.setting < len(self.settings) for member in self.plan.members):
            raise ValueError("a member has a setting that is not listed")
        if any(not 0 <= setting < len(self.settings) for setting in self.own_data):
            raise ValueError("there are data of a setting that is not listed")
        if any(not 0 <= member.seed < 1 << 63 or not 0 <= member.run < 1 << 31 for member in self.plan.members):
            raise ValueError("a run or seed is out of range")
        if sorted(planned) != sorted(runs) or any(run not in runs for f in self.plan.fleets for run in f.slots):
            raise ValueError("the fleets do not hold each member once")
        if len({fleet.id for fleet in self.plan.fleets}) < len(self.plan.fleets):
            raise ValueError("a fleet is listed twice")
        return self

    def to_json(self) -> str:
        """The file's content: as it will be read again, down to the types of numbers."""
        read_again = StudyRecord.model_validate(json.loads(json.dumps(self.model_dump())))
        content = json.loads(json.dumps(read_again.model_dump()))
        whole = sealed(content | {"digest": _digest(content)})
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=True)

    @cached_property
    def seal(self) -> str:
        """The digest that this record was read with, or should have."""
        return self.digest or _digest(json.loads(json.dumps(self.model_dump())))

    @property
    def key(self) -> str:
        """A name of the study that no other has."""
        return self.id or self.seal

    @property
    def lineage(self) -> frozenset[str]:
        """The digests of the study as it is and as it was before each extension; empty, that of files from before digests."""
        return frozenset((self.seal, "", *(extension.before for extension in self.extensions)))

    def seals(self, fleet: FleetPlan) -> frozenset[str]:
        """Those of :attr:`lineage` under which a fleet's results are those of its present length."""
        setting, found = self.member_by_run[fleet.runs[0]].setting, {self.seal}
        for extension in reversed(self.extensions):
            if any(plan.setting == setting for plan in extension.lengthened):
                return frozenset(found)
            found.add(extension.before)
        return frozenset((*found, ""))

    def ended(self, fleet: FleetPlan) -> tuple[int, ...]:
        """The steps at which earlier, shorter plans of a fleet ended, ascending."""
        setting = self.member_by_run[fleet.runs[0]].setting
        return tuple(
            plan.steps for extension in self.extensions for plan in extension.lengthened if plan.setting == setting
        )

    def versions_of(self, fleet: FleetPlan) -> dict[str, Any]:
        """The versions that a fleet's last numbers may depend on."""
        setting = self.member_by_run[fleet.runs[0]].setting
        for extension in reversed(self.extensions):
            longer = any(plan.setting == setting for plan in extension.lengthened)
            if longer or min(fleet.runs) >= extension.first_run:
                return extension.versions
        return self.versions

    def sample_of(self, setting: int) -> SampleSpec:
        """The specification of a sample of a setting, by its position."""
        return self.own_data[setting].sample if setting in self.own_data else self.sample

    def data_of(self, setting: int) -> dict[str, Any]:
        """The facts of a setting's data, by its position."""
        facts = self.own_data[setting].facts if setting in self.own_data else self.facts.get("data")
        return dict(facts) if isinstance(facts, Mapping) else {}

    @cached_property
    def member_by_run(self) -> dict[int, Member]:
        """The members by their number."""
        return {member.run: member for member in self.plan.members}


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of what ties a record to what is trained by it, as it is in the file: keys of later versions change nothing."""
    tied = {name: content[name] for name in _TIED if name in content and (name not in _TIED_IF_ANY or content[name])}
    return hashlib.sha256(json.dumps(tied, sort_keys=True).encode()).hexdigest()


def read_record(path: Path) -> StudyRecord:
    """Read a ``study.json``, of this version or an earlier one.

    Raises:
        StoreError: It is missing, unreadable, of a newer version, or not what a study writes.
    """
    if not path.exists():
        raise StoreError(f"{path.parent} is not a study folder: it has no {path.name}.{what_is_there(path.parent)}")
    try:
        content = read_regular(path, most=_LARGEST)
    except ValueError as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    return _parsed(content, path) if len(content) > _SMALL else _remembered(content, path)


def _parsed(content: bytes, path: Path) -> StudyRecord:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path} is not what a study writes: it does not hold an object.")
    form = found.get("format")
    if form not in range(1, FORMAT + 1):
        raise StoreError(f"{path} has format {str(form)[:40]}; this gantlet reads formats 1 to {FORMAT}.")
    try:
        plain = {name: value for name, value in found.items() if name != "seal"}
        record = StudyRecord.model_validate(migrated(plain))
        untied = form == FORMAT and record.digest not in ("", _digest(found))
        if untied or found.get("seal") not in (None, sealed(plain)["seal"]):
            raise Damaged(
                f"{path} was damaged or changed since the study was started: it does not have its checksum. Put the file "
                "back; to train more, use gantlet extend."
            )
        return record
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{where}: {first['msg']}" if where else first["msg"].removeprefix("Value error, ")
        raise StoreError(f"{path} is not what a study writes: {what}.") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError(f"{path} is not what a study of an earlier version writes: {error!r}.") from None


_remembered = lru_cache(maxsize=16)(_parsed)
"""One start of training reads a record half a dozen times; a file of other bytes is read anew."""
