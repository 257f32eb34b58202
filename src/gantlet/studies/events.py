"""TensorBoard event files, if asked: ``tensorboard/<run>/`` with every point of the history.

Points are written when their checkpoint is, so an interrupted and resumed study holds each of them once.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from gantlet.errors import MissingExtra
from gantlet.training.history import Rows

__all__ = ["check_tensorboard", "write_events"]


def check_tensorboard() -> None:
    """Make sure that event files can be written.

    Raises:
        MissingExtra: The package is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", extra="tensorboard", purpose="--tensorboard")


def write_events(folder: Path, rows: Rows, runs: Mapping[int, int]) -> None:
    """Append the points of some slots to their runs' event files.

    Arguments:
        folder: The study's ``tensorboard`` folder.
        rows: Points of the history.
        runs: Slots to run numbers; other slots are left out.
    """
    from torch.utils.tensorboard import SummaryWriter

    writers = {slot: SummaryWriter(str(folder / str(run))) for slot, run in runs.items() if slot in set(rows.slot)}
    for slot, step, name, value in zip(rows.slot, rows.step, rows.name, rows.value, strict=True):
        if slot in writers:
            writers[slot].add_scalar(name, value, step)
    for writer in writers.values():
        writer.close()
