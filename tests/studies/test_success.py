"""The key ``success``: a rule on columns, held over evaluations, the same whether a run was interrupted or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gantlet
import terminal
from gantlet.errors import BadValue, UnknownName
from gantlet.requests.grid import parse_axis
from gantlet.requests.options import Options
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.launch import resume, start
from gantlet.studies.plan import plan_of
from gantlet.studies.planning import plan_study
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.success import recent_of

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "studies"
SMALL = {"steps": 8, "batch_size": 16, "samples": 200, "evaluations": 4, "train_size": 256, "test_size": 256}
SMALL |= {"g_width": 8, "d_width": 8, "g_depth": 1, "d_depth": 1}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def study(success: str | list[str], **more: object) -> Study:
    return gantlet.run(
        "ring8", "vanilla", seeds=2, out="st", success=success, options={"executor": "inline"}, **(SMALL | more)
    )


def test_rules_of_one_grid_decide_differently_and_are_recorded() -> None:
    """After eight steps nothing is of high quality: what must be at most 1 holds four times, but not five."""
    found = study(["high_quality<=1:4", "high_quality<=1:5", "high_quality>=1+modes>=0"])
    by_setting = found.runs.groupby("setting")["success"].agg(list)
    assert by_setting.tolist() == [[True, True], [False, False], [False, False]]
    record = Store(found.folder).record()
    assert record.metrics["success"].help.startswith("high_quality<=1:4 or, by setting, ")
    assert [setting.values["success"] for setting in record.settings] == [
        "high_quality<=1:4",
        "high_quality<=1:5",
        "high_quality>=1+modes>=0",
    ]
    history = found.history
    course = history[(history["run"] == 0) & (history["name"] == "success")]
    assert course["value"].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_what_must_hold_is_remembered_over_an_interruption() -> None:
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    words = [f"{name}={value}" for name, value in SMALL.items()]
    request = terminal.request("ring8", "vanilla", *words, "success=modes>=0:4", seeds="2")
    start(plan_study(request, Options(out=Path("whole"), workers=1, executor="inline")))
    start(plan_study(request, Options(out=Path("cut"), workers=1, executor="inline")), Callbacks(stopping=stopping))
    assert set(Study(Path("cut")).runs["status"]) == {"stopped"}
    resume(Path("cut"))
    assert Study(Path("cut")).runs["success"].tolist() == [True, True]
    assert terminal.difference(Store(Path("cut")), Store(Path("whole"))) is None


def test_a_rule_takes_the_place_of_the_metrics_own_and_a_task_may_have_one() -> None:
    words = [f"{name}={value}" for name, value in SMALL.items()]
    own = plan_study(terminal.request("ring8", "vanilla", *words, "success=none", seeds="1"), Options())
    assert own.record().metrics["success"].help == "all 8 modes are covered"
    planned = plan_study(terminal.request("ring8", "vanilla", *words, seeds="1"), Options(out=Path("b")))
    assert planned.record().metrics["success"].help == "modes>=8 and high_quality>=0.1"
    other = plan_study(terminal.request("ring8", "vanilla", *words, "metrics=two-sample", seeds="1"), Options())
    assert "success" not in other.record().metrics


def test_a_rule_that_cannot_be_followed_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UnknownName, match=r"no column for success called 'mode'\. Did you mean 'modes'"):
        study("mode>=8")
    with pytest.raises(BadValue, match="'modes>8' is not a criterion"):
        study("modes>8")
    assert not Path("st").exists()


def test_what_is_added_later_says_its_rule_and_its_floors_too() -> None:
    words = [f"{name}={value}" for name, value in SMALL.items()]
    request = terminal.request("ring8", "vanilla", *words, "success=high_quality<=1", seeds="1")
    store = start(plan_study(request, Options(out=Path("st"))), executor=FakeExecutor())
    before = store.record().metrics
    extend_plan(store.folder, Extension(axes=(parse_axis("success=modes>=0"),)))
    extend_plan(store.folder, Extension(axes=(parse_axis("metrics=two-sample"), parse_axis("success=none"))))
    after = store.record().metrics
    assert after["success"].help == "high_quality<=1 or, by setting, modes>=0"
    assert {name: after[name] for name in before if name != "success"} == {
        name: entry for name, entry in before.items() if name != "success"
    }
    added = {name: entry.floor for name, entry in after.items() if name not in before}
    assert added
    assert all(floor is not None for floor in added.values())


def test_what_a_checkpoint_does_not_say_rightly_is_left_out() -> None:
    assert recent_of([[[1.0, 2]], [["x"]], 5, []]) == {0: [[1.0, 2]], 3: []}
    assert recent_of(None) == recent_of("text") == {}


def test_an_old_study_judges_what_is_added_by_the_rule_it_had(tmp_path: Path) -> None:
    """Written before the key: its success is the metric's own, and the task's rule of today must not stand beside it."""
    shutil.copytree(FIXTURES / "v1" / "finished", tmp_path / "old")
    for word in ("lr_g=0.0005", "lr_g=0.0006"):  # the second time the first one is there to be extended, too
        extend_plan(tmp_path / "old", Extension(("vanilla",), (parse_axis(word),)), trust=True)
    record = Store(tmp_path / "old").record()
    assert [each.label for each in record.settings][2:] == ["vanilla lr_g=0.0005", "vanilla lr_g=0.0006"]
    assert {resolved.training.success for resolved in plan_of(record).settings} == {""}
    assert record.metrics["success"].help == "all 8 modes are covered"


def test_a_rule_that_an_extension_adds_is_recorded_beside_the_others(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "v1" / "finished", tmp_path / "old")
    extend_plan(tmp_path / "old", Extension(("vanilla",), (parse_axis("success=modes>=7"),)), trust=True)
    record = Store(tmp_path / "old").record()
    assert plan_of(record).settings[-1].training.success == "modes>=7"
    assert record.metrics["success"].help == "all 8 modes are covered or, by setting, modes>=7"
