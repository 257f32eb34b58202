"""A worker process: trains the fleets whose ids it reads, one per line, and reports as JSON lines.

``python -m gantlet.studies.executors.worker FOLDER``. It dies with its parent, and stops cleanly on SIGTERM.
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

__all__ = ["serve"]

_PR_SET_PDEATHSIG = 1


def serve(folder: str) -> None:
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

    from ..cache import Cache
    from ..store import Store
    from .base import train_one

    store, cache = Store(Path(folder)), Cache()
    with threads_set(store.record().execution.threads):
        for line in sys.stdin:
            fleet = line.strip()
            result = train_one(
                cache,
                store,
                fleet,
                notify=lambda progress: _say({"progress": asdict(progress)}),
                stopping=stop.asked,
            )
            _say({"result": asdict(result)})


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
    serve(sys.argv[1])
