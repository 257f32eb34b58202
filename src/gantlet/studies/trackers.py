"""Experiment trackers, if asked: each member is a run of Weights & Biases or Trackio, with its settings and its history.

Both packages have the same three calls: ``init(project=, name=, config=)`` gives a run, which has ``log(values, step=)`` and
``finish()``. Points are handed over when their checkpoint is written.

A tracker never holds a training up or loses it: it works in a thread of its own, with a queue; what it raises, or that
it does not keep up, is one warning, after which it is left alone. The study itself keeps every point.

References:
    | https://docs.wandb.ai, https://huggingface.co/docs/trackio
"""

from __future__ import annotations

import importlib
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

from gantlet.errors import MissingExtra, UnknownName
from gantlet.settings import Scalar
from gantlet.training.history import Rows

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "check_tracker"]

TRACKERS = ("wandb", "trackio")
"""The packages that are known; each is an extra of the same name."""

_LOG = logging.getLogger("gantlet")
_WAITING = 1000  # checkpoints' points in the queue
_PATIENCE = 10.0  # seconds that the end of a fleet waits for the last points
_OWN: dict[str, dict[str, Any]] = {"wandb": {"reinit": "create_new"}}
"""What a package needs beside: several runs at once in one process."""


def check_tracker(name: str) -> None:
    """Make sure that a tracker can be used.

    Raises:
        UnknownName: There is no such tracker.
        MissingExtra: Its package is not installed.
    """
    if not name:
        return
    if name not in TRACKERS:
        raise UnknownName("tracker", name, TRACKERS)
    if find_spec(name) is None:
        raise MissingExtra(name, extra=name, purpose=f"--tracker {name}")


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a member: its name, and its settings."""

    name: str
    config: Mapping[str, Scalar]


@dataclass
class Tracker:
    """The runs of a fleet in a tracker.

    Attributes:
        package: ``wandb`` or ``trackio``.
        project: The project's name there.
        runs: By slot.
        patience: Seconds that :meth:`finish` waits.
    """

    package: str
    project: str
    runs: Mapping[int, TrackedRun]
    patience: float = _PATIENCE
    _calls: queue.Queue[Any] = field(default_factory=partial(queue.Queue, _WAITING), init=False)
    _opened: dict[int, Any] = field(default_factory=dict[int, Any], init=False)
    _given_up: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def log(self, rows: Rows) -> None:
        """Hand points of the history over; those of other slots are left out."""
        found: dict[tuple[int, int], dict[str, float]] = {}
        for slot, step, name, value in zip(rows.slot, rows.step, rows.name, rows.value, strict=True):
            if slot in self.runs:
                found.setdefault((step, slot), {})[name] = value
        if found:
            self._call([(slot, step, values) for (step, slot), values in sorted(found.items())])

    def finish(self, last: Sequence[Mapping[str, Any]] = ()) -> None:
        """End the runs, with the final metrics by slot, and wait a little for what is still in the queue."""
        for slot, row in enumerate(last):
            numbers = {
                f"final/{name}": value
                for name, value in row.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            }
            if slot in self.runs and numbers:
                self._call([(slot, None, numbers)])
        self._call(None)
        if self._thread is not None:
            self._thread.join(self.patience)
            if self._thread.is_alive():
                self._give_up(f"it did not finish within {self.patience:g} s")

    def _call(self, calls: list[tuple[int, int | None, dict[str, Any]]] | None) -> None:
        if self._given_up.is_set():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"tracker {self.package}", daemon=True)
            self._thread.start()
        try:
            self._calls.put_nowait(calls)
        except queue.Full:
            self._give_up("it does not keep up")

    def _give_up(self, why: str) -> None:
        if not self._given_up.is_set():
            self._given_up.set()
            _LOG.warning("note: %s is left alone from here on: %s. The study has every point.", self.package, why)

    def _work(self) -> None:
        try:
            module = importlib.import_module(self.package)
            while (calls := self._calls.get()) is not None and not self._given_up.is_set():
                for slot, step, values in calls:
                    run = self._run(module, slot)
                    run.log(values) if step is None else run.log(values, step=step)
            for run in self._opened.values():
                run.finish()
        except BaseException as error:  # somebody else's package, network and server; this thread is its alone
            self._give_up(f"it raised {type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def _run(self, module: Any, slot: int) -> Any:
        if slot not in self._opened:
            told = self.runs[slot]
            more = _OWN.get(self.package, {})
            self._opened[slot] = module.init(project=self.project, name=told.name, config=dict(told.config), **more)
        return self._opened[slot]
