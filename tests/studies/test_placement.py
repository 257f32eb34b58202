"""GPUs for workers: by free memory, from the driver's list, and by nothing else where there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import terminal
from gantlet.studies.cache import Cache
from gantlet.studies.executors import local
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.executors.placement import Gpu, gpus_here, place_workers, read_gpus
from gantlet.studies.launch import start
from gantlet.studies.store import Store

LIST = "0, GPU-aaaa1111, 81000\n1, GPU-bbbb2222, 500\n2, GPU-cccc3333, 40000\n"


def test_workers_go_where_their_share_of_the_free_memory_is_largest() -> None:
    gpus = [Gpu("a", 80), Gpu("b", 1), Gpu("c", 41)]
    assert place_workers(4, gpus) == ["a", "c", "a", "a"]  # 80, 41, 40, 26 are left for each
    assert place_workers(3, [Gpu("a", 10), Gpu("b", 10)]) == ["a", "b", "a"]
    assert place_workers(3, []) == []


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-aaaa1111", "GPU-bbbb2222", "GPU-cccc3333"]),
        ("2,0", ["GPU-cccc3333", "GPU-aaaa1111"]),
        ("GPU-bbbb", ["GPU-bbbb2222"]),
        ("2,7,0", ["GPU-cccc3333"]),
        ("", []),
    ],
)
def test_only_visible_gpus_are_used(visible: str | None, expected: list[str]) -> None:
    assert [gpu.uuid for gpu in read_gpus(LIST, visible)] == expected


def test_lines_that_say_nothing_are_left_out() -> None:
    assert read_gpus("0, GPU-aaaa1111, [N/A]\nNo devices were found\n\n") == []


def test_the_drivers_program_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus_here() == []
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{LIST.splitlines()[2]}'\n")
    program.chmod(0o755)
    assert gpus_here() == [Gpu("GPU-cccc3333", 40000)]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert gpus_here() == []


def test_each_worker_sees_its_gpu_and_one_that_is_replaced_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(terminal.planned(folder, "vanilla,alpha", seeds="2", width=1), executor=FakeExecutor())
    store, seen = Store(folder), list[tuple[int, Any]]()
    record = store.record()
    on_gpus = record.model_copy(update={"execution": record.execution.model_copy(update={"device": "cuda"})})
    store.update(on_gpus)

    class Dead:
        """A worker whose process is gone at once."""

        def __init__(self, place: int, _store: Store, _record: Any, messages: Any, environment: dict[str, str]) -> None:
            seen.append((place, environment.get("CUDA_VISIBLE_DEVICES")))
            self.place, self.messages, self.busy = place, messages, ""
            self.process = self

        def wait(self) -> int:
            return 7

        def last_words(self) -> str:
            return "gone"

        def give(self, fleet: str) -> None:
            self.busy = fleet
            self.messages.put((self.place, None))

        def dismiss(self) -> None:
            pass

    monkeypatch.setattr(local, "_Worker", Dead)
    monkeypatch.setattr(local, "gpus_here", lambda: [Gpu("one", 80_000), Gpu("two", 30_000)])
    local.LocalExecutor().run(store, ["0000", "0001", "0002"], Callbacks(), workers=3, cache=Cache())
    assert len(seen) == 9  # each fleet is tried three times
    assert set(seen) == {(0, "one"), (1, "one"), (2, "two")}
    assert all(os.environ.get("CUDA_VISIBLE_DEVICES") != gpu for _, gpu in seen)
