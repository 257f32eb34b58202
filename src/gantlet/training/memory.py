"""The allocator: keep freed memory instead of returning it to the system at every step.

A training step allocates and frees the same tensors over and over. glibc gives blocks above 128 KiB back to the kernel
at once, so every step pays for fresh, zeroed pages: on the ring fleet that was about a tenth of a step, and more where
other programs ask for pages too (docs/performance.md). Raising two thresholds of ``mallopt`` keeps the pages. It changes no number.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import psutil
import torch

__all__ = ["available_memory", "keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep freed pages; returns whether it was done (False where the C library is another)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))


_UNSEEN_GPU = 16 << 30
"""Bytes of a GPU that is not on this machine, as where a study is planned for the nodes of a cluster."""


def available_memory(device: torch.device) -> int:
    """Bytes that training may still take on a device; a GPU is taken for one of 16 GiB where there is none on this machine."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return _UNSEEN_GPU
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
