"""Checkpoints: everything comes back bit for bit, the last good one survives every death, damage is told."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import games
from contracts.doubles import BalanceLike
from gantlet.errors import Damaged, StoreError
from gantlet.files import sealed
from gantlet.objectives.vanilla import Vanilla
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution, InstanceNoise, LearnedWeights, Player, TeamRules, Tuning
from gantlet.training.fleet import Fleet
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from gantlet.training.update_schedule import UpdateSchedule
from gantlet.training.updates import Divergence
from thinning import leading

STATE: dict[str, Any] = {"format": 1, "step": 0, "discriminator_steps": 0, "exits": {}, "history_counts": {}}
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "deep/b": torch.tensor([1, 2])}


class Trips(Vanilla):
    """The second of the members meets infinity in the generator's fourth update."""

    calls = 0

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:
        self.__dict__["calls"] = self.calls + 1
        loss = super().generator(fake=fake)
        hit = (torch.arange(len(loss)).reshape(-1, 1) == 1) & (self.calls == 4)
        return loss + torch.where(hit, torch.inf, 0.0)


def optimistic() -> dict[str, Any]:
    drawn = games.sheet()
    rule = games.adam(3, optimistic=True)
    return {
        "generator": Player(drawn.generator.build, rule),
        "discriminator": Player(drawn.discriminator.build, rule),
    }


def normed(members: int) -> dict[str, Any]:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    return {"generator": Player(make, games.adam(members), batch_statistics=True)}


def spec(name: Any) -> dict[str, Any]:
    chosen = OptimiserSpec(name, lr=(1e-3, 1e-3, 2e-3), beta1=(0.5,) * 3, beta2=(0.9,) * 3)
    drawn = games.sheet()
    return {
        "generator": Player(drawn.generator.build, chosen),
        "discriminator": Player(drawn.discriminator.build, chosen),
    }


SHEETS: dict[str, dict[str, Any]] = {
    "adam": {},
    "loop": {"execution": Execution(route="loop", dtype=torch.float64)},
    "rmsprop": spec("rmsprop"),
    "sgd with momentum": spec("sgd"),
    "average, team": {"ema": 0.9, "k": 2},
    "learned weights": {"k": 3, "team": TeamRules(learned=LearnedWeights(games.adam(3, 0.1), entropy=0.2))},
    "batch norm": normed(3),
    "state": {"objective": BalanceLike(gamma=0.5, rate=0.1)},
    "optimistic": optimistic(),
    "extragradient": {"schedule": UpdateSchedule(extragradient=True), "noise": InstanceNoise(0.1)},
    "tuned": {"tuning": Tuning(Schedule("step", decay=0.9, every=2), beta2=Schedule("cosine", every=9))},
    "stalling": {"objective": BalanceLike(gamma=0.5, rate=0.1), "tuning": Tuning(ReduceOnPlateau(every=2))},
    "float32": {"execution": Execution(route="stacked", dtype=torch.float32)},
}


def sheet(name: str) -> Blueprint:
    return games.sheet(steps=5000, **SHEETS[name])  # a log interval of five steps


def everything(fleet: Fleet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, rest = checkpoint.snapshot(fleet)
    return tensors, json.loads(json.dumps(rest))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].numpy().tobytes() == other[name].numpy().tobytes()
        for name in one
    )


def points(fleet: Fleet) -> list[tuple[Any, ...]]:
    rows = fleet.history.take()
    return sorted(zip(rows.slot, rows.step, rows.name, rows.value, strict=True))


@pytest.mark.parametrize(("at", "name"), leading([(at, name) for at in (3, 0) for name in SHEETS], len(SHEETS)))
def test_training_goes_on_as_if_it_had_never_stopped(tmp_path: Path, name: str, at: int) -> None:
    whole = games.train(Fleet(sheet(name), games.dataset()), 7)
    stopped = games.train(Fleet(sheet(name), games.dataset()), at)
    checkpoint.write(tmp_path / "c", *checkpoint.snapshot(stopped))
    resumed = Fleet(sheet(name), games.dataset())
    checkpoint.restore(resumed, *checkpoint.read(tmp_path / "c"))
    assert same(everything(resumed)[0], everything(stopped)[0])
    games.train(resumed, 7 - at)
    (tensors, rest), (expected, expected_rest) = everything(resumed), everything(whole)
    assert same(tensors, expected)
    assert rest == expected_rest
    assert points(resumed) == points(whole)
    assert rest["step"] == 7


def test_everything_that_training_needs_is_in_it() -> None:
    changes = {"ema": 0.9, "objective": BalanceLike(gamma=0.5, rate=0.1), "steps": 5000, **normed(3)}
    tensors, rest = everything(games.train(games.fleet(**changes), 3))
    assert {name.rpartition("/")[0] for name in tensors if "optimiser" not in name} == {
        *("generator/parameter", "generator/buffer", "discriminator/parameter", "average", "objective", "history")
    }
    for player in ("generator", "discriminator"):
        kept = {name.rpartition("/")[2] for name in tensors if name.startswith(f"{player}/optimiser/")}
        assert kept == {"step", "exp_avg", "exp_avg_sq"}
    assert rest["history_counts"]["loss_g"] == 3  # an open log interval of three steps
    assert rest["discriminator_steps"] == 3


def test_a_snapshot_is_a_copy() -> None:
    fleet = games.train(games.fleet(), 1)
    before, _ = checkpoint.snapshot(fleet)
    kept = {name: value.clone() for name, value in before.items()}
    games.train(fleet, 1)
    assert same(before, kept)
    assert not same(before, checkpoint.snapshot(fleet)[0])


def test_members_that_left_stay_out(tmp_path: Path) -> None:
    drawn = games.sheet(objective=Trips(), steps=12)
    stopped = games.train(Fleet(drawn, games.dataset()), 6)
    assert stopped.divergences == {1: Divergence(3, "generator", "the generator's loss was not finite")}
    checkpoint.write(tmp_path / "c", *checkpoint.snapshot(stopped))
    resumed = Fleet(drawn, games.dataset())
    checkpoint.restore(resumed, *checkpoint.read(tmp_path / "c"))
    assert resumed.divergences == stopped.divergences
    assert resumed.alive == [True, False, True]
    before = games.tensors_of(resumed, 1)
    games.train(resumed, 3)
    games.train(stopped, 3)
    assert all(torch.equal(value, before[name]) for name, value in games.tensors_of(resumed, 1).items())
    assert same(everything(resumed)[0], everything(stopped)[0])


# Files


def test_what_is_written_is_read(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "c", TENSORS, STATE | {"more": [1, None, "ü", float("inf")]})
    tensors, rest = checkpoint.read(tmp_path / "c")
    assert same({name: tensors[name] for name in TENSORS}, TENSORS)
    assert {name: rest[name] for name in ("format", "more")} == {"format": 1, "more": [1, None, "ü", float("inf")]}
    assert rest["tensors_sha256"] == hashlib.sha256((tmp_path / "c" / "tensors.safetensors").read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["state.json", "tensors.safetensors"]


def written(folder: Path, step: int) -> None:
    checkpoint.write(folder, {"step": torch.tensor([step])}, STATE | {"step": step})


def step_of(folder: Path) -> int:
    tensors, rest = checkpoint.read(folder)
    assert int(tensors["step"]) == rest["step"], "tensors of one checkpoint beside the state of another"
    return rest["step"]


class Death(BaseException):
    """The machine dies."""


@pytest.mark.parametrize("lasting", [False, True], ids=["after a good one", "after a death"])
def test_a_death_at_any_moment_leaves_a_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    """Die before the n-th call that touches the disk, for every n, and once more while recovering from that."""
    names = ("os.fsync", "pathlib.Path.rename", "shutil.rmtree", "pathlib.Path.mkdir", "pathlib.Path.write_text")
    died = 0
    for moment in range(1, 40):
        folder = tmp_path / str(moment) / "c"
        folder.parent.mkdir()
        written(folder, 1)
        if lasting:  # the machine died between the two renames of an earlier write
            folder.rename(folder.with_name("c.old"))
        else:
            written(folder, 1)
        notes = [place / "of mine.txt" for place in (folder, folder.with_name("c.old")) if place.is_dir()]
        for note in notes:
            note.write_bytes(note.parent.name.encode())
        with monkeypatch.context() as patch:
            calls = 0

            def watch(call: Any) -> Any:
                def dying(*words: Any, **more: Any) -> Any:
                    nonlocal calls
                    calls += 1
                    if calls == moment:  # noqa: B023 - the loop's own moment
                        raise Death
                    return call(*words, **more)

                return dying

            for name in names:
                owner, _, attribute = name.rpartition(".")
                patch.setattr(
                    name, watch(getattr({"os": os, "shutil": shutil, "pathlib.Path": Path}[owner], attribute))
                )
            try:
                written(folder, 2)
            except Death:
                died += 1
            else:
                break
        assert checkpoint.has_checkpoint(folder), f"nothing is left after a death at call {moment}"
        assert step_of(folder) in (1, 2)
        written(folder, 3)
        assert step_of(folder) == 3
        assert sorted(path.name for path in folder.parent.iterdir()) == ["c", "c.old"]
        kept = sorted(path.read_bytes() for path in folder.parent.rglob("of mine.txt*"))
        assert kept == sorted(note.parent.name.encode() for note in notes), f"lost by a death at call {moment}"
    assert died >= 6


def test_files_that_are_not_a_fleets_stay_where_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    written(folder, 1)
    written(folder, 2)
    mine = [folder / "mine" / "a.txt", folder / "b\nb", folder.with_name("c.old") / "b\nb"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(str(path).encode())
    for step in (3, 4, 5):
        written(folder, step)
    assert step_of(folder) == 5
    assert sorted(
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in ("state.json", "tensors.safetensors")
    ) == sorted(mine)
    assert all(path.read_bytes() == str(path).encode() for path in mine)


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.write_text", "safetensors.torch.save_file"])
def test_a_full_disk_keeps_the_last_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    written(tmp_path / "c", 1)

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        with pytest.raises(StoreError, match=r"could not be written .*No space left on device.*gantlet resume"):
            written(tmp_path / "c", 2)
    assert step_of(tmp_path / "c") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def truncated(name: str) -> Any:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


DAMAGE: dict[str, tuple[Any, str]] = {
    "no folder": (shutil.rmtree, "cannot be read"),
    "no state": (lambda folder: (folder / "state.json").unlink(), "cannot be read"),
    "no tensors": (lambda folder: (folder / "tensors.safetensors").unlink(), "cannot be read"),
    "state truncated": (truncated("state.json"), "cannot be read"),
    "tensors truncated": (truncated("tensors.safetensors"), "do not have their checksum"),
    "tensors empty": (lambda folder: (folder / "tensors.safetensors").write_bytes(b""), "do not have their checksum"),
    "tensors of garbage": (
        lambda folder: (folder / "tensors.safetensors").write_bytes(b"\xff" * 99),
        "do not have their checksum",
    ),
    "state in no text": (lambda folder: (folder / "state.json").write_bytes(b"\xff\xfe"), "cannot be read"),
    "state of a list": (lambda folder: (folder / "state.json").write_text("[1]"), "is not what a fleet writes"),
    "another format": (lambda folder: (folder / "state.json").write_text('{"format": 2}'), "has format 2; this"),
    "no format": (lambda folder: (folder / "state.json").write_text("{}"), "has format None; this gantlet reads 1"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    written(tmp_path / "c", 1)
    act, words = DAMAGE[damage]
    act(tmp_path / "c")
    with pytest.raises(StoreError, match=words):
        checkpoint.read(tmp_path / "c")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("exits", {"0": 3}),
        ("exits", {"0": {"step": 3}}),
        ("exits", {"0": {"step": "3", "player": "generator", "cause": "nan"}}),
        ("exits", {"0": {"step": 3, "player": "generator", "cause": "nan", "more": 1}}),
        ("exits", {"first": {"step": 3, "player": "generator", "cause": "nan"}}),
        ("history_counts", {"loss": "3"}),
        ("stopped", {"0": None}),
    ],
)
def test_a_state_whose_inside_is_odd_is_damaged(tmp_path: Path, field: str, value: Any) -> None:
    """So that a fleet goes back to the checkpoint before it."""
    written(tmp_path / "c", 1)
    path = tmp_path / "c" / "state.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | {field: value})))
    with pytest.raises(Damaged, match=rf"is not what a fleet writes: {field}\."):
        checkpoint.read(tmp_path / "c")


def test_a_checkpoint_is_there_or_not(tmp_path: Path) -> None:
    assert not checkpoint.has_checkpoint(tmp_path / "c")
    (tmp_path / "c.new").mkdir()
    (tmp_path / "c.new" / "state.json").write_text("{}")
    assert not checkpoint.has_checkpoint(tmp_path / "c"), "a checkpoint that was being written is none"
    written(tmp_path / "c", 1)
    assert checkpoint.has_checkpoint(tmp_path / "c")
