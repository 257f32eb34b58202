"""A study of 100,000 members without its training: ``python -m benchmarks.scale [MEMBERS] [FOLDER]``.

The plan, the record, and what every fleet leaves behind are real; only the training is not: each fleet's files are those of one
trained fleet under the fleet's own numbers, except that curves and metrics are drawn, each member's by itself, and that its
weights are four bytes. Every command runs in a process of its own, whose seconds (start of Python and import included),
processor seconds and greatest memory are printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantlet.requests.grid import parse_axis, parse_seeds
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request
from gantlet.studies.cache import Cache
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.launch import resume, start
from gantlet.studies.planning import plan_study
from gantlet.studies.record import StudyRecord
from gantlet.studies.store import Store
from gantlet.training import checkpoint
from gantlet.training.history import Rows

from .sections import Section

__all__ = ["Simulated", "main", "study_request"]

MEMBERS = 100_000
SEEDS = 200
EVALUATIONS = 5
STEPS = 2000
VARIED = ("alpha_d", "alpha_g", "lr_g", "lr_d")
RATES = ("success", "failure")
DRAWN = ("high_quality", "kl", "reverse_kl", "jsd", "tvd", "classification_error")


def study_request(members: int) -> Request:
    """A grid of α_D × α_G × learning rate over 200 seeds of the ring, with at least so many members."""
    rates = -(-members // (50 * SEEDS))
    words = (
        f"steps={STEPS}",
        f"evaluations={EVALUATIONS}",
        "samples=500",
        "alpha_d=" + ",".join(f"{0.3 + 0.05 * place:.2f}" for place in range(10)),
        "alpha_g=" + ",".join(f"{0.5 + 0.1 * place:.1f}" for place in range(5)),
        "lr=" + ",".join(f"{1e-5 * 1.5**place:.3g}" for place in range(rates)),
    )
    return Request("ring8", ("alpha",), tuple(map(parse_axis, words)), parse_seeds(str(SEEDS)))


@dataclass
class Simulated:
    """An executor that writes what a trained fleet writes, without training.

    Attributes:
        row: The row of one trained member.
        names: The curves of a member's history.
        least: Fleets of a lower number are left alone, as if they had been interrupted.
    """

    row: dict[str, Any]
    names: Sequence[str]
    least: int = 0
    in_process = True

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Write the files of every fleet."""
        record = store.record()
        for fleet in fleets:
            if int(fleet) >= self.least:
                self._write(store, record, fleet)
                callbacks.ended(FleetResult(fleet, "finished"))
            else:
                callbacks.ended(FleetResult(fleet, "stopped"))

    def _write(self, store: Store, record: StudyRecord, fleet: str) -> None:
        planned = record.plan.fleets[int(fleet)]
        store.fleet(fleet).mkdir(parents=True, exist_ok=True)
        slots, step, draws = range(len(planned.runs)), STEPS // EVALUATIONS, np.random.default_rng(int(fleet))
        chunks = dict[str, str]()
        for place in range(EVALUATIONS):
            values = draws.random((len(self.names), len(slots))).tolist()
            rows = [
                (slot, step * (place + 1), name, float(value < 0.5) if name in RATES else value)
                for name, drawn in zip(self.names, values, strict=True)
                for slot, value in zip(slots, drawn, strict=True)
            ]
            columns = [list(column) for column in zip(*rows, strict=True)]
            runs = dict(enumerate(planned.runs))
            chunks = store.chunks(fleet).add(chunks, step * place, step * (place + 1), Rows(*columns), runs)
        state = {
            "format": 1,
            "step": STEPS,
            "discriminator_steps": STEPS,
            "exits": {},
            "history_counts": {},
            "stopped": {},
        }
        state |= {"fleet": fleet, "study": record.digest, "chunks": chunks, "seconds": 1.0, "last": []}
        checkpoint.write(store.checkpoint(fleet), {"weights": torch.zeros(len(planned.slots))}, state)
        made: list[dict[str, Any]] = []
        for run in planned.runs:
            member = record.member_by_run[run]
            setting = record.settings[member.setting]
            own = {"run": run, "seed": member.seed, "setting": setting.label, "generator_steps": STEPS}
            varied = {name: setting.values[name] for name in VARIED}
            modes = int(draws.integers(9))
            measured = {"modes": modes, "success": modes == 8, "failure": modes < 5}
            made.append({**self.row, **varied, **own, **measured, **{name: float(draws.random()) for name in DRAWN}})
        store.write_results(fleet, made, study=record.digest)


def main(members: int, folder: Path) -> None:
    """Plan, fill and read a study, and print what each command took."""
    words = [str(members), str(folder)]
    gantlet = [sys.executable, "-m", "gantlet"]
    steps = {
        "plan": [sys.executable, "-m", "benchmarks.scale", "plan", *words],
        "resume, with every fleet to train": [sys.executable, "-m", "benchmarks.scale", "fill", *words],
        "show": [*gantlet, "show", str(folder)],
        "show --jobs": [*gantlet, "show", str(folder), "--jobs"],
        "report": [*gantlet, "report", str(folder)],
        "verify": [*gantlet, "verify", str(folder)],
        "resume, with nothing to train": [*gantlet, "resume", str(folder)],
    }
    rows: list[tuple[str, ...]] = []
    for name, command in steps.items():
        seconds, processor, memory = _measured(command)
        rows.append((name, f"{seconds:.1f}", f"{processor:.1f}", f"{memory / 2**20:.0f}"))
        print(*rows[-1], flush=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    fleets = len(Store(folder).record().plan.fleets)
    notes = [
        f"{fleets:,} fleets; {len(files):,} files, {len(files) / fleets:.1f} per fleet; "
        f"study.json {(folder / 'study.json').stat().st_size / 1e6:.1f} MB."
    ]
    header = ("command", "seconds", "processor seconds", "greatest memory, MiB")
    print(Section(f"scale: a study of {members:,} members", header, rows, notes).text())


def _measured(command: Sequence[str]) -> tuple[float, float, int]:
    """Seconds, processor seconds and greatest memory in bytes of a command.

    Raises:
        SystemExit: It failed.
    """
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}.")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss


def _plan(members: int, folder: Path) -> None:
    start(plan_study(study_request(members), Options(out=folder, workers=1)), executor=FakeExecutor())


def _fill(folder: Path) -> None:
    """Train one member of few steps, and write its like for every member."""
    with tempfile.TemporaryDirectory() as place:
        words = ("steps=2", "evaluations=1", "samples=500", "g_width=8", "d_width=8")
        request = Request("ring8", ("alpha",), tuple(map(parse_axis, words)), (1,))
        store = start(plan_study(request, Options(out=Path(place, "one"), workers=1)))
        fleet = store.record().plan.fleets[0]
        row, names = store.results(fleet)[0], sorted(set(store.history()["name"]))
    resume(folder, executor=Simulated(row, names))


if __name__ == "__main__":
    word, *rest = sys.argv[1:] or [""]
    if word == "plan":
        _plan(int(rest[0]), Path(rest[1]))
    elif word == "fill":
        _fill(Path(rest[1]))
    else:
        main(int(word or MEMBERS), Path(rest[0] if rest else tempfile.mkdtemp(), "study"))
