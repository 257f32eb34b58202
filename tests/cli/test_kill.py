"""Real processes, really killed: interrupted = uninterrupted, and no worker is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

import terminal
from gantlet.stopping import stop_signals
from gantlet.studies.launch import resume
from gantlet.studies.store import Store
from terminal import gantlet

pytestmark = pytest.mark.slow

WORDS = (
    *(word for word in terminal.TINY if not word.startswith(("steps", "evaluations"))),
    "steps=30",
    "evaluations=6",
)


def started(folder: Path, methods: str, *words: str) -> subprocess.Popen[str]:
    return terminal.launch("run", "ring8", methods, *WORDS, "--out", folder, *words, cwd=folder.parent)


def saved(folder: Path, *fleets: str) -> bool:
    return all((folder / "fleets" / fleet / "checkpoint" / "state.json").exists() for fleet in fleets)


def uninterrupted(store: Store, folder: Path) -> Store:
    """The same plan, trained in one go and in this process, whoever trained the other."""
    other = Store(folder)
    other.create(store.record())
    resume(folder, executor="inline")
    return other


def kill(process: subprocess.Popen[str]) -> list[int]:
    """Kill a process outright; the processes it had started."""
    children = list(terminal.children_of(process.pid))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return children


def alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def complaints(err: str) -> list[str]:
    """What was said beside the symptoms that the doctor sees in so short a training."""
    return [line for line in err.splitlines() if not line.startswith("gantlet: signs of ")]


def unfinished(store: Store, *fleets: str) -> None:
    """The kill came in the middle, or the test says nothing."""
    assert not any(terminal.finished(store, fleet) for fleet in fleets)
    assert all(0 < terminal.checkpoint_of(store, fleet)[1]["step"] < 30 for fleet in fleets)


def test_kill_nine_in_the_middle_leaves_finished_members_untouched_and_resume_is_as_if_nothing_had_been(
    folder: Path, tmp_path: Path
) -> None:
    process = started(folder, "vanilla,alpha", "--seeds", "1", "--workers", "1")
    terminal.wait_until(lambda: saved(folder, "0001"), process)
    kill(process)
    store = Store(folder)
    unfinished(store, "0001")
    before = terminal.tree(store.fleet("0000"))
    assert "results.json" in before
    again = gantlet("resume", folder)
    assert (again.status, again.err) == (0, ""), again.out
    assert terminal.tree(store.fleet("0000")) == before
    assert terminal.difference(store, uninterrupted(store, tmp_path / "whole")) is None
    assert gantlet("replay", folder, 1).status == 0


def test_killing_the_parent_leaves_no_worker_and_resume_with_workers_ends_the_study(
    folder: Path, tmp_path: Path
) -> None:
    process = started(folder, "vanilla,alpha", "--seeds", "1", "--workers", "2")
    terminal.wait_until(lambda: saved(folder, "0000", "0001"), process)
    workers = kill(process)
    assert len(workers) == 2
    end = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    store = Store(folder)
    unfinished(store, "0000", "0001")
    again = terminal.launch("resume", folder, cwd=tmp_path)
    out, err = again.communicate(timeout=120)
    assert (again.returncode, complaints(err)) == (0, []), out
    assert terminal.difference(store, uninterrupted(store, tmp_path / "whole")) is None
    for run in (0, 1):
        assert gantlet("replay", folder, run).status == 0


def test_a_killed_worker_is_replaced_and_the_study_ends_as_if_nothing_had_been(folder: Path, tmp_path: Path) -> None:
    process = started(folder, "vanilla,alpha", "--seeds", "1", "--workers", "2")
    terminal.wait_until(lambda: saved(folder, "0000", "0001"), process)
    os.kill(terminal.children_of(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, complaints(err)) == (0, [])
    assert sorted(pd.read_parquet(folder / "runs.parquet")["status"]) == ["finished", "finished"]
    store = Store(folder)
    assert terminal.difference(store, uninterrupted(store, tmp_path / "whole")) is None


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGHUP, 2)])
def test_a_signal_to_the_whole_group_stops_and_saves(
    folder: Path, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    process = started(folder, "vanilla,alpha", "--seeds", "1", "--workers", str(workers))
    terminal.wait_until(lambda: saved(folder, "0000"), process)
    children = terminal.children_of(process.pid)
    os.killpg(process.pid, number)  # as a terminal does for Ctrl-C
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert err == f"gantlet: stopped and saved. Continue with: gantlet resume {folder}\n"
    assert not any(map(alive, children))
    assert "failed" not in set(pd.read_parquet(folder / "runs.parquet")["status"])
    store = resume(folder, executor="inline")
    assert terminal.difference(store, uninterrupted(store, tmp_path / "whole")) is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lost_terminal_stops_and_saves(folder: Path, tmp_path: Path, workers: int) -> None:
    """The connection breaks: the terminal is gone, the system and then the shell send SIGHUP, and every output fails."""
    master, slave = os.openpty()
    words = ["run", "ring8", "vanilla,alpha", *WORDS, "--seeds", "1", "--workers", str(workers), "--out", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gantlet", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        text=True,
        start_new_session=True,
    )
    os.close(slave)
    terminal.wait_until(lambda: saved(folder, "0000"), process)
    children = terminal.children_of(process.pid)
    os.close(master)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(timeout=60) == 130
    assert not any(map(alive, children))
    assert "failed" not in set(pd.read_parquet(folder / "runs.parquet")["status"])
    store = resume(folder, executor="inline")
    assert terminal.difference(store, uninterrupted(store, tmp_path / "whole")) is None


def test_a_hangup_that_nohup_ignores_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    assert signal.SIGHUP not in stop_signals()
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
    assert signal.SIGHUP in stop_signals()
