"""``python -m benchmarks [PART …] [--json FILE] [--rounds N]``: print the benchmarks, all of them or some parts."""

from __future__ import annotations

import json
import platform
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from gantlet.cpu import cores

from . import (
    convolutions,
    export,
    features,
    image_pipeline,
    local_workers,
    methods,
    rest,
    scaling,
    search,
    static_route,
    team_benchmark,
    versus,
)
from .images import DCGAN
from .sections import Section
from .workloads import MIDDLE, NARROW, RING

__all__ = ["PARTS", "main"]

ROUNDS = 5

PARTS: dict[str, Callable[[int], Section]] = {
    "ring": lambda rounds: versus.compare(RING, rounds=rounds, seconds=0.8, limit=True),
    "narrow": lambda rounds: versus.compare(NARROW, rounds=rounds, seconds=0.4),
    "middle": lambda rounds: versus.compare(MIDDLE, rounds=rounds, seconds=0.4),
    "dcgan28": lambda rounds: convolutions.compare(DCGAN, rounds=rounds, seconds=1.2),
    "static": lambda rounds: static_route.compare(rounds=rounds, seconds=1.0),
    "lone": lambda rounds: versus.lone((RING, NARROW, MIDDLE), rounds=rounds, seconds=0.4),
    "widths": lambda rounds: scaling.widths((NARROW, MIDDLE), rounds=rounds, seconds=0.3),
    "lengths": lambda rounds: scaling.lengths(NARROW, rounds=rounds, seconds=0.3),
    "memory": lambda _rounds: scaling.memory((RING, NARROW, MIDDLE)),
    "allocator": lambda rounds: scaling.allocator(RING, rounds=rounds, seconds=0.6),
    "teams": lambda rounds: team_benchmark.compare(rounds=rounds, seconds=0.5),
    "methods": lambda rounds: methods.costs(rounds=rounds, seconds=0.1),
    "workers": lambda rounds: local_workers.compare(rounds=rounds, steps=1500),
    "search": lambda _rounds: search.compare(),
    "startup": lambda rounds: rest.startup(rounds=rounds),
    "metrics": lambda _rounds: rest.metrics(rounds=3),
    "features": lambda _rounds: features.costs(),
    "export": lambda rounds: export.speeds(rounds=rounds, seconds=0.5),
    "preparing": lambda _rounds: image_pipeline.preparing(rounds=3),
    "streaming": lambda rounds: image_pipeline.streaming(rounds=rounds),
    "million": lambda _rounds: image_pipeline.million(),
    "resident": lambda _rounds: image_pipeline.resident(),
}
"""What each word of the command line measures, given how many windows."""


def main(arguments: Sequence[str]) -> None:
    """Measure the parts that were named, all if none was, and print each as soon as it is known."""
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"windows of each side, default {ROUNDS}")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.parts) - set(PARTS))
    if unknown or given.rounds < 1:
        wrong = f"unknown part {', '.join(unknown)}: choose from {', '.join(PARTS)}" if unknown else "--rounds below 1"
        parser.error(wrong)
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    _warn_if_busy()
    found: dict[str, Any] = {"machine": machine}
    for name in given.parts or PARTS:
        started = time.monotonic()
        section = PARTS[name](given.rounds)
        print(f"\n{section.text()}\n({time.monotonic() - started:.0f} s)", flush=True)
        found[name] = section.numbers
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, str | int]:
    return {"cores": cores(), "torch": torch.__version__, "python": platform.python_version()}


def _warn_if_busy() -> None:
    busy = psutil.cpu_percent(interval=0.5)
    if busy > 20:
        print(f"Other programs use {busy:.0f} % of this machine; ratios per CPU second are steadier then.", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
