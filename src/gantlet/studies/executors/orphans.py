"""Processes that die with the one that started them, also where that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from functools import partial

__all__ = ["die_with_parent", "dying_with_me"]

_PR_SET_PDEATHSIG = 1


def dying_with_me() -> Callable[[], None] | None:
    """What a child calls before it becomes another program (``preexec_fn``), so that the system ends it when this one ends.

    None where the system has no such call; then the end of a pipe has to tell the child.
    """
    return None if _LIBC is None else partial(die_with_parent, os.getpid())


def die_with_parent(parent: int) -> None:
    """Have the system end this process when its parent, whose id is given, ends.

    A parent that ended before that is not told of any more, so this process ends itself.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _libc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "prctl") else None
    except OSError:
        return None


_LIBC = _libc()
