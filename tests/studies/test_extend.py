"""Extending a study: members keep their numbers, and what was made longer is what would have been planned that long."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gantlet
import terminal
from gantlet.errors import BadData, BadGrid, BadValue, StoreError, UnknownName, Untrusted
from gantlet.files import locked
from gantlet.requests.grid import parse_axis, parse_seeds
from gantlet.requests.options import Options
from gantlet.statistics import compare
from gantlet.studies.build import tuning_of
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.launch import resume, start
from gantlet.studies.planning import PlannedStudy, plan_study
from gantlet.studies.record import EarlierPlan, StudyRecord
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.verify import verify_study
from gantlet.training import checkpoint
from gantlet.training.schedules import ReduceOnPlateau
from thinning import leading

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "studies"


def asked(*words: str, seeds: str = "", **more: Any) -> Extension:
    """What ``gantlet extend DIR WORD…`` asks for."""
    methods = tuple(name for word in words if "=" not in word for name in word.split(","))
    axes = tuple(parse_axis(word) for word in words if "=" in word)
    return Extension(methods, axes, parse_seeds(seeds) if seeds else (), command="gantlet extend", **more)


def extend(store: Store, *words: str, seeds: str = "", **more: Any) -> Store:
    """Extend a study and train what is unfinished."""
    return resume(store.folder, cache=extend_plan(store.folder, asked(*words, seeds=seeds, **more)))


def untrained(folder: Path, methods: str, *words: str, seeds: str = "1") -> Store:
    """A study of which nothing was trained yet."""
    return start(terminal.planned(folder, methods, *words, seeds=seeds), executor=FakeExecutor())


def stop_after(steps: int) -> Callbacks:
    """Callbacks of which one asks to stop once ``steps`` steps were trained."""
    heard: list[int] = []

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > steps  # asked before each fleet, and after every step

    return Callbacks(stopping=stopping)


def differs(longer: Store, planned: Store) -> str | None:
    """Where a study that was made longer differs from one that was planned that long, bit for bit; None: nowhere.

    It has evaluations of the shorter plan besides.
    """
    for fleet in planned.record().plan.fleets:
        (tensors, rest), (others, expected) = (terminal.checkpoint_of(each, fleet.id) for each in (longer, planned))
        if json.dumps(rest, sort_keys=True) != json.dumps(expected, sort_keys=True):
            return f"state of fleet {fleet.id}"
        if list(tensors) != list(others):
            return "names of tensors"
        for name, tensor in tensors.items():
            if tensor.numpy().tobytes() != others[name].numpy().tobytes():
                return name
    if json.dumps(terminal.results(longer), sort_keys=True) != json.dumps(terminal.results(planned), sort_keys=True):
        return "results"
    settings = [[setting.values for setting in store.record().settings] for store in (longer, planned)]
    rows = planned.history().merge(longer.history(), how="left", indicator=True)
    return "settings" if settings[0] != settings[1] else "history" if (rows["_merge"] != "both").any() else None


POINTS = {
    "Adam": ("vanilla", ["lr=0.001,0.002"]),
    "average of weights": ("vanilla", ["ema=0.9"]),
    "LeCam's averages": ("lecam", []),
    "steps of the rate": ("vanilla", ["lr_schedule=step", "lr_every=2"]),
    "a cosine of its own length": ("vanilla", ["lr_schedule=cosine", "lr_every=5", "lr_floor=0.1"]),
    "ramps": ("wgan-gp", ["penalty_schedule=cosine", "beta2_schedule=cosine", "ramp_steps=4", "n_critic=2"]),
    "learned weights of a team": ("vanilla", ["generators=3", "team_weights=learned"]),
    "spectral norm": ("sngan", []),
    "optimistic": ("vanilla", ["optimiser=optimistic-adam"]),
    "extragradient": ("vanilla", ["optimiser=extra-adam", "reuse_fake=false"]),
    "pool of latents": ("vanilla", ["latent=pool"]),
    "noise that ends": ("vanilla", ["instance_noise=0.1", "instance_noise_steps=5"]),
    "critic's bursts": ("wgan", ["critic_schedule=wgan"]),
}
"""What a fleet carries from step to step, on points."""

TOGETHER = {
    "LeCam's averages, an average of weights, steps, a team, optimistic, pool, noise": (
        "lecam",
        [
            *("ema=0.9", "lr_schedule=step", "lr_every=2", "generators=3", "team_weights=learned"),
            *("optimiser=optimistic-adam", "latent=pool", "instance_noise=0.1", "instance_noise_steps=5"),
        ],
    ),
    "spectral norm, extragradient, a cosine of its own length": (
        "sngan",
        [
            *("n_critic=1", "optimiser=extra-adam", "reuse_fake=false"),
            *("lr_schedule=cosine", "lr_every=5", "lr_floor=0.1"),
        ],
    ),
    "ramps, Adam with two rates": (*POINTS["ramps"][:1], [*POINTS["ramps"][1], "lr=0.001,0.002"]),
}
"""POINTS in three studies, each of whose parts would break the equality alone.

The critic's bursts, a hundred updates a step, are in none of them.
"""

CONVOLUTIONS = ("width=2", "network=dcgan4")
IMAGES = {
    "plateau": ("began", ["network=autoencoder", "g_width=8", "d_width=8", "lr_schedule=on-plateau", "lr_every=2"]),
    "BEGAN's balance": ("began", ["network=autoencoder", "g_width=8", "d_width=8", "code=4"]),
    "streamed images": ("dcgan", ["in_memory=false", *CONVOLUTIONS]),
    "batch norm": ("dcgan", ["in_memory=true", *CONVOLUTIONS]),
}
"""The same on images, 64 in batches of 8: an extension begins within an epoch, some batches fetched ahead."""


def test_the_studies_of_many_parts_have_each_of_them() -> None:
    apart, joined = (
        {word for method, words in cases.values() for word in (method, *words)} for cases in (POINTS, TOGETHER)
    )
    assert apart - joined == {"vanilla", *POINTS["critic's bursts"][:1], *POINTS["critic's bursts"][1]}


@pytest.mark.parametrize(("method", "words"), leading(list(TOGETHER.values())), ids=TOGETHER)
def test_extended_is_planned_that_long_with_many_parts(
    folder: Path, tmp_path: Path, method: str, words: list[str]
) -> None:
    start(terminal.planned(folder, method, *words, seeds="2"), stop_after(4))
    check_extended(folder, terminal.study(tmp_path / "planned", method, *words, "steps=12", seeds="2"))


@pytest.mark.slow
def test_extended_is_planned_that_long_with_the_critic_s_bursts(folder: Path, tmp_path: Path) -> None:
    method, words = POINTS["critic's bursts"]
    start(terminal.planned(folder, method, *words, seeds="2"), stop_after(4))
    check_extended(folder, terminal.study(tmp_path / "planned", method, *words, "steps=12", seeds="2"))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "words"), IMAGES.values(), ids=IMAGES)
def test_extended_is_planned_that_long_on_images(folder: Path, tmp_path: Path, method: str, words: list[str]) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(1).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8))
    tiny = ("size=16", "batch_size=8", "evaluations=2", "samples=16", "flips=true", "metrics=none", *words)

    def planned(steps: int, out: Path) -> PlannedStudy:
        request = terminal.request(f"images:{tmp_path}/images.npy", method, *tiny, f"steps={steps}", seeds="2")
        return plan_study(request, Options(out=out, workers=1))

    start(planned(6, folder), stop_after(4))
    check_extended(folder, start(planned(12, tmp_path / "planned")))


def check_extended(folder: Path, planned: Store) -> None:
    """A study of 6 steps, stopped after 4, goes on to 6; made 12 steps long, it is stopped after 9, and goes on to 12."""
    store = resume(folder)
    assert checkpoint.read(store.checkpoint("0000"))[1]["step"] == 6
    cache = extend_plan(folder, asked("steps=12"))
    resume(folder, stop_after(3), cache=cache)
    assert checkpoint.read(store.checkpoint("0000"))[1]["step"] == 9
    resume(folder)
    assert store.record().extensions[0].notes == ()
    assert differs(store, planned) is None
    assert Study(folder).runs["generator_steps"].tolist() == [12] * store.record().members


@pytest.mark.slow
def test_a_plateau_over_all_steps_keeps_its_window_and_says_so(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(1).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8))
    words = ("size=16", "batch_size=8", "network=autoencoder", "g_width=8", "d_width=8", "metrics=none", "samples=16")
    request = terminal.request(
        f"images:{tmp_path}/images.npy", "began", *words, "steps=6", "lr_schedule=on-plateau", "lr_every=0"
    )
    store = extend(terminal.trained(request, folder), "steps=12")
    (sentence,) = store.record().extensions[0].notes
    assert sentence.startswith("lr_schedule=on-plateau of 'began' averages over all steps as first planned")
    lr = tuning_of(
        terminal.resolve("digits", "began", "lr_schedule=on-plateau", "lr_every=0")[0].training, 12, (6, 9)
    ).lr
    assert isinstance(lr, ReduceOnPlateau)
    assert lr.every == 6
    assert "equal bit for bit after 12 steps" in replay(folder, 0)


def test_a_stopped_member_is_made_longer_from_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    start(terminal.planned(folder, "vanilla", "ema=0.9", seeds="2"), stop_after(4))
    store = extend(Store(folder), "steps=12")
    assert differs(store, terminal.study(tmp_path / "planned", "vanilla", "ema=0.9", "steps=12", seeds="2")) is None
    assert "equal bit for bit after 12 steps" in replay(folder, 0)


@pytest.mark.slow
def test_epochs_make_it_longer_too_and_each_method_by_its_own_steps(folder: Path, tmp_path: Path) -> None:
    words = ("epochs=1", "n_critic=2", "reuse_fake=false", "batch_size=32")
    store = extend(study_of_epochs(folder, *words), "epochs=2")
    assert {row["generator_steps"] for row in terminal.results(store).values()} == {8}
    assert differs(store, study_of_epochs(tmp_path / "planned", "epochs=2", *words[1:])) is None


def study_of_epochs(out: Path, *words: str) -> Store:
    tiny = [word for word in terminal.TINY if not word.startswith("steps=") and not word.startswith("batch")]
    return terminal.trained(terminal.request("ring8", "vanilla", *tiny, *words), out)


# Schedules over all steps


SPANNING = [
    ("vanilla", ["lr_schedule=cosine"], "lr_schedule=cosine"),
    ("vanilla", ["beta2_schedule=cosine"], "beta2_schedule=cosine"),
    ("wgan-gp", ["penalty_schedule=cosine", "penalty_floor=0.1"], "penalty_schedule=cosine"),
]


def test_every_schedule_over_all_steps_is_said(folder: Path) -> None:
    words = [word for _, words, _ in SPANNING for word in words]
    store = untrained(folder, "wgan-gp", *words)
    extend_plan(folder, asked("steps=9"))
    notes = store.record().extensions[0].notes
    assert [note.partition(" of ")[0] for note in notes] == [said for *_, said in SPANNING]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "words", "said"), SPANNING)
def test_a_schedule_over_all_steps_is_said_and_kept(
    folder: Path, tmp_path: Path, method: str, words: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = terminal.study(folder, method, *words, seeds="2")
    before = terminal.checkpoint_of(store, "0000")[0]
    extend(store, "steps=9")
    (extension,) = store.record().extensions
    assert extension.lengthened == (EarlierPlan(setting=0, steps=6),)
    (sentence,) = extension.notes
    assert sentence.startswith(said)
    assert sentence in caplog.text
    assert differs(store, terminal.study(tmp_path / "planned", method, *words, "steps=9", seeds="2")) is not None
    # Again from the start, as after damage: the first six steps are those of the plan that ended there.
    assert "equal bit for bit after 9 steps" in replay(folder, 1)
    extend(store, "steps=12")
    assert store.record().ended(store.record().plan.fleets[0]) == (6, 9)
    shutil.rmtree(store.fleet("0000"))
    stopped = resume(folder, stop_after(6))
    again = terminal.checkpoint_of(stopped, "0000")[0]
    assert all(np.array_equal(before[name].numpy(), again[name].numpy()) for name in before if "history" not in name)
    resume(folder)
    assert "equal bit for bit after 12 steps" in replay(folder, 1)


# Seeds and settings


@pytest.mark.slow
def test_seeds_are_added_to_every_setting_and_members_keep_their_numbers(folder: Path, tmp_path: Path) -> None:
    store = terminal.study(folder, "vanilla,alpha", seeds="2", width=1)
    before = terminal.results(store)
    written = {path: path.stat().st_mtime_ns for path in (folder / "fleets").rglob("*") if path.is_file()}
    extend(store, seeds="3", width=1)
    record, runs = store.record(), Study(folder).runs
    assert [tuple(member) for member in record.plan.members[4:]] == [(4, 0, 3), (5, 1, 3)]
    assert {run: row for run, row in terminal.results(store).items() if run < 4} == before
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert runs["run"].tolist() == list(range(6))
    assert pd.read_parquet(folder / "runs.parquet")["run"].tolist() == list(range(6))
    assert set(runs["status"]) == {"finished"}
    assert compare(runs, "vanilla", "alpha", "modes").n == 3
    assert Study(folder).summary()["seeds"].tolist() == [3, 3]
    planned = terminal.study(tmp_path / "planned", "vanilla,alpha", seeds="3", width=1)
    key = ["setting", "seed"]
    found, expected = (
        each.drop(columns=["run", "seconds"]).sort_values(key, ignore_index=True)
        for each in (runs, Study(planned.folder).runs)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert json.loads((folder / "study.json").read_text())["members"] == 6


def test_a_range_of_seeds_adds_those_that_are_missing(folder: Path) -> None:
    store = extend(terminal.study(folder, "vanilla", seeds="2"), seeds="2:4")
    assert [member.seed for member in store.record().plan.members] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("methods", "words", "more", "labels"),
    [
        ("vanilla", [], ["alpha"], ["vanilla", "alpha"]),
        (
            "vanilla",
            ["lr=0.001,0.002"],
            ["alpha"],
            [*("vanilla lr=0.001", "vanilla lr=0.002"), *("alpha lr=0.001", "alpha lr=0.002")],
        ),
        ("vanilla", [], ["lr=3e-4"], ["vanilla", "vanilla lr=3e-4"]),
        ("vanilla", ["lr=0.001,0.002"], ["lr=3e-4"], ["vanilla lr=0.001", "vanilla lr=0.002", "vanilla lr=3e-4"]),
        ("vanilla,alpha", [], ["alpha_d=0.3,0.6"], ["vanilla", "alpha", "alpha alpha_d=0.3", "alpha alpha_d=0.6"]),
        ("alpha", ["alpha_d=0.3,0.5"], ["vanilla"], ["alpha alpha_d=0.3", "alpha alpha_d=0.5", "vanilla"]),
        (
            "alpha",
            ["alpha_d=0.3,0.5"],
            ["alpha_g=2"],
            [
                *("alpha alpha_d=0.3", "alpha alpha_d=0.5"),
                *("alpha alpha_d=0.3 alpha_g=2", "alpha alpha_d=0.5 alpha_g=2"),
            ],
        ),
        ("vanilla", [], ["vanilla", "steps=3,4"], ["vanilla", "vanilla steps=3", "vanilla steps=4"]),
        ("vanilla", [], ["wgan-gp", "n_critic=2,3"], ["vanilla", "wgan-gp n_critic=2", "wgan-gp n_critic=3"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else value,
)
def test_new_settings_join_as_if_they_had_been_asked_for_at_first(
    folder: Path, methods: str, words: list[str], more: list[str], labels: list[str]
) -> None:
    store = untrained(folder, methods, *words, seeds="2")
    before = len(store.record().settings)
    extend_plan(folder, asked(*more))
    settings = store.record().settings
    assert [setting.label for setting in settings] == labels
    sizes = {(setting.values["g_width"], setting.values["batch_size"]) for setting in settings}
    assert sizes == {(8, 32)}, "what a user said at first holds for what comes later"
    assert [member.setting for member in store.record().plan.members[2 * before :]] == [
        setting for setting in range(before, len(labels)) for _ in range(2)
    ]
    assert Study(folder).runs["setting"].tolist() == [label for label in labels for _ in range(2)]


def test_a_new_setting_has_the_numbers_that_it_has_in_a_study_of_its_own(folder: Path, tmp_path: Path) -> None:
    extend(terminal.study(folder, "vanilla", seeds="2"), "alpha", "alpha_d=0.5")
    assert Study(folder).runs["status"].tolist() == ["finished"] * 4
    alone = terminal.study(tmp_path / "alone", "alpha", "alpha_d=0.5", seeds="2")
    found = terminal.checkpoint_of(Store(folder), "0001")[0]
    assert all(
        np.array_equal(found[name].numpy(), one.numpy())
        for name, one in terminal.checkpoint_of(alone, "0000")[0].items()
    )


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
def test_members_with_images_keep_them_and_new_settings_get_theirs(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", "evaluations=1", seeds="9", recorded=4)
    extend(store, "alpha")
    assert sorted(int(path.name) for path in (folder / "samples").iterdir()) == [0, 1, 2, 3, 9, 10]


# Twice, while it runs, of an older version


@pytest.mark.slow
def test_extending_twice_adds_up_and_saying_it_again_adds_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = terminal.study(folder, "vanilla", seeds="1")
    extend(store, "steps=8")
    extend(store, "steps=10", seeds="2")
    extend(store, "alpha")
    record = store.record()
    assert [extension.lengthened for extension in record.extensions] == [((0, 6),), ((0, 8),), ()]
    assert [extension.first_run for extension in record.extensions] == [1, 1, 2]
    assert [extension.gantlet for extension in record.extensions] == [gantlet.__version__] * 3
    assert record.members == 4
    assert {row["generator_steps"] for row in terminal.results(store).values()} == {10}
    before = terminal.tree(folder / "fleets")
    caplog.clear()
    extend(store, "steps=10", seeds="2")
    extend(store, "alpha")
    assert store.record() == record
    assert terminal.tree(folder / "fleets") == before
    assert caplog.text.count("the study has all of that already") == 2


def test_a_study_that_is_in_use_is_not_extended(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    before = (folder / "study.json").read_bytes()
    with locked(store.study_lock, shared=True):
        done = terminal.gantlet("extend", folder, "steps=10")
        assert terminal.gantlet("resume", folder, "-q").status == 0, "who trains shares it"
        assert store.study_lock.exists()
    assert done.status == 2
    assert len(done.lines) == 1
    assert "is in use by process" in done.err
    with locked(store.lock("0000")), pytest.raises(StoreError, match="in use by process"):
        extend(store, "steps=10")
    assert (folder / "study.json").read_bytes() == before
    assert not store.study_lock.exists()


def test_it_is_in_use_while_it_trains(folder: Path) -> None:
    heard: list[str] = []

    def stopping() -> bool:
        if not heard:
            with pytest.raises(StoreError, match="in use by process") as caught:
                extend_plan(folder, asked("steps=10"))
            heard.append(str(caught.value))
        return False

    start(terminal.planned(folder, "vanilla"), Callbacks(stopping=stopping))
    assert len(heard) == 1
    assert not Store(folder).study_lock.exists()


class Killed(BaseException):
    """A death that nothing in between catches."""


@pytest.mark.parametrize("after", leading([False, True]))
def test_a_death_while_extending_leaves_the_old_study_or_the_new(
    folder: Path, tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    write: Callable[[Store, StudyRecord], None] = Store.update

    def die(one: Store, record: StudyRecord) -> None:
        if after:
            write(one, record)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "update", die)
        with pytest.raises(Killed):
            extend_plan(folder, asked("steps=12"))
    assert Study(folder).runs["status"].tolist() == ["stopped" if after else "finished"] * 2
    resume(folder)
    length = 12 if after else 6
    assert {row["generator_steps"] for row in terminal.results(store).values()} == {length}
    planned = terminal.study(tmp_path / "planned", "vanilla", f"steps={length}", seeds="2")
    assert differs(store, planned) is None


def test_what_is_not_longer_yet_is_not_replayed(folder: Path) -> None:
    terminal.study(folder, "vanilla")
    extend_plan(folder, asked("steps=12"))
    assert Study(folder).runs["status"].tolist() == ["stopped"]
    with pytest.raises(BadValue, match="not finished"):
        replay(folder, 0)


@pytest.mark.slow
def test_damage_after_extending_is_noticed_and_passed_by(folder: Path, tmp_path: Path) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    extend_plan(folder, asked("steps=12"))
    path = store.checkpoint("0000") / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    done = terminal.gantlet("resume", folder, "-q")
    assert done.status == 1
    assert "Fleet 0000 goes on from step 3." in done.err
    planned = terminal.study(tmp_path / "planned", "vanilla", "steps=12", seeds="2")
    tensors, others = (terminal.checkpoint_of(each, "0000")[0] for each in (store, planned))
    assert all(np.array_equal(tensors[name].numpy(), others[name].numpy()) for name in others)


def test_an_edit_of_an_extended_study_is_damage(folder: Path) -> None:
    store = extend(terminal.study(folder, "vanilla", "lr_schedule=cosine"), "steps=8")
    content = json.loads((folder / "study.json").read_text())
    content["extensions"][0]["lengthened"] = []
    (folder / "study.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match="does not have its checksum"):
        store.record()


@pytest.mark.slow
def test_a_member_that_diverged_stays_where_it_was(folder: Path, tmp_path: Path) -> None:
    words = ("lr=0.001,1e30", "optimiser=sgd")
    store = extend(terminal.study(folder, "wgan-gp", *words, seeds="2"), "steps=12")
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["finished"] * 2 + ["diverged"] * 2
    assert differs(store, terminal.study(tmp_path / "planned", "wgan-gp", *words, "steps=12", seeds="2")) is None


@pytest.fixture
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A study of format 1 beside its data, with the paths of this place."""
    shutil.copytree(FIXTURES / "v1", tmp_path / "old")
    folder = tmp_path / "old" / str(request.param)
    for path in folder.rglob("*.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("DATA_FOLDER", str(tmp_path / "old")), encoding="utf-8"
        )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("old", ["table", "finished", "interrupted"], indirect=True)
def test_a_study_of_format_1_is_extended(old: Path) -> None:
    store = Store(old)
    before = store.record()
    steps = int(before.settings[0].values["steps"]) + 5
    extend(store, f"steps={steps}", seeds="7,")
    record, runs = store.record(), Study(old).runs
    assert json.loads((old / "study.json").read_text())["format"] == 2
    assert len(record.id) == 32
    assert record.plan.members[: before.members] == before.plan.members
    assert set(runs["status"]) == {"finished"}
    assert set(runs["generator_steps"]) == {steps}
    assert runs.groupby("setting", sort=False)["seed"].apply(lambda seeds: 7 in set(seeds)).all()
    assert gantlet.load(old, run=before.members) is not None
    assert "equal bit for bit" in replay(old, before.members)


# What is refused; nothing is lost by it


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Store:
    """A finished study, to which nothing is added."""
    return terminal.study(tmp_path_factory.mktemp("trained") / "study", "vanilla")


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        ([], BadGrid, "Nothing was named to add."),
        (["steps=3"], BadValue, "was planned for 6: a study can be made longer, not shorter."),
        (["steps=0"], BadValue, "steps=0 is not a length; expected at least 1."),
        (["steps=7,8"], BadGrid, "gives several lengths"),
        (["steps=many"], BadValue, "is not a number"),
        (["nothing"], UnknownName, "There is no method called 'nothing'"),
        (["lrr=1"], UnknownName, "There is no key called 'lrr'"),
        (["lr=-1"], BadValue, "out of range"),
        (["lr=1e-3,1e-3"], BadGrid, "lists a value twice"),
        (["steps=8", "epochs=3"], BadGrid, "both say how long to train"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_added_is_refused_and_nothing_is_written(
    trained: Store, words: list[str], error: type[Exception], sentence: str
) -> None:
    before = terminal.tree(trained.folder)
    with pytest.raises(error, match=sentence):
        extend(trained, *words)
    done = terminal.gantlet("extend", trained.folder, *words)
    assert (done.status, len(done.lines)) == (2, 1)
    assert terminal.tree(trained.folder) == before


def test_a_study_that_compares_lengths_is_not_made_one_length(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", "steps=4,6")
    with pytest.raises(BadGrid, match="name the method, too: vanilla steps=9"):
        extend(store, "steps=9")
    extend(store, "vanilla", "steps=9")
    assert [setting.label for setting in store.record().settings] == [f"vanilla steps={steps}" for steps in (4, 6, 9)]


@pytest.mark.slow
def test_other_data_are_refused(folder: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(1).normal(size=(128, 2))
    np.save(tmp_path / "points.npy", points)
    tiny = [word for word in terminal.TINY if "_size=" not in word or "batch" in word]
    store = terminal.trained(terminal.request(f"points:{tmp_path}/points.npy", "vanilla", *tiny), folder)
    before = (folder / "study.json").read_bytes()
    np.save(tmp_path / "points.npy", points + 1)
    with pytest.raises(BadData, match="are not those that"):
        extend(store, "steps=9")
    assert (folder / "study.json").read_bytes() == before
    np.save(tmp_path / "points.npy", points)
    extend(store, "steps=9", seeds="2")
    assert Study(folder).runs["generator_steps"].tolist() == [9, 9]


@pytest.mark.slow
def test_parts_of_a_strangers_own_ask_for_trust(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from gantlet.objectives.vanilla import Vanilla\n\n\nclass Loss(Vanilla):\n    pass\n"
    )
    store = terminal.study(folder, f"{tmp_path}/mine.py:Loss")
    extend(store, "steps=8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(Untrusted, match="SHA-256"):
        extend(store, "steps=9")
    assert terminal.gantlet("extend", folder, "steps=9", "--trust", "-q").status == 0
    assert {row["generator_steps"] for row in terminal.results(store).values()} == {9}


# From Python


@pytest.mark.slow
def test_python_extends_as_the_command_line_does(folder: Path, tmp_path: Path) -> None:
    one, other = (terminal.study(place, "vanilla", seeds="2") for place in (folder, tmp_path / "typed"))
    study = gantlet.extend(folder, ["alpha"], seeds=3, alpha_d=[0.3, 0.5])
    assert terminal.gantlet("extend", other.folder, "alpha", "alpha_d=0.3,0.5", "--seeds", "3", "-q").status == 0
    assert terminal.difference(one, other) is None
    assert study.extend(steps=8) is study
    assert study.runs["generator_steps"].tolist() == [8] * 9
    commands = [extension.command for extension in one.record().extensions]
    assert commands == ["gantlet.extend(methods=['alpha'], seeds=3, alpha_d=[0.3, 0.5])", "gantlet.extend(steps=8)"]
    with pytest.raises(UnknownName, match="option of an extension called 'out'"):
        study.extend(seeds=9, options={"out": "elsewhere"})
    with pytest.raises(BadValue, match="--workers -1 is negative"):
        study.extend(seeds=9, options={"workers": -1})


@pytest.mark.slow
def test_an_extension_takes_presets_workers_and_a_device_as_a_run_does(folder: Path, tmp_path: Path) -> None:
    store, other = (terminal.study(place, "vanilla") for place in (folder, tmp_path / "python"))
    threads, before = store.record().execution.threads, store.record().settings[0]
    moved = store.record().execution.model_copy(update={"device": "cuda:7"})
    store.update(store.record().model_copy(update={"execution": moved}))
    done = terminal.gantlet("extend", folder, "--preset", "seed", "--workers", "2", "--device", "cpu", "-q")
    assert (done.status, done.err) == (0, "")
    record = store.record()
    assert record.settings[0] == before
    assert [(each.values["latent"], each.sources["latent"]) for each in record.settings[1:]] == [
        ("pool", "preset seed")
    ]
    assert record.settings[1].values["g_width"] == 8, "what a user said at first"
    assert (record.execution.workers, record.execution.device, record.moved_from) == (2, "cpu", ("cuda:7",))
    assert record.execution.threads == threads
    assert set(Study(folder).runs["status"]) == {"finished"}
    gantlet.extend(other.folder, preset="seed", options={"workers": 2, "device": "cpu"})
    assert terminal.difference(store, other) is None
    done = terminal.gantlet("extend", folder, "--preset", "nobody")
    assert (done.status, len(done.lines)) == (2, 1)
    done = terminal.gantlet("extend", folder, "--seeds", "1", "--device", "cuda:9")
    assert (done.status, len(done.lines)) == (2, 1)
    assert store.record() == record


@pytest.mark.slow
@pytest.mark.usefixtures("real_report", "no_charts")
def test_a_report_of_an_extended_study_names_its_extensions(folder: Path) -> None:
    terminal.study(folder, "vanilla", "lr_schedule=cosine", seeds="2")
    done = terminal.gantlet("extend", folder, "steps=8", "--seeds", "3")
    assert done.status == 0
    assert "note: lr_schedule=cosine of 'vanilla' spans all steps: up to step 6" in done.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "up to step 6 it is that of the plan that ended there" in page
    shown = terminal.gantlet("show", folder, "--runs", "--format", "csv")
    assert len(shown.out.strip().splitlines()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("old", ["finished"], indirect=True)
def test_the_history_of_a_study_of_format_1_stays_whole(old: Path) -> None:
    """Its checkpoints do not name their history; two later ones do, and vouch for what was there before, too."""
    store = Store(old)
    first = store.history()
    steps = int(store.record().settings[0].values["steps"])
    for more in (5, 10):
        extend(store, f"steps={steps + more}")
    later = store.history()
    kept = later[later["step"] <= steps].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first)
    assert later["step"].max() == steps + 10
    assert verify_study(old).wrong == ()


def test_a_device_is_not_changed_while_somebody_extends(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    elsewhere = store.record().execution.model_copy(update={"device": "cuda"})
    store.update(store.record().model_copy(update={"execution": elsewhere}))
    before = (folder / "study.json").read_bytes()
    with locked(store.study_lock):
        done = terminal.gantlet("resume", folder, "--device", "cpu")
    assert (done.status, len(done.lines)) == (2, 1)
    assert "is in use by process" in done.err
    assert (folder / "study.json").read_bytes() == before
    assert terminal.gantlet("resume", folder, "--device", "cpu", "-q").status == 0
    assert store.record().execution.device == "cpu"


def test_a_dozen_images_train_with_the_defaults_and_are_extended(tmp_path: Path) -> None:
    """Few samples lower the batch, unless the user chose it: in new studies and in new settings of old ones."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8))
    task, small = f"images:{tmp_path}/x.npy", {"steps": 2, "evaluations": 1, "metrics": "none"}
    study = gantlet.run(task, "dcgan", out=tmp_path / "study", **small)
    store = extend(Store(study.folder), "lr=1e-4")
    packed = gantlet.run(task, "dcgan", out=tmp_path / "packed", pack=4, **small)
    batches = [
        setting.values["batch_size"] for each in (store, Store(packed.folder)) for setting in each.record().settings
    ]
    assert batches == [10, 10, 8]  # two are held out
    assert set(study.runs["status"]) == set(packed.runs["status"]) == {"finished"}
    for words, most in (({"batch_size": 64}, 64), ({"pack": 16}, 64)):
        with pytest.raises(BadData, match=f"holds 10 samples, fewer than one batch of {most}. Lower batch_size"):
            gantlet.run(task, "dcgan", out=tmp_path / "none", **small, **words)
