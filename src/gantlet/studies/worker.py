"""A worker process: trains the fleets whose ids it reads, one per line, and reports as JSON lines.

``python -m gantlet.studies.worker FOLDER``. It dies with its parent, and stops cleanly on SIGTERM.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(folder: str) -> None:
    """Serve fleet ids from standard input until it closes."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):  # a system without prctl: then the pipe's end stops the worker
        ctypes.CDLL("libc.so.6").prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    from gantlet.cpu import threads_set

    from .executors import train_one
    from .store import Store
    from .workshop import Workshop

    store, workshop = Store(Path(folder)), Workshop()
    with threads_set(int(store.record()["execution"]["threads"])):
        for line in sys.stdin:
            fleet = line.strip()
            outcome = train_one(
                workshop,
                store,
                fleet,
                notify=lambda pulse: _say({"pulse": asdict(pulse)}),
                stopping=stop.asked,
            )
            _say({"fleet": fleet, "outcome": outcome.kind, "error": outcome.error})


class _Stop:
    """Remembers that a signal came."""

    def __init__(self) -> None:
        self._came = False

    def __call__(self, _signal: int, _frame: Any) -> None:
        self._came = True

    def asked(self) -> bool:
        return self._came


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
