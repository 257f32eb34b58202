"""``study.json``: what is written before step 0."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gantlet
import terminal
from gantlet.data.specification import SampleSpec
from gantlet.errors import Damaged
from gantlet.files import sealed
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.fleets import execution_of
from gantlet.studies.launch import start
from gantlet.studies.machine import command_line, facts_of_machine, git_commit, now, versions
from gantlet.studies.plan import plan_of
from gantlet.studies.record import ExecutionRecord, StudyRecord, read_record
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
    assert sorted(path.name for path in folder.iterdir()) == ["fleets", "study.json"]
    assert list((folder / "fleets").iterdir()) == []


def test_the_record_holds_what_resume_and_the_report_need(finished: Store) -> None:
    record = finished.record()
    assert (record.format, record.members) == (2, 8)
    assert (record.task.name, record.task.headline, record.task.pictures) == ("ring8", "modes", "points")
    assert [setting.label for setting in record.settings] == [
        f"{method} lr={lr}" for method in ("vanilla", "alpha") for lr in ("0.001", "0.002")
    ]
    assert record.settings[0].sources["lr_g"] == "user"
    assert record.settings[0].sources["beta1"] == "task × method"
    assert record.execution == ExecutionRecord(device="cpu", workers=1, threads=1, executor="local")
    assert record.metrics["modes"].better == "higher"
    assert record.facts["data"]["modes"] == 8
    assert record.facts["metrics"]["mixture"]["samples"] == 25000
    assert (record.sample.shape, record.sample.pool, record.sample.extent) == ((2,), 256, 2.0)
    assert record.gantlet == gantlet.__version__
    assert record.versions == versions()
    assert {"device", "system", "cores", "cpu_capability", "threads", "workers"} <= record.machine.keys()


def test_the_plan_is_read_back_as_it_was_made(folder: Path) -> None:
    planned = terminal.planned(folder, "vanilla,alpha", "lr=0.1,0.2", seeds="3", width=4, note="a remark")
    start(planned, executor=FakeExecutor())
    record = Store(folder).record()
    assert plan_of(record).recorded() == planned.plan.recorded() == (record.settings, record.plan)
    assert record.note == "a remark"
    execution = execution_of(record, planned.plan.fleets[0])
    assert (execution.route, execution.device) == ("stacked", torch.device("cpu"))


def test_the_record_is_plain_json_and_is_read_as_it_was_written(finished: Store) -> None:
    path = finished.folder / "study.json"
    record = read_record(path)
    assert record.to_json() == path.read_text(encoding="utf-8")
    content = json.loads(record.to_json())
    assert content == sealed(content)
    assert content.keys() == StudyRecord.model_fields.keys() | {"seal"}
    assert StudyRecord.model_validate({name: part for name, part in content.items() if name != "seal"}) == record


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
    (folder / "study.json").write_text(json.dumps(record | {"digest": "", "seal": None}), encoding="utf-8")
    state = folder / "fleets" / "0000" / "checkpoint" / "state.json"
    state.write_text(json.dumps(sealed(json.loads(state.read_text()) | {"study": ""})))  # nor was there a digest
    (resolved,) = plan_of(store.record()).settings
    assert (resolved.values["team_weights"], resolved.values["ema"]) == ("uniform", 0.0)
    assert resolved.sources["ema"] == "default, since the study was written"
    after = gantlet.load(folder, run=1).state_dict()
    assert all(value.equal(before[name]) for name, value in after.items())


def test_numbers_of_another_type_do_not_damage_a_record(tmp_path: Path) -> None:
    """A task of one's own says ``extent=3`` and ``pixel_range=(0, 255)`` where the record has floating point."""
    record = terminal.study_record(sample=SampleSpec((2,), pool=256, extent=3, pixel_range=(0, 255)))
    store = Store(tmp_path / "study")
    store.create(record)
    found = store.record()
    assert found.sample.extent == 3.0
    store.update(found.model_copy(update={"moved_from": ("cpu",)}))
    assert store.record().seal == found.seal


def test_keys_that_a_later_version_adds_do_not_damage_what_was_written(tmp_path: Path) -> None:
    """The digest is of the file's content, not of a model that may have grown."""
    store = Store(tmp_path / "study")
    store.create(terminal.study_record())
    path = store.folder / "study.json"
    content = json.loads(path.read_text())
    del content["plan"]["fleets"][0]["notes"]  # as a version would write it that had no notes yet
    tied = {name: content[name] for name in ("id", "parts", "settings", "plan", "sample", "task", "metrics", "members")}
    content["digest"] = hashlib.sha256(json.dumps(tied, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(sealed(content)))
    assert store.record().plan.fleets[0].notes == ()
    assert store.record().seal == content["digest"]


def test_a_record_is_read_anew_once_its_bytes_are_others(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    first = store.record()
    assert store.record() is first
    path = folder / "study.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"command": "', b'"command": "X'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Damaged, match="does not have its checksum"):
        store.record()
    store.update(first.model_copy(update={"command": "another"}))
    assert (store.record().command, first.command) == ("another", first.command)
