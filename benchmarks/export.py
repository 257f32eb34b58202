"""An exported generator in onnxruntime against PyTorch's eager module: images a second, in one run, on the same cores.

Legend: ``B`` images of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch

from gantlet.catalogue import find
from gantlet.cpu import cores, threads_set
from gantlet.data.specification import SampleSpec
from gantlet.exports.check import reference
from gantlet.exports.onnx_file import onnx_bytes
from gantlet.exports.program import traced
from gantlet.training.trained import LatentSpace, TrainedGenerator

from .sections import Section, spread

__all__ = ["speeds"]

GENERATORS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "dcgan28, width 64": ("dcgan28", {"width": 64}, (1, 28, 28)),
    "dcgan, 64 pixels, width 64": ("dcgan", {"width": 64}, (3, 64, 64)),
}
BATCHES, LATENT, CORES = (1, 64), 100, 2


def speeds(*, rounds: int, seconds: float) -> Section:
    """Images a second of both runtimes in turn, for one image and for many at once, with two threads (or as many as there are cores) and one.

    Threads wait for one that another program interrupts, and spin while they wait: with one thread, CPU seconds are steadier.
    """
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, float] = {}
    most = min(CORES, cores())
    for name, (network, options, shape) in GENERATORS.items():
        torch.manual_seed(1)
        net = find("network", network)(**options).generator(latent=LATENT, shape=shape).eval()
        generator = TrainedGenerator(net, LatentSpace(LATENT, "normal"), SampleSpec(shape, 1)).eval()
        content, _ = onnx_bytes(generator, traced(generator), reference(generator))
        for threads in sorted({most, 1}, reverse=True):
            chosen = onnxruntime.SessionOptions()
            chosen.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(content, chosen, providers=["CPUExecutionProvider"])
            for batch in BATCHES:
                z = torch.randn(batch, LATENT)
                runs: dict[str, Callable[[], object]] = {
                    "onnxruntime": partial(session.run, None, {"latents": z.numpy()}),
                    "torch": partial(_eager, generator, z),
                }
                with threads_set(threads):
                    found = _in_turn(runs, batch, rounds=rounds, seconds=seconds)
                wall = {side: [speed.wall for speed in speeds] for side, speeds in found.items()}
                ratio = median(np.array(wall["onnxruntime"]) / np.array(wall["torch"]))
                per_cpu = median(one.cpu / other.cpu for one, other in zip(*found.values(), strict=True))
                shown = (f"{ratio:.2f}", f"{per_cpu:.2f}")
                rows.append((name, str(batch), str(threads), *(spread(each, 0) for each in wall.values()), *shown))
                key = f"{network}_{batch}_{threads}_onnxruntime_over_torch"
                numbers |= {key: float(ratio), f"{key}_per_cpu": float(per_cpu)}
    notes = [
        f"{most} of {CORES} cores; ratios are medians over {rounds} rounds, in each of which both took their turn, of images a "
        "second and of images per CPU second."
    ]
    columns = ("generator", "B", "threads", "onnxruntime, images/s", "torch, images/s", "ratio", "per CPU second")
    return Section("exported generators", columns, rows, notes, numbers)


@dataclass(frozen=True)
class _Speed:
    """Images a second of the clock, and of CPU time."""

    wall: float
    cpu: float


@torch.no_grad()
def _eager(generator: TrainedGenerator, latents: torch.Tensor) -> object:
    return generator(latents)


def _in_turn(
    runs: dict[str, Callable[[], object]], batch: int, *, rounds: int, seconds: float
) -> dict[str, list[_Speed]]:
    """The speeds of each, once in every round."""
    found: dict[str, list[_Speed]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            begun, used, count = time.perf_counter(), time.process_time(), 0
            while (passed := time.perf_counter() - begun) < seconds or not count:
                run()
                count += 1
            images = count * batch
            found[name].append(_Speed(images / passed, images / (time.process_time() - used)))
    return found
