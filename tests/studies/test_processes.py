"""``--processes``: what is refused before anything is written, and what several processes make of studies of images and points."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

import terminal
from gantlet.errors import BadValue, Refused
from gantlet.requests.options import Options
from gantlet.studies.launch import create, resume
from gantlet.studies.planning import plan_study
from gantlet.studies.record import read_record
from gantlet.studies.store import Store
from gantlet.studies.views import write_views
from image_fixtures import picture

# Refused ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ("--processes", 3),
            "divides a batch into 3 equal parts, but the 32 samples of a batch are not a multiple of 3",
        ),
        (("--processes", 64), "into 64 equal parts"),
        (("--processes", 2, "accumulate=32"), "accumulate=32 and --processes 2 divides a batch into 64 equal parts"),
        (("accumulate=5",), "accumulate=5 divides a batch into 5 equal parts"),
        (("accumulate=4", "pack=16"), "in packs of 16, but the 32 samples of a batch are not a multiple of 64"),
        (("--processes", 2, "--route", "static"), "--route static trains members at once in one process"),
        (("--processes", 2, "--width", 4), "--width 4 trains members at once"),
        (("--processes", 2, "--workers", 2), "--workers 2 is not possible"),
        (("--processes", 2, "--executor", "inline"), "--executor inline does not start"),
        (("--processes", 2, "--minutes", 1), "--minutes measures steps of one process"),
        (("--processes", 2, "--device", "cuda:0"), "--device cuda:0 is one GPU"),
        (("--processes", 9, "--device", "cuda"), "--processes 9 needs a GPU for each, but torch sees"),
        (("--processes", 2, "--executor", "slurm", "--slurm", "nodes=3"), "nodes=3 cannot share --processes 2 evenly"),
        (("--executor", "slurm", "--slurm", "nodes=2"), "add --processes"),
    ],
)
def test_a_request_that_cannot_be_divided_is_one_sentence(words: tuple[object, ...], reason: str, folder: Path) -> None:
    methods, settings = "vanilla", [word for word in terminal.TINY if not word.startswith("steps")]
    done = terminal.gantlet("run", "ring8", methods, *settings, *words, "--out", folder)
    assert (done.status, folder.exists()) == (2, False)
    assert reason in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("method", "words", "part"),
    [
        ("coulomb", (), "a loss of the method 'coulomb'"),
        ("mmd", (), "a loss of the method 'mmd'"),
        ("cramer", (), "a loss of the method 'cramer'"),
        ("relativistic-average", (), "a loss of the method 'relativistic-average'"),
        ("dragan", (), "the penalty 'dragan_penalty'"),
        ("vanilla", ("penalties=max-gradient",), "the penalty 'max_gradient_penalty'"),
        ("vanilla", ("penalties=consistency",), "the penalty 'consistency_penalty'"),
    ],
)
def test_losses_that_are_no_means_over_samples_are_refused(method: str, words: tuple[str, ...], part: str) -> None:
    asked = terminal.request("ring8", method, *terminal.TINY, "accumulate=2", *words)
    with pytest.raises(
        Refused, match=rf"^accumulate=2 computes a batch in parts, but {part} is not known to be the mean"
    ):
        plan_study(asked, Options())


def test_a_part_of_one_sample_that_is_normalised_by_itself_is_refused() -> None:
    words = ("network=notebook-conv", "batch_size=4", "accumulate=4")
    with pytest.raises(Refused, match=r"batch_size=4 in 4 parts gives the generator one sample"):
        plan_study(terminal.request("digits", "vanilla", *words), Options())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("batch_size_g=1",), r"batch_size_g=1 gives the generator one sample at a time.*Use a larger batch_size_g"),
        (
            ("drop_last=false", "train_size=65"),
            r"batch_size=32 and drop_last=false, at the end of an epoch of 65 samples, gives the generator one",
        ),
    ],
)
def test_a_smaller_batch_of_one_sample_that_is_normalised_is_refused(words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        plan_study(terminal.request("digits", "vanilla", "network=notebook-conv", "batch_size=32", *words), Options())


@pytest.mark.slow
def test_a_study_says_by_how_many_processes(folder: Path) -> None:
    done = terminal.gantlet("run", "ring8", "vanilla,wgan", *terminal.TINY, "--processes", 2, "--dry-run", "--json")
    plan = json.loads(done.out)
    assert (plan["processes"], plan["workers"]) == (2, 1)
    assert [(fleet["route"], len(fleet["slots"])) for fleet in plan["fleets"]] == [("loop", 1)] * 2
    done = terminal.gantlet("run", "ring8", "vanilla", *terminal.TINY, "--processes", 2, "--dry-run")
    assert "by 2 processes together" in " ".join(done.out.split())
    write_views(create(terminal.planned(folder, "vanilla", processes=2)))
    record = read_record(folder / "study.json")
    assert (record.execution.processes, record.machine["processes"]) == (2, 2)
    assert "trained by 2 processes together" in " ".join(terminal.gantlet("show", folder).err.split())


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("wgan-gp", "divide them"),
        ("cr-gan", "divide those of images"),
        ("ebgan", "divide them"),
        ("mmd", "never divided"),
        ("dragan", "never divided"),
    ],
)
def test_a_method_is_explained_with_whether_its_batches_are_divided(method: str, words: str) -> None:
    assert words in terminal.gantlet("explain", method).out


def test_a_fleet_of_several_members_does_not_go_on_with_several_processes(folder: Path) -> None:
    create(terminal.planned(folder, "vanilla", seeds="2"))
    before = terminal.tree(folder)
    with pytest.raises(Refused, match=r"Fleet 0000 trains 2 members by the route stacked"):
        resume(folder, processes=2)
    with pytest.raises(BadValue, match=r"--processes -1 is not at least 1"):
        resume(folder, processes=-1)
    assert terminal.tree(folder) == before


# Trained ----------------------------------------------------------------------------------------------------------------

_RANK = """
import sys
from pathlib import Path
from gantlet.studies.executors.slurm_ranks import train_as_rank
from gantlet.studies.store import Store
from gantlet.studies.views import write_views
for folder in sys.argv[1:]:
    store = Store(Path(folder))
    (store.folder / "slurm").mkdir(exist_ok=True)
    fleets = [fleet.id for fleet in store.record().plan.fleets]
    for result in train_as_rank(store, fleets, start="0", notify=print, stopping=lambda: False):
        assert result.kind == "finished", result
"""

IMAGES = ("steps=20", "batch_size=16", "evaluations=2", "metrics=none", "lr=1e-3", "eps=1e-5", "dtype=float64")
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "digits": ("digits", ("accumulate=2",)),
    "streamed": ("folder:pictures", ("in_memory=false", "flips=true")),
}
GAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "vanilla": ("vanilla", ("ema=0.9",)),
    "wgan-gp": ("wgan-gp", ("n_critic=2", "penalty_every=2")),
    "r3gan": ("r3gan", ()),
    "team": ("vanilla", ("generators=2", "team_weights=learned")),
}
_BOTH, _GENERATOR = ("network=dcgan", "width=4"), ("network=notebook-conv", "g_width=4", "d_width=4", "hidden=16")
NORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "batch norm": dict.fromkeys(("vanilla", "team"), _BOTH) | dict.fromkeys(("wgan-gp", "r3gan"), _GENERATOR),
    "none": dict.fromkeys(GAMES, ("network=fc-mnist", "g_width=16", "d_width=16")),
}
STUDIES = {
    f"{task}, {game}, {norm}": (TASKS[task][0], GAMES[game][0], (*TASKS[task][1], *GAMES[game][1], *NORMS[norm][game]))
    for task in TASKS
    for game in GAMES
    for norm in NORMS
}
"""Penalties that differentiate by samples go with no batch norm in the discriminator, so there only the generator has it."""


def _create(folder: Path, name: str, processes: int) -> Store:
    task, method, words = STUDIES[name]
    asked = terminal.request(task, method, *IMAGES, *words)
    options = Options(out=folder, workers=1, processes=processes, recorded=0, route="loop", width=1)
    return create(plan_study(asked, options))


@pytest.mark.slow
def test_two_processes_train_on_images_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for place in range(48):
        Image.fromarray(picture(place, 16, 16)).save(tmp_path / "pictures" / f"{place}.png")
    alone = {name: _create(tmp_path / "alone" / name, name, 1) for name in STUDIES}
    both = {name: _create(tmp_path / "both" / name, name, 2) for name in STUDIES}
    assert len(STUDIES) == 16
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, *(str(store.folder) for store in both.values())],
            env={**os.environ, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for store in alone.values():
        resume(store.folder)
    said = [rank.communicate(timeout=500)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    found = {name: terminal.parameter_gap(both[name], alone[name]) for name in STUDIES}
    assert {name: gap for name, gap in found.items() if not gap < 1e-10} == {}
    for store in both.values():
        assert terminal.results(store)[0]["status"] == "finished"
        assert not list((store.folder / "fleets" / "0000").glob("*.lock*/*"))


# A process says that it has begun, that it is at its 21st step, and at its 25th, where it waits as long as a file is there.
GATED = """
import os, time
from pathlib import Path
from gantlet.objectives.vanilla import Vanilla

class Gated(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        Gated.calls += 1
        hold = os.environ.get("GATE", "")
        if hold and Gated.calls in (1, 21, 25):
            Path(f"{hold}.{Gated.calls}.{os.getpid()}").touch()
            while Gated.calls == 25 and os.path.exists(hold):
                time.sleep(0.02)
        return super().generator(fake=fake)
"""


def _at(gate: Path, step: int) -> set[int]:
    return {int(path.suffix[1:]) for path in gate.parent.glob(f"{gate.name}.{step}.*")}


@pytest.mark.slow
def test_a_killed_rank_and_a_killed_parent_cost_no_more_than_steps(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, other = f"{tmp_path}/gated.py:Gated", tmp_path / "other"
    (tmp_path / "gated.py").write_text(GATED)
    settings = [word for word in terminal.TINY if not word.startswith(("steps=", "evaluations="))]
    words = (*settings, "steps=40", "evaluations=4", "--processes", 2, "--quiet", "--out")
    whole = terminal.study(tmp_path / "whole", method, "steps=40", "evaluations=4", route="loop", width=1)

    gate = tmp_path / "rank"
    monkeypatch.setenv("GATE", str(gate))
    gate.touch()
    run = terminal.launch("run", "ring8", method, *words, folder, cwd=tmp_path)
    terminal.wait_until(lambda: len(_at(gate, 25)) == 2, run, seconds=180)
    os.kill(max(_at(gate, 25)), signal.SIGKILL)  # one rank; the last checkpoint is of step 20
    gate.unlink()
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, (out, err)
    assert len(_at(gate, 1) - {run.pid}) == 4  # both were started again; the command itself tried the loss
    assert len(_at(gate, 21)) == 2  # and had 20 steps to do
    assert terminal.parameter_gap(Store(folder), whole) < 1e-6

    gate = tmp_path / "parent"
    monkeypatch.setenv("GATE", str(gate))
    gate.touch()
    run = terminal.launch("run", "ring8", method, *words, other, cwd=tmp_path)
    terminal.wait_until(lambda: len(_at(gate, 25)) == 2, run, seconds=180)
    run.kill()
    run.communicate()
    end = time.monotonic() + 60
    while any(psutil.pid_exists(rank) for rank in _at(gate, 25)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(rank) for rank in _at(gate, 25))
    monkeypatch.delenv("GATE")
    resume(other, processes=1, trust=True)
    assert read_record(other / "study.json").execution.processes == 1
    assert terminal.parameter_gap(Store(other), whole) < 1e-6
