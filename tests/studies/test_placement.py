"""GPUs for workers: by free memory, from the driver's list, and by nothing else where there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import terminal
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.studies.executors import local
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.executors.placement import Gpu, Room, gpus_here, place_workers, read_gpus
from gantlet.studies.launch import start
from gantlet.studies.plan import bytes_of_fleets, bytes_per_member, plan_of
from gantlet.studies.store import Store
from gantlet.training.blueprint import Execution

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


def test_fleets_share_a_gpu_as_long_as_their_memory_fits() -> None:
    room = Room({"gpu": 100}, {"a": 40, "b": 30, "c": 31, "d": 71})
    assert room.next_fleet("gpu", [], ["a", "b"]) == "a"
    assert room.next_fleet("gpu", ["a"], ["c", "b"]) == "b"  # 40 + 30 of 70; the first that fits
    assert room.next_fleet("gpu", ["a", "b"], ["c"]) == ""
    assert room.next_fleet("gpu", ["a"], ["d"]) == ""
    assert room.next_fleet("gpu", [], ["d"]) == "d"  # it fits nowhere: alone, and cut in halves if need be


def test_a_large_fleet_waits_for_the_gpu_that_has_room_for_it() -> None:
    room = Room({"large": 100, "small": 40}, {"a": 60, "b": 20})
    assert room.next_fleet("small", [], ["a", "b"]) == "b"
    assert room.next_fleet("small", [], ["a"]) == ""
    assert room.next_fleet("large", [], ["a"]) == "a"


def test_without_a_gpu_nothing_waits() -> None:
    room = Room({}, {})
    assert room.next_fleet("", ["a", "b"], ["c", "d"]) == "c"
    assert room.next_fleet("", [], []) == ""


def test_what_a_fleet_takes_is_what_it_was_planned_by(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla,wgan-gp", "g_width=4,64", seeds="3", width=2), executor=FakeExecutor())
    record = Store(folder).record()
    found = bytes_of_fleets(record, [fleet.id for fleet in record.plan.fleets])
    plan = plan_of(record)
    assert len(found) == len(plan.fleets) == 8
    for fleet in plan.fleets:
        slots = plan.slots(fleet)
        one = bytes_per_member(blueprint(slots[:1], record.sample, Execution()), record.sample)
        assert found[fleet.id] == len(slots) * one
    assert bytes_of_fleets(record, ["0003"]) == {"0003": found["0003"]}
    assert len(set(found.values())) == 4


def test_what_a_fleet_takes_is_known_where_its_arithmetic_is_not(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla", seeds="2"), executor=FakeExecutor())
    record = Store(folder).record()
    before = bytes_of_fleets(record, ["0000"])
    (setting,) = record.settings
    rounded = setting.model_copy(update={"values": {**setting.values, "dtype": "tf32"}})
    assert bytes_of_fleets(record.model_copy(update={"settings": (rounded,)}), ["0000"]) == before


def _on_gpus(folder: Path, **more: Any) -> Store:
    start(terminal.planned(folder, "vanilla,alpha", width=1, **more), executor=FakeExecutor())
    store = Store(folder)
    record = store.record()
    on_gpus = record.model_copy(update={"execution": record.execution.model_copy(update={"device": "cuda"})})
    store.update(on_gpus)
    return store


class Quick:
    """A worker that is done with a fleet as soon as it is asked again; a worker that was given ``dies`` is gone the first time."""

    busy_by_gpu: dict[str, list[str]]
    seen: list[tuple[str, tuple[str, ...]]]
    dies: str

    def __init__(self, place: int, _store: Store, _record: Any, messages: Any, environment: dict[str, str]) -> None:
        self.place, self.messages, self.busy, self.process = place, messages, "", self
        self.gpu = environment["CUDA_VISIBLE_DEVICES"]

    def wait(self) -> int:
        return 9

    def last_words(self) -> str:
        return "gone"

    def give(self, fleet: str) -> None:
        here = Quick.busy_by_gpu.setdefault(self.gpu, [])
        here.append(fleet)
        Quick.seen.append((self.gpu, tuple(here)))
        self.busy = fleet
        result = {"fleet": fleet, "kind": "finished", "error": None, "damage": []}
        dies = fleet == Quick.dies
        if dies:
            Quick.dies = ""
        self.messages.put((self.place, None if dies else {"result": result}))

    def dismiss(self) -> None:
        pass


@pytest.mark.parametrize(
    ("free", "together"),  # MiB of each GPU, and fleets of 1 GiB on it at once: two need 2048 of 0.7 times those
    [(3000, 2), (2900, 1), (1000, 1)],
)
@pytest.mark.parametrize("dies", ["", "0002"])
def test_several_fleets_share_a_gpu_only_where_they_fit(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, together: int, dies: str
) -> None:
    store = _on_gpus(folder, seeds="4")
    fleets = [fleet.id for fleet in store.record().plan.fleets]
    Quick.busy_by_gpu, Quick.seen, Quick.dies = {}, [], dies

    def ended(result: FleetResult) -> None:
        assert result.kind == "finished"
        next(busy for busy in Quick.busy_by_gpu.values() if result.fleet in busy).remove(result.fleet)
        finished.append(result.fleet)

    finished: list[str] = []
    original = local._died  # pyright: ignore[reportPrivateUsage]

    def died(worker: Any, *, asked: bool) -> FleetResult:
        Quick.busy_by_gpu[worker.gpu].remove(worker.busy)
        return original(worker, asked=asked)

    monkeypatch.setattr(local, "_Worker", Quick)
    monkeypatch.setattr(local, "_died", died)
    monkeypatch.setattr(local, "bytes_of_fleets", lambda record, fleets: dict.fromkeys(fleets, 1 << 30))
    monkeypatch.setattr(local, "gpus_here", lambda: [Gpu("one", free), Gpu("two", free)])
    local.LocalExecutor().run(store, fleets, Callbacks(ended=ended), workers=4, cache=Cache())
    assert sorted(finished) == fleets
    most = [max(len(busy) for each, busy in Quick.seen if each == gpu) for gpu in ("one", "two")]
    assert most == [together, together]
    assert sum("0002" in busy[-1:] for _, busy in Quick.seen) == 1 + bool(dies)


def test_each_worker_sees_its_gpu_and_one_that_is_replaced_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = _on_gpus(folder, seeds="2"), list[tuple[int, Any]]()

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
