"""Parts of a user's own in Python: who trains them, what a file being imported may not do, and a study that fails whole."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import gantlet
from gantlet import catalogue
from gantlet.errors import TrainingFailed, UsageError
from gantlet.objectives.vanilla import Vanilla
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request
from gantlet.studies.executors.base import Callbacks, Executor, FleetResult
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.executors.inline import InlineExecutor
from gantlet.studies.executors.local import LocalExecutor
from gantlet.studies.launch import start
from gantlet.studies.planning import plan_study
from gantlet.studies.study import Study
from terminal import planned

SCRIPT = """
import gantlet
from gantlet.objectives.vanilla import Vanilla

class Own(Vanilla):
    pass

{call}
"""
CALL = (
    'study = gantlet.run("ring8", [Own, "vanilla"], seeds=2, steps=2, g_width=4, d_width=4, train_size=256, '
    'test_size=64, samples=20, evaluations=1, out="study", options={"workers": 2})\n'
    "    print(sorted(study.runs['status']))"
)


class AtTop(Vanilla):
    """Importable by any process."""


class Callable(nn.Module):
    """An objective of which an instance can be called."""

    needs, symmetric, smoothing, saturating = frozenset[str](), True, 0.0, False
    discriminator, generator = Vanilla.discriminator, Vanilla.generator


@pytest.mark.parametrize(
    "executor", [LocalExecutor(), InlineExecutor(), FakeExecutor()], ids=lambda e: type(e).__name__
)
def test_executors_keep_the_protocol(executor: object) -> None:
    assert isinstance(executor, Executor)
    assert not isinstance(object(), Executor)


def test_an_executor_is_handed_every_unfinished_fleet(folder: Path) -> None:
    fake, ended = FakeExecutor(end=lambda fleet: FleetResult(fleet, "failed", "no")), list[FleetResult]()
    study = start(planned(folder, "vanilla,alpha"), Callbacks(ended=ended.append), executor=fake)
    assert [sorted(fleets) for fleets in fake.asked] == [["0000", "0001"]]
    assert [result.kind for result in ended] == ["failed", "failed"]
    assert Study(study.folder).runs["status"].tolist() == ["stopped", "stopped"]  # nothing was written down


def test_what_no_other_process_can_import_is_trained_by_this_one(caplog: pytest.LogCaptureFixture) -> None:
    class Local(Vanilla):
        pass

    cases = ((Local, "inline"), (Vanilla(smoothing=0.1), "inline"), (Callable(), "inline"), (AtTop, "local"))
    for method, executor in cases:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "gantlet"):
            request = Request("ring8", (catalogue.remember(method),), seeds=(1, 2))
            study = plan_study(request, Options(workers=2))
        assert study.executor == executor
        notes = [
            record.getMessage() for record in caplog.records if "no worker process can import it" in record.getMessage()
        ]
        assert len(notes) == (executor == "inline")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "executor"), [("if True:\n    ", "inline"), ('if __name__ == "__main__":\n    ', "local")]
)
def test_a_script_without_a_guard_trains_in_its_own_process(tmp_path: Path, head: str, executor: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(call=head + CALL))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(["finished"] * 4)
    assert ("no worker process can import it" in done.stderr) == (executor == "inline")
    assert f'"executor": "{executor}"' in (tmp_path / "study" / "study.json").read_text()


@pytest.mark.parametrize("form", ["{}.py:Own", "{}:Own"], ids=["file", "module"])
@pytest.mark.parametrize(
    "call", ['gantlet.run("ring8", "vanilla")', "gantlet.GAN().fit([[1.0, 2.0]])"], ids=["run", "fit"]
)
def test_what_trains_while_it_is_imported_for_its_parts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, call: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trains_at_top.py").write_text(SCRIPT.format(call=call))
    with pytest.raises(
        UsageError, match=r"^\S+ is called while \S+ is imported .* if __name__ == '__main__'.*train\.$"
    ):
        catalogue.load_path(form.format("trains_at_top"))
    catalogue.refuse_while_importing("what is called afterwards")


def test_a_study_of_which_every_member_failed_is_an_error(folder: Path) -> None:
    class Broken(Vanilla):
        calls = 0

        def generator(self, **given: Any) -> Any:
            Broken.calls += 1
            if Broken.calls > 1:  # the first is the trial
                raise ValueError("it broke")
            return super().generator(**given)

    small: dict[str, Any] = {"g_width": 4, "d_width": 4, "steps": 2, "train_size": 256, "samples": 20}
    with pytest.raises(TrainingFailed, match=r"All 2 members failed, see .*study: ValueError: it broke"):
        gantlet.run("ring8", Broken, seeds=2, out=folder, **small)
    assert gantlet.Study(folder).runs["status"].tolist() == ["failed"] * 2
    Broken.calls = 0
    mixed = gantlet.run("ring8", [Broken, "vanilla"], out=folder.with_name("mixed"), **small)
    assert mixed.runs["status"].tolist() == ["failed", "finished"]
