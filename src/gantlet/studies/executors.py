"""Who trains the fleets: this process, or a few worker processes side by side.

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
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from gantlet.cpu import threads_set
from gantlet.errors import GantletError

from .runner import Pulse
from .store import Store
from .workshop import Workshop, train_fleet

__all__ = ["Outcome", "Watcher", "in_this_process", "in_workers", "train_one"]

_POLL = 0.1
_BY_SIGNAL = (-signal.SIGTERM, -signal.SIGINT)


@dataclass(frozen=True)
class Outcome:
    """How the training of one fleet ended."""

    fleet: str
    kind: Literal["finished", "stopped", "failed"]
    error: str | None = None


@dataclass(frozen=True)
class Watcher:
    """Who is told: of pulses, of fleets that ended; and who may ask to stop."""

    pulse: Callable[[Pulse], None] = lambda pulse: None
    ended: Callable[[Outcome], None] = lambda outcome: None
    stopping: Callable[[], bool] = lambda: False


def train_one(
    workshop: Workshop,
    store: Store,
    fleet: str,
    *,
    notify: Callable[[Pulse], None],
    stopping: Callable[[], bool],
) -> Outcome:
    """Train one fleet; an error of its own becomes its outcome and is written down."""
    try:
        done = train_fleet(workshop, store, fleet, notify=notify, stopping=stopping)
    except Exception as error:
        words = str(error) if isinstance(error, GantletError) else "".join(traceback.format_exception(error))
        try:
            store.write_failure(fleet, words)
        except GantletError:
            words += "\n(and the failure could not be written down)"
        return Outcome(fleet, "failed", words)
    return Outcome(fleet, "finished" if done else "stopped")


def in_this_process(store: Store, fleets: Sequence[str], watcher: Watcher, *, workshop: Workshop | None = None) -> None:
    """Train fleets one after another, here."""
    workshop = workshop or Workshop()
    with threads_set(int(store.record()["execution"]["threads"])):
        for fleet in fleets:
            if watcher.stopping():
                return
            watcher.ended(train_one(workshop, store, fleet, notify=watcher.pulse, stopping=watcher.stopping))


def in_workers(store: Store, fleets: Sequence[str], watcher: Watcher, *, workers: int) -> None:
    """Train fleets in worker processes, each taking the next one when it is free."""
    waiting = list(fleets)
    messages: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    crew = [_Worker(place, store.folder, messages) for place in range(min(workers, len(waiting)))]
    for worker in crew:
        worker.give(waiting.pop(0))
    asked = False
    try:
        while any(worker.busy for worker in crew):
            if watcher.stopping() and not asked:
                asked, waiting = True, []
                for worker in crew:
                    worker.process.terminate()
            try:
                place, message = messages.get(timeout=_POLL)
            except queue.Empty:
                continue
            _handle(crew[place], message, store, watcher, asked=asked)
            if waiting and not crew[place].busy and message is not None:
                crew[place].give(waiting.pop(0))
    finally:
        for worker in crew:
            worker.dismiss()


def _handle(
    worker: _Worker, message: dict[str, Any] | None, store: Store, watcher: Watcher, *, asked: bool = False
) -> None:
    if message is None:  # the pipe closed: the process is gone
        fleet, worker.busy = worker.busy, ""
        if not fleet:
            return
        status = worker.process.wait()
        if asked and status in _BY_SIGNAL:  # asked to stop before it could listen for the signal
            watcher.ended(Outcome(fleet, "stopped"))
            return
        error = f"the worker process ended with status {status}: {worker.last_words()}"
        store.write_failure(fleet, error)
        watcher.ended(Outcome(fleet, "failed", error))
        return
    if "pulse" in message:
        pulse = message["pulse"]
        pulse |= {name: tuple(pulse[name]) if pulse[name] else None for name in ("best", "worst")}
        watcher.pulse(Pulse(**pulse))
        return
    worker.busy = ""
    watcher.ended(Outcome(message["fleet"], message["outcome"], message["error"]))


class _Worker:
    """One worker process and the thread that listens to it."""

    def __init__(self, place: int, folder: Path, messages: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
        self.busy = ""
        self._log = folder / f".worker-{place}.log"
        self._errors = self._log.open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gantlet.studies.worker", str(folder)],
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
