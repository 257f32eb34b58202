"""Cores and threads: how many this process may use, and torch's thread count for a while."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["cores", "has_bfloat16", "threads_allowed", "threads_set"]


def cores() -> int:
    """Cores this process may use: ``GANTLET_CORES`` where it is set, as in a container with a share of a machine."""
    given = os.environ.get("GANTLET_CORES", "").strip()
    if given.isdecimal():
        return max(1, int(given))
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def threads_allowed() -> int:
    """The most threads that a process may use: ``OMP_NUM_THREADS`` where it is set, as torch has it, else one per core."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, int(given)) if given.isdecimal() else cores()


def has_bfloat16() -> bool:
    """Whether this processor has instructions for products in bfloat16 (AVX-512 BF16, AMX, Arm's BF16)."""
    import torch

    return any("bf16" in name and bool(has) for name, has in torch.cpu.get_capabilities().items())


@contextmanager
def threads_set(count: int) -> Generator[None]:
    """Let torch use ``count`` threads inside, and what it used before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
