"""``gantlet run``, ``resume`` and ``replay`` on tiny studies: what is printed, written, and the exit status."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import terminal
from gantlet.studies.store import Store
from gantlet.training.fleet import Fleet
from terminal import TINY, gantlet
from thinning import leading

OWN = """
import torch
from gantlet.objectives.vanilla import Vanilla

class {name}(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        {name}.calls += 1
        if {name}.calls == 5:  # the first is a trial
            {act}
        return super().generator(fake=fake)
"""


def own(folder: Path, name: str, act: str) -> str:
    """A file with an objective that does something at its fourth step."""
    path = folder / f"{name.lower()}.py"
    path.write_text(OWN.format(name=name, act=act))
    return f"{path}:{name}"


def run(folder: Path, methods: str, *words: str) -> terminal.Done:
    return gantlet("run", "ring8", methods, *TINY, "--workers", "1", "--out", folder, *words)


def test_a_study_is_trained_summed_up_and_reported(folder: Path) -> None:
    done = run(folder, "vanilla,alpha", "lr=1e-3,2e-3", "metrics=classification-error", "--seeds", "2")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"8 members in 2 fleets -> {folder}"
    assert [line.partition(" after ")[0] for line in lines[1:3]] == ["fleet 0000: finished", "fleet 0001: finished"]
    assert "alpha lr=2e-3" in done.out
    assert lines[-1] == f"report: {folder}/report.html"
    assert (folder / "report.html").is_file()
    assert {"study.json", "fleets", "runs.parquet", "history.parquet"} <= {path.name for path in folder.iterdir()}
    record = Store(folder).record()
    assert record.command.startswith("gantlet run ring8 vanilla,alpha g_width=8")
    assert pd.read_parquet(folder / "runs.parquet")["seed"].tolist() == [1, 2] * 4


@pytest.mark.slow
@pytest.mark.usefixtures("real_report")
def test_the_report_at_the_end_names_every_setting(folder: Path) -> None:
    assert run(folder, "vanilla,alpha", "lr=1e-3,2e-3", "--seeds", "2").status == 0
    assert (folder / "report.html").read_text(encoding="utf-8").count("alpha lr=2e-3") > 2


def test_a_single_run_is_a_study_of_one(folder: Path) -> None:
    assert run(folder, "vanilla", "--seeds", "7,").status == 0
    runs = pd.read_parquet(folder / "runs.parquet")
    assert (runs["run"].tolist(), runs["seed"].tolist(), runs["route"].tolist()) == ([0], [7], ["loop"])


def test_quiet_prints_the_folder_alone(folder: Path) -> None:
    done = run(folder, "vanilla", "--quiet")
    assert (done.status, done.out, done.err) == (0, f"{folder}\n", "")


def test_json_prints_one_object_a_line(folder: Path) -> None:
    done = run(folder, "vanilla", "--json", "--seeds", "2")
    said = [json.loads(line) for line in done.out.splitlines()]
    assert said[-1] == {"folder": str(folder), "report": f"{folder}/report.html", "status": {"finished": 2}}
    assert said[-2] == {"fleet": "0000", "outcome": "finished", "error": None}
    told = [(entry["progress"]["step"], entry["progress"]["evaluating"]) for entry in said[:-2]]
    assert told == [(3, True), (3, False), (6, True), (6, False)]
    assert done.err == ""


def test_the_default_folder_lies_under_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = gantlet("run", "ring8", "vanilla", *TINY, "--quiet")
    (made,) = (tmp_path / "runs").iterdir()
    assert done.out == f"runs/{made.name}\n"
    assert made.name.startswith("ring8-")


@pytest.mark.parametrize(
    ("option", "column", "value"),
    [(("--width", "2"), "width", 2), (("--route", "loop"), "route", "loop"), (("--note", "hello"), None, "hello")],
)
def test_options_reach_the_study(folder: Path, option: tuple[str, str], column: str | None, value: Any) -> None:
    assert run(folder, "vanilla", "--seeds", "4", *option).status == 0
    found = set(pd.read_parquet(folder / "runs.parquet")[column]) if column else {Store(folder).record().note}
    assert found == {value}


def test_a_preset_reaches_the_study(folder: Path) -> None:
    assert run(folder, "vanilla", "--preset", "seed").status == 0
    assert Store(folder).record().settings[0].sources["latent"] == "preset seed"


# Members that do not finish


def test_a_network_that_breaks_in_the_middle_fails_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "class G(nn.Module):\n"
        "    trained = 0\n"
        "    def __init__(self, latent, shape):\n        super().__init__()\n        self.layer = nn.Linear(latent, 2)\n"
        "    def forward(self, z):\n"
        "        G.trained += len(z) == 32\n"  # the batch of training
        "        if G.trained == 5 and len(z) == 32:\n            raise ValueError('no fifth forward')\n"
        "        return self.layer(z)\n"
    )
    words = [word for word in TINY if not word.startswith("g_")]
    network = f"generator={tmp_path}/nets.py:G"
    done = gantlet(
        *("run", "ring8", "vanilla,alpha", *words, network, "--workers", "1", "--out", folder, "--route", "loop")
    )
    assert done.status == 3
    assert done.err == "gantlet: 1 of 2 members failed; run 0: ValueError: no fifth forward\n"
    assert pd.read_parquet(folder / "runs.parquet")["status"].tolist() == ["failed", "finished"]
    assert (folder / "report.html").exists()


def test_members_that_diverge_are_told(folder: Path, tmp_path: Path) -> None:
    trips = own(tmp_path, "Trips", "return super().generator(fake=fake) + torch.tensor([[0.0], [torch.inf], [0.0]])")
    done = run(folder, trips, "--seeds", "3")
    assert done.status == 3
    assert done.err == "gantlet: 1 of 3 members diverged; run 1: the generator's loss was not finite\n"
    runs = pd.read_parquet(folder / "runs.parquet")
    assert runs["status"].tolist() == ["finished", "diverged", "finished"]
    assert runs["diverged_step"].tolist() == [pd.NA, 3, pd.NA]


@pytest.mark.slow
@pytest.mark.usefixtures("real_report", "no_charts")
def test_a_study_in_which_doctor_finds_something_ends_with_its_command(folder: Path, tmp_path: Path) -> None:
    trips = own(tmp_path, "Stumbles", "return super().generator(fake=fake) + torch.tensor([[torch.inf]])")
    done = run(folder, trips)
    hint, told = done.err.splitlines()
    assert hint.startswith("gantlet: signs of divergence")
    assert hint.endswith(f"; what to do says: gantlet doctor {folder}")
    assert told.startswith("gantlet: 1 of 1 members diverged")
    assert "divergence" in gantlet("doctor", folder).out  # the command that it names agrees


@pytest.mark.slow
@pytest.mark.usefixtures("real_report")
def test_a_study_in_which_all_fail_says_so(folder: Path, tmp_path: Path) -> None:
    done = run(folder, own(tmp_path, "Breaks", "raise ValueError('no')"), "--seeds", "2")
    assert done.status == 3
    assert done.err == "gantlet: 2 of 2 members failed; run 0: ValueError: no\n"


# Memory


@pytest.mark.slow
def test_a_narrower_width_for_lack_of_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.studies.plan.available_memory", lambda device: 1)
    done = run(folder, "vanilla", "--seeds", "2")
    assert done.status == 0
    (note,) = [line for line in done.out.splitlines() if line.startswith("note: ")]
    assert note.startswith("note: width 1 instead of 2: a member takes about")
    assert pd.read_parquet(folder / "runs.parquet")["width"].tolist() == [1, 1]


def test_networks_that_cannot_be_stacked_are_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(
        "from torch import nn\ndef judge():\n    return nn.Sequential(nn.Linear(2, 4), nn.Dropout(), nn.Linear(4, 1))\n"
    )
    words = [word for word in TINY if not word.startswith("d_")]
    judge = f"discriminator={tmp_path}/judges.py:judge"
    done = gantlet("run", "ring8", "vanilla", *words, judge, "--seeds", "2", "--workers", "1", "--out", folder)
    assert done.status == 0
    assert done.out.count("note: members run one by one, because these networks cannot be stacked") == 1


@pytest.mark.slow
def test_a_fleet_that_was_cut_for_lack_of_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Fleet.advance

    def narrow(fleet: Fleet) -> None:
        if fleet.members > 2:
            raise MemoryError
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", narrow)
    done = run(folder, "vanilla", "--seeds", "4")
    assert done.status == 0
    assert "note: fleet 0000 ran out of memory and was cut into fleets of 2 and 2 members\n" in done.out
    assert gantlet("replay", folder, 3).status == 0


# Stopping and going on


@pytest.mark.parametrize("number", leading((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
def test_a_signal_saves_and_stops_and_resume_ends_the_study(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    advance = Fleet.advance

    def advance_and_signal(fleet: Fleet) -> None:
        advance(fleet)
        if fleet.step == 4:
            signal.raise_signal(number)

    known = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(each) for each in known]
    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "advance", advance_and_signal)
        done = run(folder, "vanilla,alpha", "--seeds", "2")
    assert done.status == 130
    assert done.err == f"gantlet: stopped and saved. Continue with: gantlet resume {folder}\n"
    assert "fleet 0000: stopped" in done.out
    assert pd.read_parquet(folder / "runs.parquet")["status"].tolist() == ["stopped"] * 4
    assert [signal.getsignal(each) for each in known] == handlers
    again = gantlet("resume", folder)
    assert (again.status, again.err) == (0, "")
    assert run(tmp_path / "whole", "vanilla,alpha", "--seeds", "2").status == 0
    assert terminal.difference(Store(folder), Store(tmp_path / "whole")) is None


def test_a_second_signal_insists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(_: Fleet) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Fleet, "advance", impatient)
    done = run(folder, "vanilla")
    assert (done.status, "Traceback" in done.err) == (130, False)


@pytest.mark.slow
@pytest.mark.usefixtures("real_report")
def test_a_stopped_study_can_be_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Fleet.advance

    def advance_and_signal(fleet: Fleet) -> None:
        advance(fleet)
        if fleet.step == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "advance", advance_and_signal)
        run(folder, "vanilla,alpha")
    shown = gantlet("show", folder, "--format", "csv")
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.splitlines()[0].startswith("task,method,setting,seeds,finished,diverged,unfinished")
    assert [line.split(",")[3:7] for line in shown.out.splitlines()[1:]] == [["1", "0", "0", "1"]] * 2
    assert gantlet("report", folder).status == 0
    assert gantlet("sample", folder, 0, "--out", folder / "x.npy").status == 0  # as it stands at its checkpoint
    assert gantlet("sample", folder, 1, "--out", folder / "y.npy").err == (
        f"gantlet: Run 1 has no checkpoint yet. Train it with: gantlet resume {folder}\n"
    )
    assert "is not finished, so there is nothing to compare" in gantlet("replay", folder, 0).err


def _as_before_its_end(folder: Path) -> None:
    """A study as it was before its fleets had results, and before any table was made of them."""
    for path in (*folder.glob("fleets/*/results.json"), *folder.glob("*.parquet")):
        path.unlink()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_told_and_the_rest_goes_on(folder: Path) -> None:
    run(folder, "vanilla,alpha")
    _as_before_its_end(folder)
    tensors = Store(folder).checkpoint("0000") / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-20])
    done = gantlet("resume", folder, "--quiet")
    assert done.status == 1
    assert len(done.lines) == 1
    assert "is damaged: its tensors do not have their checksum. Fleet 0000 goes on from step 3." in done.err
    assert pd.read_parquet(folder / "runs.parquet")["status"].tolist() == ["finished", "finished"]


@pytest.mark.slow
def test_damage_is_told_when_training_is_stopped_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, "vanilla,alpha")
    _as_before_its_end(folder)
    tensors = Store(folder).checkpoint("0000") / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-20])
    advance = Fleet.advance

    def advance_and_signal(fleet: Fleet) -> None:
        advance(fleet)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Fleet, "advance", advance_and_signal)
    done = gantlet("resume", folder, "--quiet")
    assert (done.status, len(done.lines)) == (130, 2)
    assert "is damaged: its tensors do not have their checksum. Fleet 0000 goes on from step 3." in done.lines[0]
    assert done.lines[1].startswith("gantlet: stopped and saved.")


@pytest.mark.slow
def test_resume_of_a_finished_study_trains_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, "vanilla,alpha", "--seeds", "2")
    before = terminal.tree(folder / "fleets")
    monkeypatch.setattr(Fleet, "advance", lambda fleet: pytest.fail("a finished member was trained again"))
    assert gantlet("resume", folder, "--quiet").out == f"{folder}\n"
    assert terminal.tree(folder / "fleets") == before


def test_replay_says_what_it_found(finished: Store) -> None:
    done = gantlet("replay", finished.folder, 5)
    assert done.status == 0
    assert done.out.splitlines()[0].startswith("training run 5 again, with the 3 other members")
    assert "equal bit for bit after 6 steps" in done.out
    assert len(gantlet("replay", finished.folder, 5, "--quiet").out.splitlines()) == 1


def test_a_replay_that_differs_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, "vanilla", "lr=1e-3")
    monkeypatch.setattr("gantlet.randomness.KEY_VERSION", -1)  # other random numbers
    done = gantlet("replay", folder, 0)
    assert done.status == 1
    assert len(done.lines) == 1
    assert done.err.startswith("gantlet: The replay differs from the record: ")


def test_tensorboard_files_are_written_when_asked(folder: Path) -> None:
    assert run(folder, "vanilla", "--tensorboard").status == 0
    assert list((folder / "tensorboard" / "0").glob("events.out.*"))
