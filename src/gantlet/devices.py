"""Devices: which of them is meant, and what it can do.

The GPUs of Apple (``mps``) have no double precision. What is summed in it elsewhere is summed in single precision there, and
metrics, which need it, are computed on the CPU.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import BadValue

__all__ = ["arithmetic", "choose_device", "doubles", "named_device", "to_doubles", "widest"]

_LOG = logging.getLogger("gantlet")
_SINGLE = ("mps",)  # kinds of devices without double precision
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def doubles(device: torch.device) -> bool:
    """Whether a device computes in double precision.

    Example:
        >>> doubles(torch.device("cpu")), doubles(torch.device("mps"))
        (True, False)
    """
    return device.type not in _SINGLE


def widest(device: torch.device) -> torch.dtype:
    """The floating type with the most digits that a device has."""
    return torch.float64 if doubles(device) else torch.float32


def to_doubles(x: Tensor) -> Tensor:
    """The same numbers where there is double precision: where they are, or on the CPU."""
    return x if doubles(x.device) else x.cpu()


def choose_device(name: str) -> torch.device:
    """The device behind ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.

    Raises:
        BadValue: No such device here, or a driver that is too old for this build of torch.
    """
    if name == "auto":
        count, reason = _cuda()
        if reason:
            _LOG.warning("note: the CPU is used: %s", reason)
        return named_device("cuda" if count else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):  # another word; None
        raise BadValue(f"--device {name} is not auto, cpu, cuda, cuda:i or mps.") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise BadValue(f"--device {name} is not supported: give auto, cpu, cuda, cuda:i or mps.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise BadValue(
            f"--device {name} was asked for, but torch sees no GPU of Apple here, which macOS 14 or later and a build of "
            "torch for it have. Use --device cpu."
        )
    count, reason = _cuda() if device.type == "cuda" else (0, "")
    if device.type == "cuda" and reason:
        raise BadValue(f"--device {name} was asked for, but {reason}, or use --device cpu.")
    if device.type == "cuda" and (device.index or 0) >= count:
        raise BadValue(f"--device {name} was asked for, but torch sees {count} CUDA devices here. Use --device cpu.")
    return named_device(name)


def named_device(name: str) -> torch.device:
    """A device that a process may use, as one of a cluster's does, without asking whether it is here."""
    device = torch.device(name)
    if device.type == "cuda":
        os.environ.setdefault(
            _WORKSPACE, ":4096:8"
        )  # read once, when the first product is computed; workers inherit it
    return device


@cache
def _cuda() -> tuple[int, str]:
    """How many GPUs CUDA sees, and why it sees none although a driver is there; asked once, as torch warns once only."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    words = " ".join(str(warning.message) for warning in said)
    if count or "driver" not in words:
        return count, ""
    if "too old" not in words:
        return 0, f"CUDA cannot be used ({words.strip().partition(chr(10))[0]}); look after the driver"
    version = re.search(r"found version (\d+)", words)
    known = f", which knows CUDA up to {int(version[1]) // 1000}.{int(version[1]) % 1000 // 10}" if version else ""
    return 0, (
        f"the driver of the GPU{known}, is too old for this torch, which was built for CUDA {torch.version.cuda}: update the "
        "driver, install a build of torch for the older CUDA"
    )


@contextmanager
def arithmetic(device: torch.device, *, tf32: bool = False) -> Generator[None]:
    """How a GPU of Nvidia computes meanwhile: by kernels that give the same bits each time; nothing changes on other devices.

    Arguments:
        device: Where is computed.
        tf32: Whether the inputs of float32 products are rounded to TF32; torch itself does so in convolutions.

    Where an operation has no such kernel, torch warns once, and a replay may differ in the last bits.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn  # their flags are not typed
    fills: Any = torch.utils.deterministic
    before = (cudnn.deterministic, cudnn.benchmark, fills.fill_uninitialized_memory, cudnn.allow_tf32)
    strict, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    precision = torch.get_float32_matmul_precision()
    cudnn.deterministic, cudnn.benchmark, fills.fill_uninitialized_memory, cudnn.allow_tf32 = True, False, False, tf32
    torch.use_deterministic_algorithms(True, warn_only=not strict or warned)
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(strict, warn_only=warned)
        cudnn.deterministic, cudnn.benchmark, fills.fill_uninitialized_memory, cudnn.allow_tf32 = before
