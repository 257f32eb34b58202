"""How each fleet of a study is doing, from its folder and from Slurm's queue: nothing watches, so whoever asks reads both."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pandas as pd

from gantlet.errors import ClusterError, StoreError
from gantlet.training import checkpoint

from .record import FleetPlan, StudyRecord
from .slurm_queue import QueuedTask, queued_tasks
from .store import Store
from .submissions import Submission, jobs_folder, submissions
from .views import write_views

__all__ = ["FleetState", "StudyState", "busy_fleets", "follow", "study_state"]

_SILENCE = 60  # looks at a queue that does not answer, after which nobody waits for it any longer

_FleetWord = Literal["finished", "failed", "running", "queued", "stopped", "not begun"]


@dataclass(frozen=True)
class FleetState:
    """How one fleet is doing.

    Attributes:
        fleet: Its id.
        members: How many members it has.
        state: In a word.
        job: Slurm's name of its last job.
        node: Where that runs or ran.
        why: Why it waits, or what was wrong.
        log: The path of that job's log; empty where there is none.
    """

    fleet: str
    members: int
    state: _FleetWord
    job: str = ""
    node: str = ""
    why: str = ""
    log: str = ""


@dataclass(frozen=True)
class StudyState:
    """How the fleets of a study are doing.

    Attributes:
        fleets: In the order of the plan.
        unknown: Why Slurm's queue could not be read; then fleets that wait or run there count as stopped or not begun.
    """

    fleets: tuple[FleetState, ...]
    unknown: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many fleets are in which state."""
        found = Counter(fleet.state for fleet in self.fleets)
        return {word: found[word] for word in ("finished", "running", "queued", "stopped", "not begun", "failed")}

    @property
    def active(self) -> bool:
        """Whether a fleet waits or runs."""
        return any(fleet.state in ("queued", "running") for fleet in self.fleets)

    def table(self) -> pd.DataFrame:
        """One row per fleet: fleet, members, state, job, node, why, log."""
        rows = [asdict(fleet) for fleet in self.fleets]
        return pd.DataFrame(rows, columns=[each.name for each in fields(FleetState)])

    def line(self) -> str:
        """The counts in words."""
        words = ", ".join(f"{count} {word}" for word, count in self.counts.items() if count)
        return f"{len(self.fleets)} fleet{'s' * (len(self.fleets) > 1)}: {words}"


def study_state(store: Store, record: StudyRecord | None = None) -> StudyState:
    """How the fleets of a study are doing; nothing is imported or written.

    Raises:
        StoreError: There is no study, or a file of it is damaged.
    """
    record = record or store.record()
    made, unknown, queue = submissions(store), "", dict[tuple[str, int], QueuedTask]()
    try:
        queue = queued_tasks(made)
    except ClusterError as error:
        unknown = str(error)
    last = _last_tasks(made)
    fleets = [_state(store, record, planned, last.get(planned.id), queue) for planned in record.plan.fleets]
    return StudyState(tuple(fleets), unknown)


def follow(
    store: Store, seconds: Callable[[int], float], changed: Callable[[StudyState], None] = lambda state: None
) -> StudyState:
    """Look at a study until nothing of it waits or runs, and make its tables.

    Arguments:
        store: The study.
        seconds: How long to wait before a look, by its number.
        changed: Told when there are other numbers of fleets in a state.

    Raises:
        ClusterError: The queue does not answer, for as many looks.
    """
    state, looks, silent = study_state(store), 0, 0
    while state.active or state.unknown:
        if silent > _SILENCE:
            raise ClusterError(f"{state.unknown} The jobs go on without this command.")
        time.sleep(seconds(looks))
        before, state, looks = state, study_state(store), looks + 1
        silent = silent + 1 if state.unknown else 0
        if not state.unknown and state.counts != before.counts:
            changed(state)
    write_views(store)
    return state


def busy_fleets(store: Store) -> set[str]:
    """The fleets that wait or run in Slurm.

    Raises:
        ClusterError: Its queue cannot be read.
        StoreError: A submission cannot be read.
    """
    made = submissions(store)
    by_token = {submission.token: submission for submission in made}
    queue = queued_tasks(made)
    tasks = [by_token[token].tasks[number] for (token, number), task in queue.items() if task.queued or task.running]
    return {fleet for task in tasks for fleet in task}


def _last_tasks(made: Sequence[Submission]) -> dict[str, tuple[Submission, int]]:
    """By fleet, the last submission of it and its task there."""
    return {fleet: (each, number) for each in made for number, task in enumerate(each.tasks) for fleet in task}


def _state(
    store: Store,
    record: StudyRecord,
    planned: FleetPlan,
    last: tuple[Submission, int] | None,
    queue: dict[tuple[str, int], QueuedTask],
) -> FleetState:
    job = node = log = ""
    task: QueuedTask | None = None
    if last is not None:
        submission, number = last
        task = queue.get((submission.token, number))
        job = task.id if task else submission.id_of(number)
        node = task.node if task else ""
        path = jobs_folder(store) / submission.log(number)
        log = str(path) if submission.job and path.is_file() else ""
    word, why = _word(store, record, planned, task)
    return FleetState(planned.id, len(planned.runs), word, job, node, why, log)


def _word(store: Store, record: StudyRecord, planned: FleetPlan, task: QueuedTask | None) -> tuple[_FleetWord, str]:
    leaves = store.leaves(planned)
    if all(store.finished(leaf, record.seals(leaf)) for leaf in leaves):
        return "finished", ""
    if task is not None and task.running:
        return "running", ""
    if task is not None and task.queued:
        return "queued", task.reason
    try:
        failure = store.failure(planned.id)
    except StoreError as error:
        failure = str(error)
    if failure:
        return "failed", failure.strip().splitlines()[-1] if failure.strip() else ""
    if task is not None and task.broken:
        return "failed", f"Slurm says {task.state}"
    begun = any(checkpoint.places(store.checkpoint(leaf.id)) for leaf in leaves)
    return ("stopped" if begun else "not begun"), ""
