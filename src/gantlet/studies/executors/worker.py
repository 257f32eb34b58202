"""A worker process: trains the fleets whose ids it reads, one per line, and reports as JSON lines.

``python -m gantlet.studies.executors.worker FOLDER``. Where the system allows it, it dies with its parent; it stops cleanly on
SIGTERM and SIGHUP.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

__all__ = ["serve"]


def serve(folder: str) -> None:
    """Serve fleet ids from standard input until it closes."""
    from gantlet.stopping import stop_signals

    stop = _Stop()
    for number in stop_signals():
        signal.signal(number, stop)
    if hasattr(signal, "SIGUSR2"):  # by which Slurm tells all processes of a job that its time is nearly up
        signal.signal(signal.SIGUSR2, stop)
    from gantlet.cpu import threads_set

    from ..cache import Cache
    from ..store import Store
    from .base import train_one
    from .messages import speaker

    say = speaker()

    store, cache = Store(Path(folder)), Cache()
    with threads_set(store.record().execution.threads):
        for line in sys.stdin:
            fleet = line.strip()
            result = train_one(
                cache,
                store,
                fleet,
                notify=lambda progress: say({"progress": asdict(progress)}),
                stopping=stop.asked,
            )
            say({"result": asdict(result)})


class _Stop:
    """Remembers that a signal came."""

    def __init__(self) -> None:
        self._came = False

    def __call__(self, _signal: int, _frame: Any) -> None:
        self._came = True

    def asked(self) -> bool:
        return self._came


if __name__ == "__main__":
    serve(sys.argv[1])
