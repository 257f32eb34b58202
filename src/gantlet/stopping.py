"""Which signals ask for a clean stop, how they end what does not train, and output whose terminal or reader is gone."""

from __future__ import annotations

import io
import os
import signal
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TextIO

__all__ = ["give_up", "leave_terminal", "outlast_reader", "stop_by_exception", "stop_signals"]


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
    for output in (1, 2):
        try:
            terminal = stat.S_ISCHR(os.fstat(output).st_mode)
        except OSError:  # closed
            terminal = False
        if terminal:
            _to_nowhere(output)


def give_up(stream: TextIO) -> None:
    """Let output that cannot be written go nowhere, with what its buffer still holds: Python would tell of it once more at the end."""
    with suppress(OSError, ValueError):  # of a stream that is no file
        _to_nowhere(stream.fileno())


def outlast_reader(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same output, which goes nowhere once nobody reads its pipe: whoever reads the first line alone ends no training.

    Example:
        >>> reader, writer = os.pipe()
        >>> os.close(reader)
        >>> with os.fdopen(writer, "w") as pipe:
        ...     print("unread", file=outlast_reader(pipe), flush=True)
    """
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Pipe(io.FileIO):
    def write(self, b: Any, /) -> int:
        try:
            return super().write(b)
        except BrokenPipeError:
            _to_nowhere(self.fileno())
            return super().write(b)


def _to_nowhere(output: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
