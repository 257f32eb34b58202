"""What is not training: how soon the command line answers, and how long evaluating takes.

Legend: ``S`` members, ``N`` samples.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from gantlet.cpu import threads_set
from gantlet.metrics.base import MetricInput
from gantlet.metrics.compose import compose
from gantlet.training.sampling import draw_latents, sample

from .sections import Section, goal, spread
from .workloads import RING, dataset, fleet, resolved

__all__ = ["metrics", "startup"]

HELP_GOAL = 0.3
SAMPLES, MEMBERS, DRAWN = 25_000, 200, 4


def startup(*, rounds: int) -> Section:
    """Seconds until ``gantlet --help`` has answered, and of a Python that does nothing."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "gantlet --help": [sys.executable, "-c", "from gantlet.cli import main; main()", "--help"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(_seconds(lambda command=command: _quietly(command)))
    rows = [(name, spread(values, 3)) for name, values in found.items()]
    took = median(found["gantlet --help"])
    notes = [goal("Median seconds until gantlet --help has answered", took, most=HELP_GOAL)]
    return Section("startup", ("command", "seconds"), rows, notes, {"help_seconds": took})


def metrics(*, rounds: int) -> Section:
    """Evaluating 200 members by 25,000 samples each that are in hand, and drawing such samples, apart."""
    data = dataset(resolved(RING))
    assert data.mixture is not None
    metric = compose(("mixture", "classification-error"), data)
    numbers = torch.Generator().manual_seed(1)
    fake = data.mixture.draw(MEMBERS * SAMPLES, numbers).reshape(MEMBERS, SAMPLES, 2)  # [S, N, 2]
    scores = torch.randn(MEMBERS, SAMPLES, generator=numbers)  # [S, N]
    inputs = MetricInput(fake=fake, fake_scores=scores, real_scores=scores, boundary=0.0)
    trained = fleet(RING, DRAWN)
    draw = draw_latents(trained, SAMPLES)
    with threads_set(1):
        evaluating = [_seconds(lambda: metric(inputs)) for _ in range(rounds)]
        drawing = [_seconds(lambda: sample(trained, draw, range(DRAWN))) * MEMBERS / DRAWN for _ in range(rounds)]
    rows = [
        (f"evaluating {MEMBERS} members, samples in hand", spread(evaluating)),
        (f"drawing the samples of {MEMBERS} members ({DRAWN} measured)", spread(drawing)),
    ]
    found = {"evaluating": evaluating, "drawing": drawing}
    header = (f"{SAMPLES:,} samples per member, 1 thread", "seconds")
    return Section("metrics: mixture of eight, ring networks", header, rows, numbers=dict(found))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
