"""One of several processes that train a fleet together, started by torchrun.

``python -m gantlet.studies.executors.rank FOLDER FLEET``. Rank 0 reports as JSON lines on standard output, and asks all to save
and stop when its standard input ends. An error that is not a fault of the study's may be the loss of another rank: the process then
ends, torchrun ends the others, and starts all of them again from the last checkpoint.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import psutil

from .orphans import die_with_parent

__all__ = ["PARENT", "be_rank"]

PARENT = "GANTLET_PARENT"
"""The environment variable with the id of the process that started torchrun."""


def be_rank(folder: str, fleet: str) -> None:
    """Train a fleet, as the rank that the environment says."""
    agent = os.getppid()
    die_with_parent(agent)
    if PARENT in os.environ and psutil.Process(agent).ppid() != int(os.environ[PARENT]):
        os._exit(1)  # torchrun had died before
    from gantlet.cpu import threads_set

    from ..cache import Cache
    from ..store import Store
    from .base import train_one
    from .group import Place, grouped
    from .messages import speaker

    say = speaker()

    rank, local_rank, count = (int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    place = Place(rank, local_rank, count)
    store, cache = Store(Path(folder)), Cache()
    record = store.record()
    stop = threading.Event()
    if place.rank == 0:
        threading.Thread(target=_await_end, args=(stop,), daemon=True).start()
    with threads_set(record.execution.threads), grouped(place, record.execution.device) as (ranks, device):
        result = train_one(
            cache,
            store,
            fleet,
            notify=lambda progress: say({"progress": asdict(progress)}),
            stopping=stop.is_set,
            ranks=ranks,
            device=device,
        )
        if place.rank == 0:
            say({"result": asdict(result)})


def _await_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    be_rank(sys.argv[1], sys.argv[2])
