"""What a Slurm job of a study does: it trains its fleets; told to stop, it saves, and puts itself back into the queue.

Slurm tells a job by a signal (USR2, which submitit asks for) that its time is nearly up, or that it is preempted. A job that
is cancelled is told by SIGTERM: it saves and ends. What it knows is in the study folder, so that it goes on wherever and
whenever it is started again, also after its node has failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..record import FleetPlan
    from ..store import Store
    from .base import FleetResult

__all__ = ["FleetsJob", "StopSignal"]

_LOG_SECONDS = 60.0
_LOCK_SECONDS = 2.0  # between two looks at a fleet that another process holds
_EMPTY_STARTS = 10  # how often a job may be started without training a step


class StopSignal:
    """Remembers which signal came first, USR2 before all others."""

    def __init__(self) -> None:
        self.came = 0

    def __call__(self, number: int, _frame: Any) -> None:
        if not self.came or number == signal.SIGUSR2:
            self.came = number

    def asked(self) -> bool:
        """Whether one came."""
        return bool(self.came)


@dataclass(frozen=True)
class FleetsJob:
    """Trains fleets of a study within a job.

    Attributes:
        folder: The study's folder.
        key: The study's name, by which its parts are trusted.
        parts: Parts of the user's own, with the SHA-256 that their files had when the job was submitted.
        workers: Processes side by side.
        processes: Tasks of the job, which train each fleet together; this is one of them.
    """

    folder: str
    key: str
    parts: Mapping[str, str]
    workers: int = 1
    processes: int = 1

    def __call__(self, fleets: Sequence[str]) -> None:
        """Train fleets, or go on with them.

        Raises:
            RuntimeError: One failed, so that Slurm shows the job as failed; why is in the study folder.
        """
        stop = StopSignal()
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        _say(f"job {_job()} trains fleets {', '.join(fleets)} of {self.folder}")
        if self.processes > 1:
            steps, failed = self._train_together(fleets, stop)
            if not _first():
                return
        else:
            steps, failed = self._train(fleets, stop)
        if stop.asked() and (stop.came == signal.SIGUSR2 or _state() == "RUNNING"):
            _requeue(trained=steps > 0)
        if stop.asked():
            _say("the job was told to stop; everything is saved")
            sys.exit(1)
        if failed:
            raise RuntimeError("; ".join(failed))

    def checkpoint(self, fleets: Sequence[str]) -> Any:
        """What submitit puts back into the queue when the signal comes before the study is read: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, fleets)

    def _train(self, fleets: Sequence[str], stop: StopSignal) -> tuple[int, list[str]]:
        """The steps that were trained, and a sentence for each fleet that failed."""
        from gantlet.files import locked

        from ..cache import Cache
        from .base import Callbacks
        from .local import LocalExecutor

        store, cache = self._store(), Cache()
        meter, failed, waiting = _Meter(), list[str](), list(fleets)

        def ended(result: FleetResult) -> None:
            failed.extend(_said(result))
            if result.kind != "elsewhere" or not _again():
                waiting.remove(result.fleet)

        told = Callbacks(progress=meter, ended=ended, stopping=stop.asked)
        with locked(store.study_lock, shared=True):  # the plan stays as it is meanwhile
            while waiting and not stop.asked():
                LocalExecutor().run(store, tuple(waiting), told, workers=self.workers, cache=cache)
                if waiting and not stop.asked():
                    time.sleep(_LOCK_SECONDS)
            if not stop.asked():
                _last_makes_views(store)
        _say(f"{meter.steps:,} steps in this start; {time.process_time():.2f} s of processor time")
        return meter.steps, failed

    def _train_together(self, fleets: Sequence[str], stop: StopSignal) -> tuple[int, list[str]]:
        """The same as one of the job's tasks; one that loses another puts the job back into the queue."""
        from gantlet.files import locked

        from .slurm_ranks import train_as_rank

        store, meter = self._store(), _Meter()
        with locked(store.study_lock, shared=True):
            try:
                results = train_as_rank(
                    store, fleets, start=f"{_job()}-{_restarts()}", notify=meter, stopping=stop.asked
                )
            except Exception as error:
                if _restarts() >= _EMPTY_STARTS:
                    raise
                _say(f"a task of the job was lost, or failed: {error!r}")
                _requeue(trained=True, alone=False)
                sys.exit(1)
            failed = [sentence for result in results for sentence in _said(result)]
            if _first() and not stop.asked():
                _last_makes_views(store)
        if _first():
            _say(f"{meter.steps:,} steps in this start; {time.process_time():.2f} s of processor time")
        return meter.steps, failed

    def _store(self) -> Store:
        """The study, if it may run here."""
        from pathlib import Path

        from ..store import Store
        from ..trust import allow_these, require_trust

        store = Store(Path(self.folder))
        allow_these(self.parts, self.key)
        record = store.record()
        require_trust(record.settings, record.key, record.execution.executor)
        return store


def _first() -> bool:
    from .slurm_ranks import my_rank

    return my_rank() == 0


def _said(result: FleetResult) -> list[str]:
    """Write a line about how a fleet ended; a sentence if it failed."""
    _say(f"fleet {result.fleet}: {result.kind}{f', {result.error}' if result.error else ''}")
    failed = result.kind == "failed"
    return [f"fleet {result.fleet} failed: {(result.error or '?').strip().splitlines()[-1]}"] if failed else []


class _Meter:
    """Counts steps, and writes a line about each fleet now and then."""

    def __init__(self) -> None:
        self.steps, self._before, self._said = 0, dict[str, int](), dict[str, float]()

    def __call__(self, progress: Any) -> None:
        self.steps += progress.step - self._before.get(progress.fleet, progress.step)
        self._before[progress.fleet] = progress.step
        now = time.monotonic()
        if now - self._said.get(progress.fleet, -_LOG_SECONDS) >= _LOG_SECONDS:
            self._said[progress.fleet] = now
            _say(f"fleet {progress.fleet}: step {progress.step:,} of {progress.steps:,}, {progress.out} diverged")


def _last_makes_views(store: Store) -> None:
    """The tables of the study, by the job after which no fleet is left; two that end together write the same."""
    from ..views import write_views

    if all(_has_ended(store, fleet) for fleet in store.record().plan.fleets):
        write_views(store)


def _has_ended(store: Store, fleet: FleetPlan) -> bool:
    leaves = store.leaves(fleet)
    return (store.fleet(fleet.id) / "failure.json").exists() or all(
        (store.fleet(leaf.id) / "results.json").exists() for leaf in leaves
    )


def _requeue(*, trained: bool, alone: bool = True) -> None:
    """Put this job back into the queue, where it waits for its turn and goes on; other tasks may do so too unless it is ``alone``.

    Raises:
        RuntimeError: It never comes to a step, so it would do so for ever.
    """
    if not trained and _restarts() >= _EMPTY_STARTS:
        raise RuntimeError(
            f"The job was started {_restarts() + 1} times and never came to train a step before it had to stop. Give it "
            "more time: gantlet resume DIR --slurm time=…"
        )
    _say("saved; the job goes back into the queue")
    subprocess.run(["scontrol", "requeue", _job()], check=alone, timeout=60)


def _again() -> bool:
    """Whether this job was started before: then whoever holds its fleet is what is left of that."""
    return _restarts() > 0


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0") or 0)


def _job() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID", "?")


def _state() -> str:
    """Slurm's word for what this job is doing: it runs on while it is preempted, and does not once it is cancelled."""
    try:
        words = ["squeue", "-h", "-t", "all", "-o", "%T", "-j", _job()]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "?"


def _say(words: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {words}", flush=True)
