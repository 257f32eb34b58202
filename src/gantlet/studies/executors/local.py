"""Fleets in a few worker processes side by side, on this machine.

On a CPU one process with one thread per core beats one process with many threads: narrow products do not divide well,
and threads that wait for each other at every product lose most of their time when the machine is shared
(docs/performance.md).
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..cache import Cache
from ..runner import Progress
from ..store import Store
from .base import Callbacks, FleetResult
from .inline import InlineExecutor

__all__ = ["LocalExecutor"]

_POLL = 0.1
_BY_SIGNAL = (-signal.SIGTERM, -signal.SIGINT)


@dataclass(frozen=True)
class LocalExecutor:
    """Trains in worker processes, each taking the next fleet when it is free; one fleet or one worker needs none."""

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Train fleets in at most ``workers`` processes; they die with this one."""
        if min(workers, len(fleets)) < 2:
            InlineExecutor().run(store, fleets, callbacks, workers=1, cache=cache)
        else:
            _in_workers(store, fleets, callbacks, workers=workers)


def _in_workers(store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int) -> None:
    waiting = list(fleets)
    messages: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    processes = [_Worker(place, store.folder, messages) for place in range(min(workers, len(waiting)))]
    for worker in processes:
        worker.give(waiting.pop(0))
    asked = False
    try:
        while any(worker.busy for worker in processes):
            if callbacks.stopping() and not asked:
                asked, waiting = True, []
                for worker in processes:
                    worker.process.terminate()
            try:
                place, message = messages.get(timeout=_POLL)
            except queue.Empty:
                continue
            _handle(processes[place], message, store, callbacks, asked=asked)
            if waiting and not processes[place].busy and message is not None:
                processes[place].give(waiting.pop(0))
    finally:
        for worker in processes:
            worker.dismiss()


def _handle(
    worker: _Worker, message: dict[str, Any] | None, store: Store, callbacks: Callbacks, *, asked: bool = False
) -> None:
    if message is None:  # the pipe closed: the process is gone
        fleet, worker.busy = worker.busy, ""
        if not fleet:
            return
        status = worker.process.wait()
        if asked and status in _BY_SIGNAL:  # asked to stop before it could listen for the signal
            callbacks.ended(FleetResult(fleet, "stopped"))
            return
        error = f"the worker process ended with status {status}: {worker.last_words()}"
        store.write_failure(fleet, error)
        callbacks.ended(FleetResult(fleet, "failed", error))
        return
    if "progress" in message:
        progress = message["progress"]
        progress |= {name: tuple(progress[name]) if progress[name] else None for name in ("best", "worst")}
        callbacks.progress(Progress(**progress))
        return
    worker.busy = ""
    callbacks.ended(FleetResult(message["fleet"], message["kind"], message["error"]))


class _Worker:
    """One worker process and the thread that listens to it."""

    def __init__(self, place: int, folder: Path, messages: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
        self.busy = ""
        self._log = folder / f".worker-{place}.log"
        self._errors = self._log.open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gantlet.studies.executors.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        self._listener = threading.Thread(target=_listen, args=(place, self.process.stdout, messages), daemon=True)
        self._listener.start()

    def give(self, fleet: str) -> None:
        """Hand over a fleet."""
        self.busy = fleet
        assert self.process.stdin is not None
        self.process.stdin.write(fleet + "\n")
        self.process.stdin.flush()

    def last_words(self) -> str:
        """The end of what it wrote to its log."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip()[-2000:] or "it said nothing"

    def dismiss(self) -> None:
        """Close its input, wait for it, and drop its log."""
        assert self.process.stdin is not None
        if self.busy:
            self.process.terminate()
        self.process.stdin.close()
        self.process.wait()
        self._listener.join()
        self._errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.unlink(missing_ok=True)


def _listen(place: int, pipe: IO[str], messages: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
    for line in pipe:
        messages.put((place, json.loads(line)))
    messages.put((place, None))
