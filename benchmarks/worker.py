"""One measured process: builds a candidate, then advances it in windows that it is told of, one JSON line each.

``python -m benchmarks.worker`` reads a candidate, answers when it is ready, and from then on reads (begin, seconds) and
answers with what it did. It idles in between, so only one side of a comparison ever computes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, TextIO

import psutil

from .baselines import Candidate

__all__ = ["Done", "main"]


@dataclass(frozen=True)
class Done:
    """What a process did in one window.

    Attributes:
        steps: Whole steps; a step that was begun is ended.
        seconds: From the window's beginning to the end of the last step.
        cpu: Processor seconds of all threads.
        faults: Pages that the system had to bring in.
        resident: Bytes that the process holds; pages are kept once touched, so this is also the most it held.
    """

    steps: int
    seconds: float
    cpu: float
    faults: int
    resident: int


def main(orders: TextIO, answers: TextIO) -> None:
    """Serve until the orders end."""
    advance = Candidate(**json.loads(orders.readline())).make()
    _say(answers, {"resident": _resident()})
    for line in orders:
        begin, seconds = json.loads(line)
        time.sleep(max(0.0, begin - time.monotonic()))
        steps, faults, cpu = 0, _faults(), time.process_time()
        started = now = time.monotonic()
        while now < begin + seconds or steps == 0:
            advance()
            steps, now = steps + 1, time.monotonic()
        spent = time.process_time() - cpu
        _say(answers, asdict(Done(steps, now - started, spent, _faults() - faults, _resident())))


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _resident() -> int:
    return psutil.Process().memory_info().rss


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
