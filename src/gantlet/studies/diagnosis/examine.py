"""Every symptom on every member of a study: from its record, history, results and checkpoints.

Nothing of a study's author runs, and the training data are not read, unless the user trusts the study (``trust``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gantlet.data.base import Dataset
from gantlet.errors import GantletError, StoreError, UsageError
from gantlet.objectives.base import Objective
from gantlet.places import user_path

from ..cache import Cache
from ..checkpoints import read_trained
from ..members import StudyMember
from ..plan import slots_of
from ..record import FleetPlan, StudyRecord
from ..store import Store
from ..trust import allow
from ..views import read_runs
from . import symptoms
from .base import Course, Finding, MemberCase
from .samples import CopyDistances, MemberSamples, copy_distances, draw_generators

__all__ = ["Diagnosis", "examine_study", "undecided_loss"]

_SAMPLES = 1000  # of each generator
_IMAGES = 200  # the same, where the samples are images
_GRID = torch.linspace(-3, 3, 601, dtype=torch.float64)


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a study.

    Attributes:
        folder: The study.
        members: How many members were looked at.
        findings: What is wrong, by symptom and member.
        notes: What could not be looked at, a sentence each.
    """

    folder: Path
    members: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def as_table(self) -> pd.DataFrame:
        """One row per finding."""
        names = ("symptom", "run", "setting", "seed", "evidence", "advice", "remedy")
        rows = [[getattr(finding, name) for name in names] for finding in self.findings]
        return pd.DataFrame(rows, columns=list(names)).assign(
            evidence=lambda table: table["evidence"].map("; ".join) if len(table) else []
        )

    def content(self) -> dict[str, Any]:
        """What ``--json`` prints: numbers that are not finite are null."""
        findings = [asdict(finding) for finding in self.findings]
        for found in findings:
            found["numbers"] = {
                name: value if math.isfinite(value) else None for name, value in found["numbers"].items()
            }
        return {
            "folder": str(self.folder),
            "members": self.members,
            "findings": findings,
            "notes": list(self.notes),
        }


def examine_study(
    folder: str | Path, *, trust: bool = False, most_drawn: int | None = None, most_members: int | None = None
) -> Diagnosis:
    """Look for what went wrong in the members of a study, finished, stopped or running.

    Arguments:
        folder: A study folder.
        trust: Whether parts of the study's author's own may run here, and its training data may be read.
        most_drawn: Of how many members images are drawn, which takes about a second each; of all by default.
        most_members: How many members are looked at; all by default.

    Raises:
        StoreError: There is no study, or it cannot be read.
    """
    store = Store(user_path(folder))
    record = store.record()
    if trust:
        allow(record.settings, record.key)
    looked, notes, found = symptoms(), dict[str, None](), list[Finding]()
    table, cache, fleets = read_runs(store), Cache() if trust else None, record.plan.fleets
    count = len(table)
    if most_members is not None and most_members < count:
        notes[f"{most_members:,} of {count:,} members are looked at here; gantlet doctor looks at all."] = None
        fleets = _first(record, most_members)
        table = table[table["run"].isin({run for fleet in fleets for run in fleet.runs})]
    rows, history = {int(row["run"]): row for row in _rows(table)}, store.history(fleets)
    cases = _cases(store, record, rows, _courses(history), cache, notes, most_drawn)
    for case in islice(cases, most_members):
        found += [finding for symptom in looked if (finding := symptom.look(case)) is not None]
    order = {symptom.name: place for place, symptom in enumerate(looked)}
    found.sort(key=lambda finding: (order[finding.symptom], finding.run))
    return Diagnosis(store.folder, count, tuple(found), tuple(notes))


def undecided_loss(objective: Objective) -> float:
    """The discriminator's least loss if all samples had one score: log 4 for the original game.

    nan where it depends on more than scores, or does not depend on the score, as a critic's does not.

    Example:
        >>> from gantlet.objectives.vanilla import Vanilla
        >>> round(undecided_loss(Vanilla()), 4)
        1.3863
    """
    if set(getattr(objective, "needs", ())) - {"real"}:
        return math.nan
    scores = _GRID[:, None]
    try:
        losses = objective.discriminator(real=scores, fake=scores)
    except Exception:  # whatever one's own raises that wants something else
        return math.nan
    least = float(losses.min())
    return least if least > 1e-6 else math.nan


def _cases(
    store: Store,
    record: StudyRecord,
    rows: Mapping[int, Mapping[str, Any]],
    courses: Mapping[int, Mapping[str, Course]],
    cache: Cache | None,
    notes: dict[str, None],
    most_drawn: int | None,
) -> Iterator[MemberCase]:
    left = len(record.member_by_run)
    if len(record.sample.shape) == 3 and most_drawn is not None and most_drawn < left:
        left = most_drawn
        notes[f"Images are drawn of {left:,} members here; gantlet doctor draws those of all."] = None
    for planned in record.plan.fleets:
        for fleet in store.leaves(planned):
            members = _members(record, fleet, notes)
            tensors = _tensors(store, fleet, record, notes) if members and left > 0 else {}
            for run in fleet.runs:
                member = members.get(run)
                place = record.member_by_run[run]
                setting = record.settings[place.setting]
                samples, left = _samples(member, tensors, notes) if left > 0 else None, left - 1
                spec = record.sample_of(place.setting)
                low, high = spec.pixel_range
                yield MemberCase(
                    folder=store.folder,
                    run=run,
                    label=setting.label,
                    method=setting.method,
                    seed=place.seed,
                    values=setting.values,
                    user_keys=frozenset(key for key, source in setting.sources.items() if source == "user"),
                    row=rows.get(run, {}),
                    courses=courses.get(run, {}),
                    modes=_modes(record.data_of(place.setting)),
                    extent=spec.extent if len(spec.shape) == 1 else (high - low) / 2,
                    pool=spec.pool,
                    images=len(spec.shape) == 3,
                    batch_statistics=member is not None
                    and "no_batch_statistics" not in member.resolved.family.provides,
                    undecided=undecided_loss(member.resolved.objective) if member else math.nan,
                    samples=samples,
                    copies=_copies(member, samples, cache, notes),
                )


def _first(record: StudyRecord, most: int) -> list[FleetPlan]:
    """The first fleets, with at least so many members."""
    before = accumulate((len(fleet.runs) for fleet in record.plan.fleets), initial=0)
    return [fleet for fleet, count in zip(record.plan.fleets, before, strict=False) if count < most]


def _members(record: StudyRecord, fleet: FleetPlan, notes: dict[str, None]) -> dict[int, StudyMember]:
    try:
        slots = slots_of(record, fleet)
    except (UsageError, GantletError) as error:
        notes[f"Objectives and samples are not looked at: {error}"] = None
        return {}
    return {run: StudyMember(record, fleet, slots, place) for place, run in enumerate(fleet.runs)}


def _tensors(store: Store, fleet: FleetPlan, record: StudyRecord, notes: dict[str, None]) -> dict[str, torch.Tensor]:
    try:
        return read_trained(store, fleet, record)[0]
    except StoreError as error:
        notes[f"Samples of fleet {fleet.id} are not looked at: {error}"] = None
        return {}


def _samples(
    member: StudyMember | None, tensors: Mapping[str, torch.Tensor], notes: dict[str, None]
) -> MemberSamples | None:
    if member is None or not tensors:
        return None
    try:
        count = _IMAGES if len(member.sample.shape) == 3 else _SAMPLES
        return draw_generators(member, tensors, count)
    except (GantletError, RuntimeError, KeyError, IndexError) as error:
        notes[f"Samples of some members cannot be drawn: {str(error).splitlines()[0][:200]}"] = None
        return None


def _copies(
    member: StudyMember | None, samples: MemberSamples | None, cache: Cache | None, notes: dict[str, None]
) -> CopyDistances | None:
    if cache is None or member is None or samples is None:
        return None
    try:
        data: Dataset = cache.load(member.resolved)
        return copy_distances(samples, data)
    except GantletError as error:
        notes[f"Copies of training data are not looked for: {error}"] = None
        return None


def _modes(data: Mapping[str, Any]) -> int:
    """How many modes or classes the data have, by the facts of the data set; 0 where they do not say."""
    found = data.get("modes", data.get("classes"))
    return found if isinstance(found, int) and found > 1 else 0


def _rows(table: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _courses(history: pd.DataFrame) -> dict[int, dict[str, Course]]:
    found: dict[int, dict[str, Course]] = {}
    groups: Any = history.groupby(["run", "name"], sort=False)
    for (run, name), part in groups:
        steps, values = part["step"].to_numpy(float), part["value"].to_numpy(float)
        found.setdefault(int(run), {})[str(name)] = Course(steps, values)
    return found
