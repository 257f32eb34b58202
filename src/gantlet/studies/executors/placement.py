"""Which worker gets which GPU: by the memory that is free, so that several share one that has room for them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Gpu", "Room", "gpus_here", "place_workers", "read_gpus"]

_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits")
_SECONDS = 20.0
_SHARE = 0.7  # of the free memory, as in planning: what a fleet takes is an estimate


@dataclass(frozen=True)
class Gpu:
    """A GPU by its UUID, with its free memory in MiB."""

    uuid: str
    free: int


def gpus_here() -> list[Gpu]:
    """The GPUs that this process may use, as their driver lists them; none where it has no such program."""
    if shutil.which(_QUERY[0]) is None:
        return []
    try:
        output = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_gpus(output, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_gpus(output: str, visible: str | None = None) -> list[Gpu]:
    """The GPUs of a list ``index, uuid, MiB``; ``visible`` names some by index or the beginning of their UUID, in order.

    Example:
        >>> read_gpus("0, GPU-aa, 900\\n1, GPU-bb, 40000\\n", visible="1")
        [Gpu(uuid='GPU-bb', free=40000)]
    """
    rows = [[part.strip() for part in line.split(",")] for line in output.splitlines()]
    found = [(row[0], Gpu(row[1], int(row[2]))) for row in rows if len(row) == 3 and row[2].isdecimal()]
    if visible is None:
        return [gpu for _, gpu in found]
    chosen: list[Gpu] = []
    for name in (name.strip() for name in visible.split(",")):
        fitting = [gpu for index, gpu in found if index == name or (len(name) > 4 and gpu.uuid.startswith(name))]
        if not fitting:  # as CUDA has it: what follows a name that is not there is not seen
            break
        chosen += fitting[:1]
    return chosen


def place_workers(workers: int, gpus: Sequence[Gpu]) -> list[str]:
    """The GPU of each worker: the one where its share of the free memory is largest.

    Example:
        >>> place_workers(3, [Gpu("small", 10_000), Gpu("large", 24_000)])
        ['large', 'large', 'small']
        >>> place_workers(2, [Gpu("only", 80_000)])
        ['only', 'only']
    """
    placed = dict.fromkeys((gpu.uuid for gpu in gpus), 0)
    found: list[str] = []
    for _ in range(workers if gpus else 0):
        best = max(gpus, key=lambda gpu: gpu.free / (placed[gpu.uuid] + 1))
        placed[best.uuid] += 1
        found.append(best.uuid)
    return found


@dataclass(frozen=True)
class Room:
    """Which fleets are trained side by side on a GPU: those whose memory is together at most 0.7 of what was free there.

    Attributes:
        free: By UUID, the bytes that were free on the GPUs that have workers; nothing where training needs no GPU.
        needs: By fleet, the bytes that it is thought to take.
    """

    free: Mapping[str, int]
    needs: Mapping[str, int]

    def next_fleet(self, gpu: str, training: Sequence[str], waiting: Sequence[str]) -> str:
        """The first fleet that fits beside those in training on a GPU; empty where all must wait.

        One that fits on no GPU is trained where nothing else is; if memory runs out, it is cut in halves.

        Example:
            >>> room = Room({"large": 100, "small": 40}, {"a": 60, "b": 20, "c": 90})
            >>> room.next_fleet("large", [], ["a", "b"]), room.next_fleet("large", ["a"], ["b"]), room.next_fleet("small", [], ["a", "b"])
            ('a', '', 'b')
            >>> room.next_fleet("large", ["b"], ["c"]), room.next_fleet("small", [], ["c"])
            ('', 'c')
        """
        if gpu not in self.free:
            return next(iter(waiting), "")
        most = _SHARE * max(self.free.values())
        left = _SHARE * self.free[gpu] - sum(self.needs.get(fleet, 0) for fleet in training)
        for fleet in waiting:
            need = self.needs.get(fleet, 0)
            if need <= left or (need > most and not training):
                return fleet
        return ""
