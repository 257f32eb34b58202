"""Which signals ask for a clean stop, and what happens to a terminal that is gone."""

from __future__ import annotations

import os
import signal
import stat

__all__ = ["leave_terminal", "stop_signals"]


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM, and SIGHUP (a closed terminal or connection) unless it is ignored, as ``nohup`` has it."""
    hangups = [number for number in signal.Signals if number.name == "SIGHUP"]  # Windows has none
    listened = (number for number in hangups if signal.getsignal(number) != signal.SIG_IGN)
    return (signal.SIGINT, signal.SIGTERM, *listened)


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
