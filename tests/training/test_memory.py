"""The allocator's thresholds, and how much memory there is."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import torch

from gantlet.training import memory
from gantlet.training.memory import available_memory, keep_freed_memory


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was done is asked anew."""
    keep_freed_memory.cache_clear()
    yield
    keep_freed_memory.cache_clear()


def test_free_memory_is_that_of_the_machine() -> None:
    free = available_memory(torch.device("cpu"))
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.5)
    assert 0 < free < psutil.virtual_memory().total


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.parametrize("missing", [OSError("no such library"), AttributeError("mallopt")])
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, missing: Exception) -> None:
    def refuse(_: str) -> None:
        raise missing

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", refuse)
    assert not keep_freed_memory()


def test_both_thresholds_are_raised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def mallopt(name: int, value: int) -> int:
            calls.append((name, value))
            return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library())
    assert keep_freed_memory()
    assert keep_freed_memory()
    assert sorted(calls) == [(-3, 1 << 30), (-1, (1 << 31) - 1)]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h


@pytest.mark.slow
def test_freed_pages_are_kept() -> None:
    """A block of 40 MiB (glibc maps what is above 32 anew) costs no fresh pages once the heap has grown."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        assert not keep_freed_memory()
        return
    code = (
        "import resource, torch\n"
        "from gantlet.training.memory import keep_freed_memory\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def fresh():\n"
        "    for _ in range(12):\n        torch.ones(10 << 20)\n"
        "    before = faults()\n"
        "    for _ in range(5):\n        torch.ones(10 << 20)\n"
        "    return faults() - before\n"
        "print(fresh(), keep_freed_memory(), fresh())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, kept, after = done.stdout.split()
    assert kept == "True"
    assert int(after) < (40 << 20) // 4096 < int(before), "fewer fresh pages than one block has"
