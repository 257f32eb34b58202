"""Whether a device has the floating type that members are to be trained in."""

from __future__ import annotations

import torch

from gantlet.devices import doubles
from gantlet.errors import Refused
from gantlet.training.blueprint import Execution

__all__ = ["check_arithmetic"]


def check_arithmetic(execution: Execution) -> None:
    """A floating type that the device does not have.

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
