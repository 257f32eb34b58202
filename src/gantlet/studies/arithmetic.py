"""How members are computed as their settings ask for it: in which type, and by which kernels."""

from __future__ import annotations

from dataclasses import replace

import torch

from gantlet.cpu import has_bfloat16
from gantlet.devices import doubles
from gantlet.errors import Refused
from gantlet.requests.training_settings import TrainingSettings
from gantlet.training.blueprint import Execution

__all__ = ["as_chosen", "check_arithmetic", "slow_arithmetic"]

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32, "tf32": torch.float32}


def as_chosen(execution: Execution, chosen: TrainingSettings) -> Execution:
    """How members with these settings are carried out."""
    return replace(
        execution,
        dtype=_DTYPES[chosen.dtype],
        mixed=chosen.dtype == "bfloat16",
        tf32=chosen.dtype == "tf32",
        compile=chosen.compile,
        batch_norm=chosen.batch_norm,
    )


def check_arithmetic(execution: Execution) -> None:
    """Refuse what a device cannot compute, and what is not compiled.

    Raises:
        Refused: See the sentences.
    """
    if execution.tf32 and execution.device.type != "cuda":
        raise Refused(
            f"dtype=tf32 rounds the inputs of products as a GPU of Nvidia does, and the device is {execution.device.type}. "
            f"Use dtype=float32."
        )
    if execution.dtype is torch.float64 and not doubles(execution.device):
        raise Refused(
            f"dtype=float64 needs double precision, which {execution.device.type} does not have. Use dtype=float32, or "
            "--device cpu."
        )
    if execution.mixed and execution.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise Refused("dtype=bfloat16 needs a GPU that computes in bfloat16; this one does not. Use dtype=float32.")
    if execution.compile and execution.processes > 1:
        raise Refused(
            f"compile=true compiles the networks of one process, but --processes {execution.processes} shares each batch "
            "among several. Use compile=false, or one process."
        )
    if execution.compile and execution.route == "captured":
        raise Refused(
            "compile=true does not go with the route captured, which records kernels that are not compiled. Use "
            "compile=false, or --route static."
        )


def slow_arithmetic(execution: Execution) -> tuple[str, ...]:
    """A sentence on what this device computes, but slowly; or none."""
    if execution.mixed and execution.device.type == "cpu" and not has_bfloat16():
        return (
            "dtype=bfloat16: this processor has no instructions for products in bfloat16, which take many times as long as in "
            "float32; dtype=float32 is faster here",
        )
    return ()
