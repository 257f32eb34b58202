"""The Python side: ``gantlet.run``, ``Study`` and the lazy front door."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import gantlet
import terminal
from gantlet.data.base import Dataset
from gantlet.devices import choose_device
from gantlet.errors import BadGrid, BadValue, FolderInUse, UnknownName
from gantlet.metrics.base import MetricColumn, MetricInput
from gantlet.objectives.vanilla import Vanilla
from gantlet.requests.options import default_folder
from gantlet.studies.store import Store
from gantlet.studies.study import Study

TINY: dict[str, Any] = {name: value for name, _, value in (word.partition("=") for word in terminal.TINY)}


class Mine(Vanilla):
    """An objective of one's own."""


def run(folder: Path, methods: Any, **more: Any) -> Study:
    return gantlet.run("ring8", methods, out=folder, options={"workers": 1}, **{**TINY, **more})


def test_run_is_the_command_line_in_python(folder: Path, tmp_path: Path) -> None:
    made = run(folder, ["vanilla", "alpha"], seeds=2, lr=[1e-3, 2e-3])
    typed = terminal.study(tmp_path / "typed", "vanilla,alpha", "lr=0.001,0.002", seeds="2")
    assert terminal.difference(Store(folder), typed) is None
    assert made.runs["status"].tolist() == ["finished"] * 8
    assert set(made.history.columns) == {"run", "step", "name", "value"}
    assert repr(made) == f"Study({str(folder)!r}, 8 finished)"


@pytest.mark.parametrize(
    ("methods", "names"),
    [
        ("vanilla", ["vanilla"]),
        ("vanilla,alpha", ["vanilla", "alpha"]),
        ("vanilla, alpha,", ["vanilla", "alpha"]),
        (["vanilla,", "alpha"], ["vanilla", "alpha"]),
        (("alpha", Mine), ["alpha", f"{__name__}:Mine"]),
    ],
    ids=str,
)
def test_methods_are_named_or_handed_over(folder: Path, methods: Any, names: list[str]) -> None:
    assert run(folder, methods).runs["method"].tolist() == names


def test_an_objective_of_ones_own_trains_as_what_it_is(folder: Path, tmp_path: Path) -> None:
    run(folder, Mine, lr=1e-3, beta1=0.9, reuse_fake=True)
    run(tmp_path / "plain", "vanilla", lr=1e-3)
    mine, plain = (terminal.checkpoint_of(Store(place), "0000")[0] for place in (folder, tmp_path / "plain"))
    assert all(torch.equal(mine[name], plain[name]) for name in plain)


def test_the_summary_has_a_row_per_setting_with_rates_means_and_intervals(finished: Store) -> None:
    summary = Study(finished.folder).summary()
    assert len(summary) == 4
    assert set(summary["setting"]) == set(Study(finished.folder).runs["setting"])
    assert summary["seeds"].tolist() == [2] * 4
    runs = Study(finished.folder).runs
    for _, row in summary.iterrows():
        mine = runs[runs["setting"] == row["setting"]]
        assert row["modes_mean"] == pytest.approx(mine["modes"].mean())
        assert row["modes_low"] <= row["modes_mean"] <= row["modes_high"]
        assert row["success_rate"] == pytest.approx(mine["success"].mean())
        assert row["success_low"] <= row["success_rate"] <= row["success_high"]


def test_the_call_is_recorded(folder: Path) -> None:
    run(folder, "vanilla", seeds=[3, 1], lr_g=0.5, preset="seed")
    record = Store(folder).record()
    call = "gantlet.run('ring8', ['vanilla'], seeds=[3, 1], options={'workers': 1}, preset='seed', g_width='8'"
    assert record.command.startswith(call)
    assert record.command.endswith("lr_g=0.5)")
    assert Study(folder).runs["seed"].tolist() == [3, 1]


def test_presets_are_applied(folder: Path) -> None:
    run(folder, "alpha", preset="seed")
    assert Study(folder).runs["latent"].tolist() == ["pool"]


@pytest.mark.parametrize(
    ("methods", "more", "kind"),
    [
        ("vanila", {}, UnknownName),
        ("vanilla", {"lr": []}, BadGrid),
        ("vanilla", {"seeds": 0}, BadGrid),
        ("vanilla", {"lr": "fast"}, BadValue),
        ("vanilla", {"preset": "sede"}, UnknownName),
    ],
)
def test_a_wrong_call_writes_nothing(folder: Path, methods: str, more: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        run(folder, methods, **more)
    assert not folder.exists()


def test_what_is_no_option_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BadValue, match=r"out is not one of the options; give it itself: gantlet\.run\(…, out='FOLDER'\)"
    ):
        gantlet.run("ring8", "vanilla", options={"out": "x"})
    with pytest.raises(UnknownName, match=r"no option called 'widht'\. Did you mean 'width'"):
        gantlet.run("ring8", "vanilla", options={"widht": 2})
    assert list(tmp_path.iterdir()) == []


def test_a_used_folder_is_refused(finished: Store) -> None:
    with pytest.raises(FolderInUse, match="gantlet resume"):
        run(finished.folder, "vanilla")


def test_the_front_door_offers_what_it_lists() -> None:
    assert {"GAN", "Study", "__version__", "load", "objectives", "run"} <= set(gantlet.__all__)
    assert all(getattr(gantlet, name) is not None for name in gantlet.__all__)
    assert gantlet.Study is Study
    assert gantlet.objectives.get("alpha", alpha_d=0.3).__class__.__name__ == "Alpha"
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        _ = gantlet.fly


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tpu", "--device tpu is not auto, cpu, cuda, cuda:i or mps"),
        ("cuda:x", "is not auto, cpu, cuda, cuda:i or mps"),
        ("meta", "--device meta is not supported"),
        ("cuda:99", "torch sees [0-9]+ CUDA devices here. Use --device cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        choose_device(name)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("task", "stem"), [("ring8", "ring8"), ("points:a/b.npy", "points"), ("deep/own.py:TASK", "own-py")]
)
def test_the_default_folder_is_named_after_the_task(task: str, stem: str) -> None:
    folder = default_folder(task)
    assert folder.parent == Path("runs")
    assert folder.name.startswith(f"{stem}-2")


def test_extend_takes_what_the_method_of_a_study_takes() -> None:
    named = inspect.signature(gantlet.extend).parameters
    methods = inspect.signature(gantlet.Study.extend).parameters
    assert list(named) == ["folder", *list(methods)[1:]]
    assert {name: named[name] for name in list(named)[1:]} == {name: methods[name] for name in list(methods)[1:]}
    assert named["folder"].default is inspect.Parameter.empty
    assert inspect.get_annotations(gantlet.extend)["folder"] == "str | Path"


class Gap:
    """A metric of one's own: how far the mean of the samples is from the origin."""

    columns = (MetricColumn("own_gap", "distance of the mean from the origin", better="lower"),)
    samples = 8
    facts: ClassVar[dict[str, Any]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> Gap:
        return cls()

    def __call__(self, inputs: MetricInput) -> dict[str, list[float]]:
        return {"own_gap": inputs.fake.flatten(2).mean(1).norm(dim=-1).tolist()}


@pytest.mark.parametrize("sigmoid", [False, True])
def test_networks_and_metrics_of_ones_own_are_handed_over_as_objectives_are(
    sigmoid: bool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Classes of a function, as of a notebook's cell: no other process can import them, so this one trains."""

    class Score(torch.nn.Sequential):
        def __init__(self, shape: tuple[int, ...]) -> None:
            end = [torch.nn.Sigmoid()] if sigmoid else []
            super().__init__(torch.nn.Linear(shape[0], 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), *end)

    def sampler(latent: int, shape: tuple[int, ...]) -> torch.nn.Module:
        return torch.nn.Linear(latent, shape[0])

    two = {"workers": 2, "width": 1}
    study = gantlet.run(
        "ring8",
        "vanilla",
        out=folder,
        seeds=2,
        options=two,
        discriminator=Score,
        generator=sampler,
        metrics=Gap,
        steps=2,
        evaluations=1,
        samples=8,
    )
    assert set(study.runs["status"]) == {"finished"}
    assert study.runs["own_gap"].between(0, 10).all()
    assert "so no worker process can import it: this process trains alone" in caplog.text
    assert ("lie in [0, 1], as after a sigmoid" in caplog.text) == sigmoid


def test_a_grid_of_networks_of_ones_own_is_one_setting_each(folder: Path) -> None:
    def narrow(latent: int, shape: tuple[int, ...]) -> torch.nn.Module:
        return torch.nn.Linear(latent, shape[0])

    def wide(latent: int, shape: tuple[int, ...]) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(latent, 32), torch.nn.Linear(32, shape[0]))

    study = run(folder, "vanilla", generator=[narrow, wide])
    assert study.runs["generator"].str.rpartition("<locals>.")[2].tolist() == ["narrow", "wide"]
