"""Processes that are measured together, and the windows in which they are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .baselines import Candidate
from .worker import Done

__all__ = ["Series", "Workers", "measure", "started"]

_LEAD = 0.02
"""Seconds between an order and the beginning of its window, so that all processes begin together."""


@dataclass
class Series:
    """What workers did, window by window.

    Attributes:
        rates: Member-steps per second.
        efficiencies: Member-steps per processor second, which a busy machine disturbs less.
        faults: Page faults per step.
        resident: Bytes that its processes hold together.
    """

    rates: list[float] = field(default_factory=list[float])
    efficiencies: list[float] = field(default_factory=list[float])
    faults: list[float] = field(default_factory=list[float])
    resident: int = 0

    def take(self, candidates: Sequence[Candidate], done: Sequence[Done]) -> None:
        """Take in one window of all processes."""
        pairs = list(zip(candidates, done, strict=True))
        self.rates.append(sum(c.members * d.steps / d.seconds for c, d in pairs))
        self.efficiencies.append(sum(c.members * d.steps for c, d in pairs) / sum(d.cpu for d in done))
        self.faults.append(sum(d.faults for d in done) / sum(d.steps for d in done))
        self.resident = sum(d.resident for d in done)

    @property
    def rate(self) -> float:
        """The median of member-steps per second."""
        return median(self.rates)

    def against(self, other: Series) -> list[float]:
        """The ratio of rates, window by window."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


class Workers:
    """Candidates, each in a process of its own, which work at the same time."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = list(candidates)
        self._processes = [_start(candidate) for candidate in candidates]

    def wait_until_ready(self) -> None:
        """Wait for every process to have built its candidate."""
        for process in self._processes:
            _answer(process)

    def window(self, seconds: float) -> list[Done]:
        """Let all processes work for some seconds, from one moment on."""
        begin = time.monotonic() + _LEAD
        for process in self._processes:
            _tell(process, [begin, seconds])
        return [Done(**_answer(process)) for process in self._processes]

    def dismiss(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate()


@contextmanager
def started(wanted: Mapping[str, Sequence[Candidate]]) -> Generator[dict[str, Workers]]:
    """Crews by name, all of them ready; their processes end with the block."""
    with ExitStack() as stack:
        found: dict[str, Workers] = {}
        for name, candidates in wanted.items():
            found[name] = Workers(candidates)
            stack.callback(found[name].dismiss)
        for workers in found.values():
            workers.wait_until_ready()
        yield found


def measure(wanted: Mapping[str, Sequence[Candidate]], *, rounds: int, seconds: float) -> dict[str, Series]:
    """Measure workers in turn, round after round; one more round, at the beginning, only warms up."""
    series = {name: Series() for name in wanted}
    with started(wanted) as ready:
        for turn in range(rounds + 1):
            for name, workers in ready.items():
                done = workers.window(seconds if turn else seconds / 2)
                if turn:
                    series[name].take(workers.candidates, done)
    return series


def _start(candidate: Candidate) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "benchmarks.worker"]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _tell(process, asdict(candidate))
    return process


def _tell(process: subprocess.Popen[str], order: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"A measured process ended with status {process.wait()}; its message stands above.")
    return json.loads(line)
