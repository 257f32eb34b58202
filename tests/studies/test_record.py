"""``study.json``: what is written before step 0."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gantlet
import terminal
from gantlet.studies.record import (
    command_line,
    execution_of,
    facts_of_machine,
    git_commit,
    now,
    plan_from_record,
    versions,
)
from gantlet.studies.store import Store


def test_the_record_is_written_before_step_0(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(BaseException):
        pass

    def advance(_: object) -> None:
        assert (folder / "study.json").exists()
        raise Stopped

    monkeypatch.setattr("gantlet.training.fleet.Fleet.advance", advance)
    with pytest.raises(Stopped):
        terminal.study(folder, "vanilla", seeds="2")
    assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_the_record_holds_what_resume_and_the_report_need(finished: Store) -> None:
    record = finished.record()
    assert record["members"] == 8
    assert record["task"]["name"] == "ring8"
    assert [setting["label"] for setting in record["settings"]] == [
        f"{method} lr={lr}" for method in ("vanilla", "alpha") for lr in ("0.001", "0.002")
    ]
    assert record["settings"][0]["sources"]["lr_g"] == "user"
    assert record["settings"][0]["sources"]["beta1"] == "task × method"
    assert record["execution"] == {"device": "cpu", "workers": 1, "threads": 1}
    assert record["metrics"]["modes"]["better"] == "higher"
    assert record["facts"]["data"]["modes"] == 8
    assert record["facts"]["metrics"]["samples"] == 25000
    assert record["gantlet"] == gantlet.__version__
    assert record["versions"] == versions()
    assert {"device", "system", "cores", "cpu_capability", "threads", "workers"} <= record["machine"].keys()


def test_the_plan_is_read_back_as_it_was_made(folder: Path) -> None:
    prepared = terminal.prepared(folder, "vanilla,alpha", "lr=0.1,0.2", seeds="3", width=4, note="a remark")
    from gantlet.studies.study import start

    start(prepared)
    record = Store(folder).record()
    assert plan_from_record(record) == prepared.plan
    assert record["note"] == "a remark"
    execution = execution_of(record, prepared.plan.fleets[0])
    assert (execution.route, execution.device) == ("stacked", torch.device("cpu"))


def test_the_record_is_plain_json(finished: Store) -> None:
    text = (finished.folder / "study.json").read_text(encoding="utf-8")
    assert json.loads(text) == finished.record()


def test_words_of_the_command_are_quoted_where_a_shell_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/gantlet", "run", "points:my file.npy", "alpha", "lr=1e-3"])
    assert command_line() == "gantlet run 'points:my file.npy' alpha lr=1e-3"


def test_the_commit_is_that_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None
    words = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first"]
    for command in (["init", "-q"], words):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert git_commit() == head.stdout.strip()


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert git_commit() is None


def test_the_machine_has_a_name_and_the_time_is_in_utc() -> None:
    assert facts_of_machine(torch.device("cpu"))["device"]
    assert now().endswith("+00:00")


def test_a_study_from_before_a_key_existed_has_its_default(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    before = gantlet.load(folder, run=1).state_dict()
    record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for setting in record["settings"]:
        for key in ("team_weights", "ema"):
            del setting["values"][key], setting["sources"][key]
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    (resolved,) = plan_from_record(store.record()).settings
    assert (resolved.values["team_weights"], resolved.values["ema"]) == ("uniform", 0.0)
    assert resolved.sources["ema"] == "default, since the study was written"
    after = gantlet.load(folder, run=1).state_dict()
    assert all(value.equal(before[name]) for name, value in after.items())
