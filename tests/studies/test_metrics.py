"""The key ``metrics`` from the command line to every table: chosen, composed, of the user's own, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import terminal
from gantlet import catalogue
from gantlet.reports.page import write_report
from gantlet.requests.options import Options
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume, start
from gantlet.studies.plan import plan_of
from gantlet.studies.planning import plan_study
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.studies.study import Study

MINE = '''
from dataclasses import dataclass

from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.metrics.base import MetricColumn, MetricInput


@dataclass(frozen=True)
class Mine:
    """How far the mean of the samples is from that of the test set."""

    target: Tensor
    columns = (MetricColumn("mean_gap", "distance of the means, in the data's unit", "lower"),)
    samples = 300
    facts = {"samples": 300}

    @classmethod
    def of(cls, dataset: Dataset) -> "Mine":
        return cls(dataset.test.mean(0))

    def __call__(self, inputs: MetricInput) -> dict[str, list[float]]:
        return {"mean_gap": (inputs.fake.mean(1) - self.target).norm(dim=1).tolist()}
'''
OTHER = MINE.replace("mean_gap", "modes")
DEFAULT = ["modes", "high_quality", "kl", "reverse_kl", "jsd", "tvd", "success", "failure", "classification_error"]
SMALL = [word for word in terminal.TINY if not word.startswith("samples")]


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with metrics of the user's own, one of which is installed by the name ``theirs``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "other.py").write_text(OTHER)
    theirs = EntryPoint(name="theirs", value="mine:Mine", group="gantlet.metrics")

    monkeypatch.setattr(catalogue, "entry_points", lambda: EntryPoints([theirs]))
    catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield tmp_path
    catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]


def trained(*words: str, task: str = "ring8", out: str = "st") -> Study:
    asked = terminal.request(task, "vanilla", *words, seeds="2")
    return Study(start(plan_study(asked, Options(out=Path(out), workers=1))).folder)


def metrics_of(study: Study) -> list[str]:
    """The columns behind those of every row and setting."""
    names = list(Store(study.folder).record().metrics)
    return [name for name in map(str, study.runs) if name in names]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine.py:Mine", "theirs"])
def test_a_metric_of_ones_own_fills_its_column_everywhere(name: str) -> None:
    study = trained(*SMALL, f"metrics={name}")
    assert metrics_of(study) == ["mean_gap"]
    assert study.runs["mean_gap"].between(0.01, 10).all()
    assert study.runs["mean_gap"].nunique() == 2
    history = study.history[study.history["name"] == "mean_gap"]
    assert sorted(set(history["step"])) == [3, 6]
    last = history[history["step"] == 6].set_index("run")["value"]
    assert last.to_dict() == study.runs.set_index("run")["mean_gap"].to_dict()
    assert Store(study.folder).record().facts["metrics"] == {"samples": 300}
    assert "mean_gap" in str(list(study.summary().columns))
    page = write_report([study.folder], out=study.folder / "report.html")
    text = Path(page).read_text(encoding="utf-8")
    assert "mean_gap" in text
    assert "distance of the means" in text


@pytest.mark.slow
def test_composed_with_others_neither_changes() -> None:
    default, mine = trained(*SMALL, out="a").runs, trained(*SMALL, "metrics=mine.py:Mine", out="b").runs
    study = trained(*SMALL, "metrics=mixture+mine.py:Mine+classification-error", out="c")
    assert metrics_of(study) == [*DEFAULT, "mean_gap"]  # those of equally many samples together
    pd.testing.assert_frame_equal(study.runs[DEFAULT], default[DEFAULT], check_exact=True)
    assert study.runs["mean_gap"].tolist() == mine["mean_gap"].tolist()
    assert list(Store(study.folder).record().facts["metrics"]) == ["mixture", "mine.py:Mine", "classification-error"]


def test_the_default_is_what_the_task_names() -> None:
    named = trained(*SMALL, "metrics=mixture+classification-error", out="named").runs
    default = trained(*SMALL, out="default")
    assert metrics_of(default) == DEFAULT
    pd.testing.assert_frame_equal(default.runs[DEFAULT], named[DEFAULT], check_exact=True)


@pytest.mark.parametrize("samples", ["samples=0", pytest.param("samples=16", marks=pytest.mark.slow)])
def test_none_trains_without_any(samples: str) -> None:
    study = trained(*SMALL, "metrics=none", samples)
    assert (set(study.runs["status"]), metrics_of(study)) == ({"finished"}, [])
    record = Store(study.folder).record()
    assert (record.metrics, record.facts["metrics"]) == ({}, {})
    assert "modes" not in set(study.history["name"])


@pytest.mark.slow
def test_settings_may_differ_in_their_metrics_and_train_apart() -> None:
    study = trained(*SMALL, "metrics=none,two-sample,mine.py:Mine")
    record, runs = Store(study.folder).record(), study.runs
    assert [fleet.slots for fleet in plan_of(record).fleets] == [(0, 1), (2, 3), (4, 5)]
    assert list(record.metrics) == ["energy_distance", "sliced_wasserstein", "precision", "recall", "mean_gap"]
    assert list(record.facts["metrics"]) == ["two-sample", "mine.py:Mine"]
    assert runs["mean_gap"].notna().tolist() == [False] * 4 + [True] * 2
    assert runs["recall"].notna().tolist() == [False, False, True, True, False, False]


@pytest.mark.slow
@pytest.mark.parametrize("metrics", ["none", "none,two-sample,mine.py:Mine"])
def test_a_study_with_few_metrics_has_a_report(metrics: str) -> None:
    study = trained(*SMALL, f"metrics={metrics}")
    assert "vanilla" in write_report([study.folder], out=study.folder / "report.html").read_text(encoding="utf-8")


def test_a_study_with_a_metric_of_ones_own_resumes_and_replays() -> None:
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    whole = trained(*SMALL, "metrics=mine.py:Mine", out="whole")
    request = terminal.request("ring8", "vanilla", *SMALL, "metrics=mine.py:Mine", seeds="2")
    start(plan_study(request, Options(out=Path("cut"), workers=1)), Callbacks(stopping=stopping))
    resume(Path("cut"))
    assert terminal.difference(Store(Path("cut")), Store(whole.folder)) is None
    assert replay(whole.folder, 1).startswith("run 1: ")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("metrics=mixtrue", "no metric called 'mixtrue'. Did you mean 'mixture'"),
        ("metrics=mixture+mixture", "names a metric twice"),
        ("metrics=mine.py:Yours", "The module 'mine.py' has no 'Yours'"),
        ("metrics=mine.py:MetricInput", "is not a metric: expected a class with"),
        ("metrics=classifier", "needs labels beside the images"),
        ("metrics=mixture+other.py:Mine", "both have a column 'modes'"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(word: str, reason: str) -> None:
    np.save("points.npy", np.random.default_rng(1).normal(size=(200, 2)))
    task = "points:points.npy" if "classifier" in word else "ring8"
    done = terminal.gantlet("run", task, "vanilla", word, "steps=4", "batch_size=16", "--out", "st", "--quiet")
    assert (done.status, len(done.lines)) == (2, 1)
    assert reason in done.err
    assert not Path("st").exists()


def test_a_dozen_images_train_without_the_tasks_metrics_but_not_without_those_that_were_named() -> None:
    Path("p").mkdir()
    for place in range(12):
        pixels = np.random.default_rng(place).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"p/{place}.png")
    small = ("size=16", "network=dcgan4", "width=2", "batch_size=4", "steps=2", "evaluations=1", "samples=16")
    study = trained(*small, task="folder:p")
    assert set(study.runs["status"]) == {"finished"}
    record = Store(study.folder).record()
    assert record.metrics == {}
    (note,) = record.facts["metrics"]["notes"]
    assert note.startswith(
        "The metric 'thumbnails' is left out. Precision and recall need 8 held-out samples; there are"
    )
    done = terminal.gantlet("run", "folder:p", "vanilla", *small, "metrics=thumbnails", "--out", "other", "--quiet")
    assert (done.status, len(done.lines)) == (2, 1)
    assert "need 8 held-out samples" in done.err
