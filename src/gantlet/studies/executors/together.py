"""Fleets one after another, each by several processes of this machine that torchrun starts, watches and starts again.

A process that dies ends the others; all begin again from the last checkpoint, a bounded number of times. Nobody outlives whoever
started them: torchrun dies with this process, and the ranks with torchrun.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Queue
from typing import IO, Any

from ..store import Store
from ..trust import TRUSTED
from .base import Callbacks, FleetResult, message_taken
from .messages import heard
from .orphans import dying_with_me
from .rank import PARENT

__all__ = ["train_together"]

_POLL = 0.1
_RESTARTS = 3
_ENDING = 30.0  # seconds for the processes of a fleet that has ended


def train_together(store: Store, fleets: Sequence[str], callbacks: Callbacks, *, processes: int) -> None:
    """Train fleets, each by so many processes, and return when all ended or were stopped."""
    for fleet in fleets:
        if callbacks.stopping():
            return
        result = _train(store, fleet, callbacks, processes)
        if result.kind == "failed":
            store.write_failure(fleet, result.error or "")
        callbacks.ended(result)


def _train(store: Store, fleet: str, callbacks: Callbacks, processes: int) -> FleetResult:
    words = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    words += [f"--max-restarts={_RESTARTS}", "--monitor-interval=0.1", "-m", "gantlet.studies.executors.rank"]
    environment = {
        "PYTHONUNBUFFERED": "1",
        TRUSTED: store.record().key,
        PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": str(store.record().execution.threads),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # else restarts hang now and then
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0"),
    }
    result: FleetResult | None = None
    asked = False
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        agent = subprocess.Popen(
            [sys.executable, *words, str(store.folder), fleet],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is for this process, which then asks for a stop
            preexec_fn=dying_with_me(),  # noqa: PLW1509 - two system calls
        )
        assert agent.stdin is not None
        assert agent.stdout is not None
        messages: Queue[dict[str, Any] | None] = Queue()
        listener = threading.Thread(target=_listen, args=(agent.stdout, messages), daemon=True)
        listener.start()
        try:
            while True:
                if callbacks.stopping() and not asked:
                    asked = True
                    with suppress(OSError):
                        agent.stdin.close()  # whose end rank 0 sees, also one that is started later
                try:
                    message = messages.get(timeout=_POLL)
                except Empty:
                    continue
                if message is None:
                    break
                result = message_taken(message, callbacks) or result
                if result is not None and result.kind in ("failed", "elsewhere"):
                    break  # the other ranks wait for the first one in vain
            _end(agent, result)
            if result is None and asked:
                result = FleetResult(fleet, "stopped")
            return result or FleetResult(fleet, "failed", _words(errors, agent.returncode))
        finally:
            if agent.poll() is None:
                agent.kill()
            with suppress(OSError):
                agent.stdin.close()
            agent.wait()
            listener.join()
            agent.stdout.close()


def _end(agent: subprocess.Popen[str], result: FleetResult | None) -> None:
    if result is not None and result.kind in ("failed", "elsewhere"):
        agent.terminate()
    with suppress(subprocess.TimeoutExpired):
        agent.wait(_ENDING)


def _words(errors: IO[str], status: int | None) -> str:
    errors.seek(0)
    said = errors.read().strip()
    causes = [line for line in said.splitlines() if line.startswith("[rank")]
    last = "\n".join(causes[-30:]) or said[-2000:] or "they said nothing"
    return f"the processes ended with status {status}, and did so {_RESTARTS + 1} times: {last}"


def _listen(pipe: IO[str], messages: Queue[dict[str, Any] | None]) -> None:
    for message in heard(pipe):
        messages.put(message)
    messages.put(None)
