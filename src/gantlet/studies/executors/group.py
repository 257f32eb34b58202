"""The process group of ranks that train one member together: who is in it is told by torchrun, or by Slurm."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed as dist

from gantlet.training.ranks import Together

__all__ = ["Place", "grouped"]

_PATIENCE = timedelta(days=7)
"""How long ranks wait for rank 0, which evaluates alone meanwhile. Whoever started them notices when one is gone."""


@dataclass(frozen=True)
class Place:
    """A rank's place in the group: its number, that on its node, and how many there are.

    ``meeting`` is a file that all ranks see and by which they find each other; None where the environment says how (torchrun).
    """

    rank: int
    local_rank: int
    count: int
    meeting: Path | None = None


@contextmanager
def grouped(place: Place, device: str) -> Generator[tuple[Together, torch.device]]:
    """Be a rank inside: the ranks, and the device of this one, ``cpu`` or the GPU of its place on the node."""
    own = (
        torch.device("cuda", place.local_rank % torch.cuda.device_count()) if device == "cuda" else torch.device("cpu")
    )
    if own.type == "cuda":
        torch.cuda.set_device(own)
    backend = "nccl" if own.type == "cuda" else "gloo"
    if place.meeting is None:
        dist.init_process_group(backend, timeout=_PATIENCE)
    else:
        store = dist.FileStore(str(place.meeting), place.count)  # pyright: ignore[reportPrivateImportUsage] - documented there
        dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.count, timeout=_PATIENCE)
    try:
        yield Together(own), own
    finally:
        dist.destroy_process_group()
