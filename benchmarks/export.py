"""An exported generator in onnxruntime against PyTorch's eager module: images a second, in one run, on the same cores.

Legend: ``B`` images of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
    """Images a second of both runtimes in turn, for one image and for many at once, with at most two cores."""
    rows: list[tuple[str, ...]] = []
    numbers: dict[str, float] = {}
    used = min(CORES, cores())
    with threads_set(used):
        for name, (network, options, shape) in GENERATORS.items():
            torch.manual_seed(1)
            net = find("network", network)(**options).generator(latent=LATENT, shape=shape).eval()
            generator = TrainedGenerator(net, LatentSpace(LATENT, "normal"), SampleSpec(shape, 1)).eval()
            content, _ = onnx_bytes(generator, traced(generator), reference(generator))
            chosen = onnxruntime.SessionOptions()
            chosen.intra_op_num_threads = used
            session = onnxruntime.InferenceSession(content, chosen, providers=["CPUExecutionProvider"])
            for batch in BATCHES:
                z = torch.randn(batch, LATENT)
                given = {"latents": z.numpy()}
                runs: dict[str, Callable[[], object]] = {
                    "onnxruntime": partial(session.run, None, given),
                    "torch": partial(_eager, generator, z),
                }
                found = _in_turn(runs, batch, rounds=rounds, seconds=seconds)
                ratio = median(np.array(found["onnxruntime"]) / np.array(found["torch"]))
                rows.append((name, str(batch), *(spread(values, 0) for values in found.values()), f"{ratio:.2f}"))
                numbers[f"{network}_{batch}_onnxruntime_over_torch"] = float(ratio)
    notes = [
        f"{used} of {CORES} cores; the ratio is the median over {rounds} rounds, in each of which both took their turn."
    ]
    return Section(
        "exported generators",
        ("generator", "B", "onnxruntime, images/s", "torch, images/s", "ratio"),
        rows,
        notes,
        numbers,
    )


@torch.no_grad()
def _eager(generator: TrainedGenerator, latents: torch.Tensor) -> object:
    return generator(latents)


def _in_turn(
    runs: dict[str, Callable[[], object]], batch: int, *, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Images a second of each, once in every round."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            begun, count = time.perf_counter(), 0
            while (passed := time.perf_counter() - begun) < seconds or not count:
                run()
                count += 1
            found[name].append(count * batch / passed)
    return found
