"""Weights that are kept, members that end early, members that start from trained ones: against studies planned that way."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import gantlet
import terminal
from gantlet.api import sampler
from gantlet.api.sampler import draw_member, drawable
from gantlet.errors import BadData, BadValue, Damaged, Refused, StoreError, UnknownName
from gantlet.files import file_digest, sealed
from gantlet.metrics.classification_error import ClassificationErrorMetric
from gantlet.reports.curves import bootstrap_band, curves_of
from gantlet.reports.read import read_study
from gantlet.reports.remarks import remarks
from gantlet.requests.criterion import Criterion
from gantlet.requests.keeping import Keeping, parse_init, parse_keeping, parse_step, parse_stop
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.kept import WeightsKeeper
from gantlet.studies.launch import resume, start
from gantlet.studies.record import FleetPlan
from gantlet.studies.repair import repair_study
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.stored_weights import read_weights
from gantlet.studies.study import Study
from gantlet.studies.verify import verify_study
from thinning import leading

ROUTES = ("stacked", *(pytest.param(route, marks=pytest.mark.slow) for route in ("static", "loop")))
LONG = ("evaluations=3", "ema=0.9", "lr=0.01")  # at steps 2, 4 and 6


def weights(folder: Path, run: int, **more: object) -> dict[str, bytes]:
    """A member's generator, bit for bit."""
    state = gantlet.load(folder, run=run, **more).state_dict()
    return {name: value.numpy().tobytes() for name, value in state.items()}


def kept(store: Store) -> dict[str, bytes]:
    """The files of weights that the last checkpoints name."""
    found: dict[str, bytes] = {}
    for fleet in store.record().plan.fleets:
        _, rest = terminal.checkpoint_of(store, fleet.id)
        place = store.fleet(fleet.id) / "weights"
        found |= {name: (place / name).read_bytes() for name in rest["kept"]}
    return found


def stop_after(steps: int) -> Callbacks:
    """Callbacks that ask to stop once ``steps`` steps were trained."""
    heard: list[int] = []

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > steps

    return Callbacks(stopping=stopping)


def course(store: Store, run: int, name: str) -> dict[int, float]:
    """A metric of a member by step."""
    history = store.history()
    rows = history[(history["run"] == run) & (history["name"] == name)]
    return dict(zip(rows["step"].tolist(), rows["value"].tolist(), strict=True))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A study of two members that keeps all weights; to be read, not changed."""
    words = ("checkpoints=all+every:3+best:kl", *LONG)
    return terminal.study(tmp_path_factory.mktemp("kept") / "study", "vanilla", *words, seeds="2")


def test_weights_kept_at_a_step_are_those_of_a_study_planned_that_long(everything: Store, tmp_path: Path) -> None:
    assert Study(everything.folder).steps(1) == (2, 3, 4, 6)
    for steps in (2, 3):
        short = terminal.study(tmp_path / str(steps), "vanilla", f"steps={steps}", "ema=0.9", "lr=0.01", seeds="2")
        for run in (0, 1):
            assert weights(everything.folder, run, step=steps) == weights(short.folder, run)
    assert weights(everything.folder, 0, step=4) != weights(everything.folder, 0, step="last")
    assert weights(everything.folder, 0, step=6) == weights(everything.folder, 0)
    assert replay(everything.folder, 0).startswith("run 0: ")  # with what was kept on the way


def test_every_checkpoint_is_drawn_from_the_same_latents(everything: Store) -> None:
    """As the earlier comparison's eval.py: N samples of each checkpoint, all from one batch of latents."""
    steps = Study(everything.folder).steps(1)
    drawn = {step: draw_member(everything.folder, 1, n=7, seed=4, step=step)[0] for step in steps}
    first = drawable(everything.folder, 1, step=steps[0])
    z, _ = sampler._latents(first, count=7, seed=4, by_generator=False)
    for step in steps:
        with torch.no_grad():
            assert torch.equal(drawn[step], gantlet.load(everything.folder, run=1, step=step)(z))
    assert not torch.equal(drawn[steps[0]], drawn[steps[-1]])


def test_the_room_that_kept_weights_take_is_said_before_and_must_be_there(
    everything: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = list((everything.fleet("0000") / "weights").iterdir())
    held = sum(value.nbytes for file in files for value in load_file(file).values())
    said = (
        f"checkpoints=all+every:3+best:kl keeps up to {len(files)} files of weights, about {held / 1024:.3g} KiB in all"
    )
    assert everything.record().plan.fleets[0].notes[-1] == said
    words = ("checkpoints=all+every:3+best:kl", *LONG)
    monkeypatch.setenv("COLUMNS", "200")
    tiny = [word for word in terminal.TINY if not word.startswith("evaluations")]
    assert said in terminal.gantlet("run", "ring8", "vanilla", *tiny, *words, "--seeds", 2, "--dry-run").out
    folder = tmp_path / "extended"
    shutil.copytree(everything.folder, folder)
    there = sum(file.stat().st_size for file in files)  # kept already, and counted among the 16
    more = Extension(seeds=(0, 1, 2, 3), command="more")
    with (
        have(monkeypatch, free=2 * held - there - 1),
        pytest.raises(Refused, match=r"up to 16 files .* are free where"),
    ):
        extend_plan(folder, more)
    assert len(Store(folder).record().plan.members) == 2
    with have(monkeypatch, free=2 * held - there):
        extend_plan(folder, more)
    with have(monkeypatch, free=held - 1), pytest.raises(Refused, match=r"up to 8 files .* are free where"):
        terminal.planned(tmp_path / "new", "vanilla", *words, seeds="2")
    assert not (tmp_path / "new").exists()


def test_discriminators_that_are_kept_too_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = tuple(replace(column, better="lower") for column in ClassificationErrorMetric.columns)
    monkeypatch.setattr(ClassificationErrorMetric, "columns", ranked)
    best = "checkpoints=best:classification_error"
    store = terminal.study(folder, "vanilla", best, *LONG, seeds="1")
    (file,) = (store.fleet("0000") / "weights").iterdir()
    held = sum(value.nbytes for value in load_file(file).values())
    assert f"up to 1 files of weights, about {held} bytes in all" in store.record().plan.fleets[0].notes[-1]


@contextlib.contextmanager
def have(monkeypatch: pytest.MonkeyPatch, *, free: int) -> Iterator[None]:
    """A disk with so many free bytes."""
    with monkeypatch.context() as patch:
        patch.setattr("gantlet.studies.kept_size.shutil.disk_usage", lambda place: SimpleNamespace(free=free))
        yield


def test_what_was_not_kept_is_refused_with_what_was(everything: Store, finished: Store) -> None:
    with pytest.raises(BadValue, match=r"run 0 at step 5 were not kept\. Those of these steps are: 2, 3, 4, 6\."):
        gantlet.load(everything.folder, run=0, step=5)
    with pytest.raises(BadValue, match=r"no best weights; the key checkpoints=best:METRIC"):
        gantlet.load(finished.folder, step="best")
    with pytest.raises(BadValue, match=r"only the generator was kept"):
        gantlet.load(everything.folder, player="discriminator", step=2)
    done = terminal.gantlet("sample", everything.folder, 0, "--step", "soon")
    assert (done.status, done.lines) == (2, ["gantlet: --step soon is not best, last, or a number of steps."])


def test_the_best_is_the_first_of_the_lowest(everything: Store) -> None:
    for run, row in terminal.results(everything).items():
        values = course(everything, run, "kl")
        best = min(values, key=lambda step: (values[step], step))
        assert (row["best_step"], row["best_kl"]) == (best, values[best])
        assert row["best_kl_fresh"] != row["best_kl"]
        assert math.isfinite(row["best_kl_fresh"])
        assert weights(everything.folder, run, step="best") == weights(everything.folder, run, step=best)
    assert [everything.record().metrics[f"best_kl{end}"].better for end in ("", "_fresh")] == ["lower", "lower"]
    assert any("which flatters" in sentence for sentence in remarks(read_study(everything.folder)))


def test_of_equal_values_the_first_is_best_and_nan_never(folder: Path) -> None:
    class Standing:
        step = 0

    keeper = WeightsKeeper(Store(folder), FleetPlan(id="0000", slots=(7,)), Keeping(best="modes"))
    keeper.keep = lambda fleet, slots: None  # nothing to write
    fleet, best = Standing(), []
    for value in (math.nan, None, 3, 3.0, 5, math.nan, 4):
        fleet.step += 1
        keeper.choose(fleet, [0], [{"modes": value}])
        best.append(keeper.best[7].step if keeper.best else None)
    assert best == [None, None, 3, 3, 5, 5, 5]


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_a_member_that_ends_early_is_one_planned_that_long(folder: Path, tmp_path: Path, route: str) -> None:
    def study(name: str, *words: str) -> Store:
        return terminal.study(tmp_path / name, "vanilla", *words, seeds="2", route=route)

    long, short = study("long", *LONG), study("short", "steps=2", "evaluations=1", *LONG[1:])
    first = [course(long, run, "kl")[2] for run in (0, 1)]
    rule = f"stop=kl<={sum(first) / 2}"
    ended = first.index(min(first))
    assert course(long, 1 - ended, "kl")[4] > sum(first) / 2 < course(long, 1 - ended, "kl")[6], "choose another seed"
    start(terminal.planned(folder, "vanilla", *LONG, rule, seeds="2", route=route), stop_after(3))
    store = resume(folder)
    whole = study("whole", *LONG, rule)
    assert terminal.difference(store, whole) is None
    rows = terminal.results(store)
    assert (rows[ended]["stop_step"], rows[ended]["status"]) == (2, "finished")
    assert "stop_step" not in rows[1 - ended]
    for run, expected in ((ended, short), (1 - ended, long)):
        same = terminal.results(expected)[run]
        own = ("stop", "stop_step", "steps", "evaluations")
        assert {k: v for k, v in rows[run].items() if k not in own} == {k: v for k, v in same.items() if k not in own}
        assert weights(folder, run) == weights(expected.folder, run)
    assert weights(folder, ended, step=2) == weights(folder, ended)
    assert max(course(store, ended, "kl")) == 2
    assert max(course(store, ended, "loss_d")) == 2
    assert replay(folder, ended)
    assert replay(folder, 1 - ended)
    assert not verify_study(folder).wrong
    assert any(sentence.startswith("Budgets differ: ") for sentence in remarks(read_study(folder)))


def test_a_fleet_whose_members_all_ended_ends(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", "evaluations=3", "stop=kl<=1e9:2", seeds="3", width=2)
    assert {row["generator_steps"] for row in terminal.results(store).values()} == {4}
    assert [terminal.checkpoint_of(store, fleet)[1]["step"] for fleet in ("0000", "0001")] == [4, 4]
    assert {row["images_seen"] for row in terminal.results(store).values()} == {4 * 32}


@pytest.mark.slow
def test_interrupted_keeps_the_same_files(folder: Path, tmp_path: Path) -> None:
    words = ("vanilla", "checkpoints=every:2+best:high_quality", "evaluations=6", "lr=0.01")
    whole = terminal.study(tmp_path / "whole", *words, seeds="2")
    for steps in (1, 3, 5):
        shutil.rmtree(folder, ignore_errors=True)
        start(terminal.planned(folder, *words, seeds="2"), stop_after(steps))
        store = resume(folder)
        assert terminal.difference(store, whole) is None
        assert kept(store) == kept(whole)
        assert kept(whole)
        assert not verify_study(folder).wrong


def test_damaged_weights_are_named_and_count_as_lost_once_repaired(everything: Store, folder: Path) -> None:
    shutil.copytree(everything.folder, folder)
    path = folder / "fleets/0000/weights/run-1-step-2.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"run-1-step-2\.safetensors are damaged.*gantlet repair"):
        gantlet.load(folder, run=1, step=2)
    assert any("run-1-step-2" in sentence for sentence in verify_study(folder).wrong)
    assert any("count as lost" in sentence for sentence in repair_study(folder))
    assert not verify_study(folder).wrong
    assert weights(folder, 1, step=3) == weights(everything.folder, 1, step=3)
    with pytest.raises(
        Damaged, match=r"of run 1 at step 2 are lost, as repair noted\. Those of these steps are: (?!.*\b2,)"
    ):
        gantlet.load(folder, run=1, step=2)


@pytest.mark.slow
def test_what_is_no_folder_in_the_place_of_kept_weights_is_told_or_set_aside(everything: Store, folder: Path) -> None:
    shutil.copytree(everything.folder, folder)
    place = folder / "fleets" / "0000" / "weights"
    shutil.rmtree(place)
    os.mkfifo(place)
    (sentence,) = repair_study(folder)
    assert f"was left as it is: {place} is neither a folder nor a file. Remove it" in sentence
    place.unlink()
    place.touch()
    assert any("are missing" in sentence for sentence in verify_study(folder).wrong)
    assert sum("count as lost" in sentence for sentence in repair_study(folder)) == 8
    assert place.with_name("weights.aside").exists()
    assert not verify_study(folder).wrong
    assert terminal.difference(resume(folder), everything) is None


@pytest.mark.slow
def test_best_weights_that_are_lost_stop_nothing(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", "checkpoints=best:kl")
    with_best = terminal.results(store)[0]
    (path,) = (store.fleet("0000") / "weights").iterdir()
    path.unlink()
    assert any("count as lost" in sentence for sentence in repair_study(folder))
    Study(folder).extend(steps=8)
    row = terminal.results(store)[0]
    assert (row["generator_steps"], row["best_step"]) == (8, with_best["best_step"]), "choose another seed"
    assert (row["best_kl"], row["best_kl_fresh"]) == (with_best["best_kl"], None)
    assert not verify_study(folder).wrong


@pytest.mark.slow
def test_members_start_from_trained_weights(everything: Store, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(everything.folder, source)
    # A rate this small moves no float32 weight: what was started from is what is there at the end.
    still = ("lr=1e-30", "optimiser=sgd", "steps=2", "evaluations=1")
    store = terminal.study(folder, "vanilla", *still, f"init={source}:1,{source}:0:2", seeds="2")
    plain, kept_only = (read_weights(Store(source), run, step) for run, step in ((1, None), (0, 2)))
    for run, expected in ((0, plain), (1, plain), (2, kept_only)):
        found = read_weights(store, run).tensors
        for name, value in expected.tensors.items():
            if not name.startswith("average/"):
                assert torch.equal(found[name], value), name
    records = {text.rpartition("source")[2]: each for text, each in store.record().initial.items()}
    assert {text: (each.run, each.step, each.discriminator) for text, each in records.items()} == {
        ":1": (1, 6, True),
        ":0:2": (0, 2, False),
    }
    assert {each.study for each in records.values()} == {Store(source).record().id}
    assert len(remarks(read_study(folder))) == 2
    shutil.rmtree(source)
    assert replay(folder, 0)
    assert not verify_study(folder).wrong
    copy = folder / "initial" / f"{records[':1'].sha256[:16]}.safetensors"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert len(verify_study(folder).wrong) == 1
    with pytest.raises(Damaged, match=r"initial weights \S+ are damaged"):
        replay(folder, 0)
    assert any("does not have them any more" in sentence for sentence in repair_study(folder))
    shutil.copytree(everything.folder, source)
    assert any("copied again" in sentence for sentence in repair_study(folder))
    assert replay(folder, 0)
    assert not verify_study(folder).wrong


def test_weights_of_other_networks_are_refused_by_their_first_tensor(everything: Store, folder: Path) -> None:
    with pytest.raises(BadValue, match=r"another generator: its tensor \S+ is 1×8×2 there and 1×16×2 here"):
        terminal.planned(folder, "vanilla", "g_width=16", f"init={everything.folder}:0")
    with pytest.raises(BadValue, match=r"another discriminator: its tensor \S+ is 1×8×2 there and 1×12×2 here"):
        terminal.planned(folder, "vanilla", "d_width=12", f"init={everything.folder}:0")
    with pytest.raises(BadValue, match=r"init_from=\S+:9: There is no run 9"):
        terminal.planned(folder, "vanilla", f"init={everything.folder}:9")
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "more"),
    [((), ()), (("generators=2", "team_weights=learned"), ("lr_weights=1e-30",)), (("spectral_norm=true",), ())],
    ids=["one", "team", "buffers"],
)
def test_members_start_from_a_model_folder(
    folder: Path, tmp_path: Path, words: tuple[str, ...], more: tuple[str, ...]
) -> None:
    source = terminal.study(tmp_path / "source", "vanilla", "lr=0.01", *words)
    model = tmp_path / "model"
    gantlet.export(source.folder, 0, format="hub", out=model, discriminator=True)
    still = ("lr=1e-30", "optimiser=sgd", "steps=2", "evaluations=1", *words)
    store = terminal.study(folder, "vanilla", *still, *more, f"init={model}", seeds="2")
    expected = read_weights(source, 0).tensors
    for run in (0, 1):
        found = read_weights(store, run).tensors
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if name == "weights/logits":
                assert torch.allclose(found[name].softmax(-1), value.softmax(-1), atol=1e-6)
            elif "/buffer/" not in name:  # a step moves those
                assert torch.equal(found[name], value), name
    ((text, record),) = store.record().initial.items()
    assert (text, record.run, record.step, record.discriminator) == (str(model), 0, 6, True)
    (sentence,) = remarks(read_study(folder))
    assert f"start from the generator and discriminator of the model folder {model}" in sentence
    copy = folder / "initial" / f"{record.sha256[:16]}.safetensors"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert len(verify_study(folder).wrong) == 1
    assert any("copied again" in sentence for sentence in repair_study(folder))
    shutil.rmtree(model)
    assert replay(folder, 0)
    assert not verify_study(folder).wrong


def test_a_model_folder_of_a_strangers_runs_nothing_and_must_fit(tmp_path: Path, folder: Path) -> None:
    evil, mark = tmp_path / "evil.py", tmp_path / "IMPORTED"
    evil.write_text(f"open({str(mark)!r}, 'w')\n")
    source = terminal.study(tmp_path / "source", "vanilla")
    model = tmp_path / "model"
    gantlet.export(source.folder, 0, format="hub", out=model)
    config = json.loads((model / "config.json").read_text())
    config["network"]["own"] = f"{evil}:Generator"
    (model / "config.json").write_text(json.dumps(sealed(config)))
    planned = terminal.planned(folder, "vanilla", f"init={model}")
    assert not mark.exists()
    assert not planned.record().initial[str(model)].discriminator
    with pytest.raises(BadValue, match=r"another generator: its tensor \S+ is 1×8×2 there and 1×16×2 here"):
        terminal.planned(folder, "vanilla", "g_width=16", f"init={model}")
    (model / "config.json").write_text(json.dumps(config | {"step": 7}))
    with pytest.raises(BadData, match=r"init_from=\S+model: \S+config\.json was damaged or changed"):
        terminal.planned(folder, "vanilla", f"init={model}")
    (model / "config.json").write_text(json.dumps(sealed(config)))
    (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="its SHA-256 is not that in"):
        terminal.planned(folder, "vanilla", f"init={model}")
    save_file({}, model / "model.safetensors")
    files = config["files"] | {"model.safetensors": file_digest(model / "model.safetensors")}
    for generators in (1, 3):
        forged = sealed(config | {"files": files, "generators": generators})
        (model / "config.json").write_text(json.dumps(forged))
        with pytest.raises(BadData, match="holds no weights of a generator"):
            terminal.planned(folder, "vanilla", f"init={model}")
    for name in ("x/" * 3 + "y" * 300, "a\0/b"):
        with pytest.raises(BadValue, match="is not a model folder"):
            terminal.planned(folder, "vanilla", f"init={name}")
    with pytest.raises(BadValue, match=r"is a study: write \S+source:RUN"):
        terminal.planned(folder, "vanilla", f"init={source.folder}")
    with pytest.raises(BadValue, match=r"nowhere/model is not a model folder.*written DIR:RUN"):
        terminal.planned(folder, "vanilla", "init=nowhere/model")
    assert not folder.exists()


def test_settings_that_are_added_later_must_have_the_networks_that_others_started_from(
    everything: Store, folder: Path
) -> None:
    start(terminal.planned(folder, "vanilla", f"init={everything.folder}:0"), executor=FakeExecutor())
    for word in ("generators=2", "g_width=16"):
        with pytest.raises(BadValue, match=r"another generator: its tensor \S+ is 1×8×2 there and (2×8|1×16)×2 here"):
            Study(folder).extend(**dict([word.split("=")]))
    assert len(Store(folder).record().settings) == 1


def test_a_state_that_counts_no_evaluations_is_damaged(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla", "evaluations=3", "stop=kl<=0:2"), stop_after(3))
    store = Store(folder)
    for place in (store.checkpoint("0000"), store.checkpoint("0000").with_name("checkpoint.old")):
        path = place / "state.json"
        state = {name: value for name, value in json.loads(path.read_text()).items() if name != "seal"}
        path.write_text(json.dumps(sealed(state | {"held": {"zero": "often"}})))
    assert ["not what a fleet writes: held" in sentence for sentence in verify_study(folder).wrong] == [True, True]
    resume(folder)
    assert Study(folder).runs["status"].tolist() == ["finished"]


@pytest.mark.slow
def test_a_best_step_whose_weights_nobody_names_is_damage(everything: Store, folder: Path) -> None:
    words = ("vanilla", "evaluations=3", "checkpoints=best:kl", "lr=0.01")
    start(terminal.planned(folder, *words), stop_after(3))
    store = Store(folder)
    for place in (store.checkpoint("0000"), store.checkpoint("0000").with_name("checkpoint.old")):
        state = json.loads((place / "state.json").read_text())
        state["best"] = {run: [10**17, value] for run, (_, value) in state["best"].items()}
        (place / "state.json").write_text(json.dumps(sealed(state)))
    assert all("as the best of run 0, and keeps no weights" in sentence for sentence in verify_study(folder).wrong)
    done = terminal.gantlet("resume", folder, "--quiet")
    assert done.status == 1
    assert "names step 100,000,000,000,000,000 as the best of run 0" in done.err
    assert "Traceback" not in done.err
    assert not list(folder.glob("fleets/*/failure.json"))
    assert terminal.difference(store, terminal.study(folder.with_name("whole"), *words)) is None


@pytest.mark.parametrize("number", leading([errno.EIO, errno.ENOSPC]))
def test_a_disk_that_does_not_delete_loses_no_member(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("vanilla", "checkpoints=best:kl", *LONG)
    whole = terminal.study(tmp_path / "whole", *words)
    with monkeypatch.context() as patch:
        patch.setattr("gantlet.studies.kept.sweep", raising(OSError(number, os.strerror(number))))
        store = terminal.study(folder, *words)
    assert caplog.text.count("stay in") >= 3
    assert terminal.difference(store, whole) is None


def raising(error: Exception) -> Callable[..., object]:
    """A function that raises."""

    def function(*words: object) -> object:
        raise error

    return function


def test_weights_of_a_checkpoint_that_cannot_be_read_at_the_moment_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = terminal.study(folder, "vanilla", "checkpoints=all", *LONG)
    files = sorted((store.fleet("0000") / "weights").iterdir())
    keeper = WeightsKeeper(store, store.record().plan.fleets[0], Keeping(every_evaluation=True))
    with monkeypatch.context() as patch:
        patch.setattr("gantlet.studies.kept.checkpoint.read_state", raising(StoreError("it cannot be read")))
        keeper.tidy()
    assert sorted((store.fleet("0000") / "weights").iterdir()) == files
    assert len(files) == 3


@pytest.mark.slow
def test_who_has_begun_needs_the_weights_no_more_from_which_it_started(
    everything: Store, folder: Path, tmp_path: Path
) -> None:
    words = ("vanilla", "evaluations=3", f"init={everything.folder}:0")
    whole = terminal.study(tmp_path / "whole", *words)
    start(terminal.planned(folder, *words), stop_after(3))
    (copy,) = (folder / "initial").iterdir()
    copy.write_bytes(b"")
    assert terminal.difference(resume(folder), whole) is None


def test_the_estimator_starts_from_trained_weights_and_refuses_what_needs_a_study(everything: Store) -> None:
    points = torch.randn(64, 2).numpy()
    small = {
        "g_width": 8,
        "d_width": 8,
        "g_depth": 1,
        "d_depth": 1,
        "batch_size": 16,
        "steps": 1,
        "optimiser": "sgd",
        "latent_dim": 2,
    }
    gan = gantlet.GAN("vanilla", lr=1e-30, init=f"{everything.folder}:1", **small).fit(points)
    expected = read_weights(everything, 1).tensors
    names = [name for name in expected if not name.startswith("average/")]
    assert all(torch.equal(gan._tensors[name], expected[name]) for name in names)
    with pytest.raises(BadValue, match=r"Use gantlet\.run"):
        gantlet.GAN("vanilla", stop="kl<=1", **small).fit(points)


def test_rules_that_cannot_be_kept_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'modes'"):
        terminal.planned(folder, "vanilla", "stop=mode>=8")
    with pytest.raises(BadValue, match="neither a higher nor a lower classification_error is better"):
        terminal.planned(folder, "vanilla", "checkpoints=best:classification_error")
    with pytest.raises(BadValue, match=r"success is decided by the rule modes>=8:2.*best:modes"):
        terminal.planned(folder, "vanilla", "checkpoints=best:success", "success=modes>=8:2")
    terminal.planned(folder, "vanilla", "checkpoints=best:success", "success=none")
    with pytest.raises(BadValue, match="expected at most 10,000"):
        terminal.planned(folder, "vanilla", "steps=1000000", "checkpoints=every:2")
    for text in ("all+some", "every:0", "every:", f"every:{'9' * 5000}", "best:", "best:a+best:b"):
        with pytest.raises(BadValue, match=r"^checkpoints="):
            parse_keeping(text)
    for text in ("modes", "modes>8", "modes>=x", "modes>=8:0", "modes>=nan", "modes>=inf", ">=8", "modes>=8+kl<=1"):
        with pytest.raises(BadValue, match="needs quotes"):
            parse_stop(text)
    for text in ("runs:", ":3:", "runs:3:", "runs:last"):
        with pytest.raises(BadValue, match="DIR:RUN"):
            parse_init(text)
    with pytest.raises(BadValue, match="--step"):
        parse_step("-3")
    assert parse_stop("fid <= 2e1 : 3") == Criterion("fid", False, 20.0, 3)
    assert parse_stop("kid_efficientnet-lite0<=0.01") == Criterion("kid_efficientnet-lite0", False, 0.01)
    assert parse_keeping("best:kid_efficientnet-lite0") == Keeping(best="kid_efficientnet-lite0")


def test_a_curve_keeps_members_that_ended_early(folder: Path) -> None:
    study = read_study(terminal.study(folder, "vanilla", "evaluations=3", "stop=kl<=1e9").folder)
    ended, rows = study.runs.iloc[0], study.history[study.history["name"] == "kl"]
    goes_on = [rows.assign(run=1, step=step, value=100.0) for step in (2, 4, 6)]
    runs = pd.concat([study.runs, study.runs.assign(run=1, kl=100.0, stop_step=pd.NA, generator_steps=6)])
    curve = curves_of(replace(study, runs=runs, given=pd.concat([rows, *goes_on])), "kl", bootstrap_band)[0]
    assert list(curve.steps) == [2, 4, 6]
    assert curve.centre == pytest.approx([(ended["kl"] + 100) / 2] * 3)
    assert remarks(replace(study, runs=runs))[0].startswith(
        "Budgets differ: the key stop ended 1 of 2 members early, after 2 "
    )
