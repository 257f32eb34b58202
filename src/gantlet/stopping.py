"""Which signals ask for a clean stop, how they end what does not train, and what happens to a terminal that is gone."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["leave_terminal", "stop_by_exception", "stop_signals"]


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM, and SIGHUP (a closed terminal or connection) unless it is ignored, as ``nohup`` has it."""
    hangups = [number for number in signal.Signals if number.name == "SIGHUP"]  # Windows has none
    listened = (number for number in hangups if signal.getsignal(number) != signal.SIG_IGN)
    return (signal.SIGINT, signal.SIGTERM, *listened)


@contextmanager
def stop_by_exception() -> Generator[None]:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does: half-written files go, and the status is 128 and the signal's number.

    Their default is to end it at once, which would leave such files. Training listens for itself while it lasts.
    """
    listened = [number for number in stop_signals() if number != signal.SIGINT]  # which is KeyboardInterrupt already
    before = {number: signal.signal(number, _stop) for number in listened}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    if number != signal.SIGTERM:
        leave_terminal()
    raise SystemExit(128 + number)


def leave_terminal() -> None:
    """Let output that went to the terminal go nowhere, since writing to one that is gone fails; files and pipes are kept."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        try:
            terminal = stat.S_ISCHR(os.fstat(output).st_mode)
        except OSError:  # closed
            terminal = False
        if terminal:
            os.dup2(nowhere, output)
    os.close(nowhere)
