"""Fleets in a few worker processes side by side, on this machine.

On a CPU one process with one thread per core beats one process with many threads: narrow products do not divide well,
and threads that wait for each other at every product lose most of their time when the machine is shared
(docs/performance.md).
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from ..cache import Cache
from ..plan import bytes_of_fleets
from ..record import StudyRecord
from ..store import Store
from ..trust import TRUSTED
from .base import Callbacks, FleetResult, message_taken
from .inline import InlineExecutor
from .messages import heard
from .orphans import dying_with_me
from .placement import Room, gpus_here, place_workers
from .together import train_together

__all__ = ["LocalExecutor"]

_POLL = 0.1
_RETRIES = 2  # of a fleet whose worker died
_BY_SIGNAL = (
    -signal.SIGTERM,
    -signal.SIGINT,
    *(-getattr(signal, name, signal.SIGTERM) for name in ("SIGUSR2", "SIGHUP")),
)


@dataclass(frozen=True)
class LocalExecutor:
    """Trains in worker processes, each taking the next fleet when it is free; one fleet or one worker needs none."""

    in_process = False

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Train fleets in at most ``workers`` processes, or each by the processes of the study's; they die with this one."""
        if (processes := store.record().execution.processes) > 1:
            train_together(store, fleets, callbacks, processes=processes)
        elif min(workers, len(fleets)) < 2:
            InlineExecutor().run(store, fleets, callbacks, workers=1, cache=cache)
        else:
            _in_workers(store, fleets, callbacks, workers=workers)


def _in_workers(store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int) -> None:
    waiting, tries = list(fleets), dict.fromkeys(fleets, 0)
    messages: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    trusted = store.record()
    count = min(workers, len(waiting))
    gpus, room = _placed(trusted, fleets, count)

    def started(place: int) -> _Worker:
        environment = {"CUDA_VISIBLE_DEVICES": gpus[place]} if gpus[place] else {}
        return _Worker(place, store, trusted, messages, environment)

    processes, gone = [started(place) for place in range(count)], set[int]()

    def give_out() -> None:
        for place in range(count):
            training = [
                each.busy for each, gpu in zip(processes, gpus, strict=True) if each.busy and gpu == gpus[place]
            ]
            fleet = "" if processes[place].busy else room.next_fleet(gpus[place], training, waiting)
            if fleet and place in gone:
                gone.remove(place)
                processes[place].dismiss()
                processes[place] = started(place)
            if fleet:
                waiting.remove(fleet)
                processes[place].give(fleet)

    give_out()
    asked = False
    try:
        while any(worker.busy for worker in processes):
            if callbacks.stopping() and not asked:
                asked = True
                waiting.clear()
                for worker in processes:
                    worker.process.terminate()
            try:
                place, message = messages.get(timeout=_POLL)
            except queue.Empty:
                continue
            if message is None:  # the pipe closed: the process is gone
                gone.add(place)
                fleet, died = processes[place].busy, _died(processes[place], asked=asked)
                if fleet and not asked and tries[fleet] < _RETRIES:
                    tries[fleet] += 1
                    waiting.insert(0, fleet)
                elif fleet:
                    _end(died, store, callbacks)
            else:
                _handle(processes[place], message, callbacks)
            give_out()
    finally:
        for worker in processes:
            worker.dismiss()


def _placed(record: StudyRecord, fleets: Sequence[str], workers: int) -> tuple[list[str], Room]:
    """The GPU of each worker, empty where it needs none, and what has room on it."""
    found = gpus_here() if record.execution.device == "cuda" else []
    placed = place_workers(workers, found)
    if not placed:
        return [""] * workers, Room({}, {})
    free = {gpu.uuid: gpu.free << 20 for gpu in found if gpu.uuid in placed}
    return placed, Room(free, bytes_of_fleets(record, fleets))


def _died(worker: _Worker, *, asked: bool) -> FleetResult:
    """What became of the fleet of a process that is gone."""
    fleet, worker.busy = worker.busy, ""
    status = worker.process.wait()
    if asked and status in _BY_SIGNAL:  # asked to stop before it could listen for the signal
        return FleetResult(fleet, "stopped")
    return FleetResult(fleet, "failed", f"the worker process ended with status {status}: {worker.last_words()}")


def _end(result: FleetResult, store: Store, callbacks: Callbacks) -> None:
    if result.kind == "failed":
        store.write_failure(result.fleet, result.error or "")
    callbacks.ended(result)


def _handle(worker: _Worker, message: dict[str, Any], callbacks: Callbacks) -> None:
    if (result := message_taken(message, callbacks)) is not None:
        worker.busy = ""
        callbacks.ended(result)


class _Worker:
    """One worker process and the thread that listens to it."""

    def __init__(
        self,
        place: int,
        store: Store,
        record: StudyRecord,
        messages: queue.Queue[tuple[int, dict[str, Any] | None]],
        environment: Mapping[str, str],
    ) -> None:
        self.busy = ""
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in dismiss
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gantlet.studies.executors.worker", str(store.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", TRUSTED: record.key, **environment},
            preexec_fn=dying_with_me(),  # noqa: PLW1509 - two system calls
        )
        assert self.process.stdout is not None
        self._listener = threading.Thread(target=_listen, args=(place, self.process.stdout, messages), daemon=True)
        self._listener.start()

    def give(self, fleet: str) -> None:
        """Hand over a fleet."""
        self.busy = fleet
        assert self.process.stdin is not None
        with suppress(OSError):  # it died meanwhile, which its listener will say
            self.process.stdin.write(fleet + "\n")
            self.process.stdin.flush()

    def last_words(self) -> str:
        """The end of what it wrote to its log."""
        self._errors.seek(0)
        return self._errors.read().strip()[-2000:] or "it said nothing"

    def dismiss(self) -> None:
        """Close its input, wait for it, and drop its log."""
        assert self.process.stdin is not None
        if self.busy:
            self.process.terminate()
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self._listener.join()
        self._errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _listen(place: int, pipe: IO[str], messages: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
    for message in heard(pipe):
        messages.put((place, message))
    messages.put((place, None))
