"""The GPU check in miniature on a CPU, and the page that is made of its results."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def page() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("gpu_page", str(ROOT / "scripts" / "gpu-page"))
    spec = importlib.util.spec_from_loader("gpu_page", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_page_is_made_of_the_results(page: ModuleType) -> None:
    assert page.main(["--check"]) == 0, "Run scripts/gpu-page."


def test_without_results_nothing_was_measured(page: ModuleType) -> None:
    assert page.made(None).endswith("Not measured on a GPU.\n")


def test_hours_follow_from_the_rate(page: ModuleType) -> None:
    """15,000 × 156,000 steps at 65,000 a second are 36,000 s."""
    row = {"step": 0.002, "host": 0.001, "member_steps": 65_000}
    assert "| tf32 | 128 | 2.00 | 65,000 | 10.0 |" in page.study({"tf32/128": row, "hours": 10.0})


def test_the_page_says_how_metrics_agree(page: ModuleType) -> None:
    assert page.evaluated({}).endswith("not measured.")
    found = {"vanilla/mixture": 1e-9, "wgan/mixture": 2e-9, "began/features": 0.5}
    said = page.evaluated({"evaluations": found, "wrong": [{"what": "began/features"}]})
    assert said.endswith("2 of 3 agree; mixture by at most 2.0e-09.")


def test_what_a_metric_measures_elsewhere_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In miniature both sides are the same machine; a generator that differs, and a metric that fails, are wrong."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import gpu_metrics, gpu_parts

    resolved = gpu_parts.setting("ring8", "vanilla", g_width=8, d_width=8, steps=2, dtype="float64")
    data = resolved.source.load()
    one, other = (Fleet(gpu_parts.sheet(resolved, 2, data, Execution()), data) for _ in range(2))
    wrong: list[dict[str, Any]] = []
    assert set(gpu_metrics.evaluations_of("vanilla", one, other, data, wrong).values()) == {0.0}
    assert wrong == []
    one.advance()
    found = gpu_metrics.evaluations_of("vanilla", one, other, data, wrong)["vanilla/two-sample"]
    assert found is not None
    assert found > 1e-6
    assert [entry["what"] for entry in wrong] == ["vanilla/two-sample"]

    def fails(*_: object) -> None:
        raise ValueError("no such kernel")

    monkeypatch.setattr(gpu_metrics, "evaluate", fails)
    assert set(gpu_metrics.evaluations_of("vanilla", one, other, data, wrong).values()) == {None}
    assert wrong[-1]["why"] == "ValueError: no such kernel"


def test_the_table_of_shapes_holds_what_is_faster_by_a_tenth(page: ModuleType) -> None:
    rows = {"b": {"faster": 1.1}, "a": {"faster": 3.0}, "c": {"faster": 1.09}, "d": {"faster": 0.3}}
    found = {"machine": {"device": "a card"}, "shapes": {"rows": rows}}
    assert json.loads(page.table(found)) == {"device": "a card", "faster": {"a": 3.0, "b": 1.1}}
    assert json.loads(page.table(None)) == {"device": "", "faster": {}}
    assert "Not measured" in page.shapes({})
    row = {"library": 0.004, "product": 0.001, "faster": 4.0}
    assert page.shapes({"conv": row}).endswith("| conv | 4.000 | 1.000 | 4.00 |\n")


def test_a_layer_is_measured_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key once, with the size of the layer's input; forms that do not agree are an error."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import gpu_shapes

    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3, padding=1, groups=2)
    )
    found = gpu_shapes.layers_of([(network, torch.zeros(2, 1, 6, 6))], members=2)
    assert [shape.groups for shape in found] == [2, 4]
    assert [size for _, size in found.values()] == [(2, 1, 6, 6), (2, 4, 4, 4)]
    cpu, calls = torch.device("cpu"), []

    def timed(step: Callable[[], Any]) -> float:
        calls.append(len(step()))
        return float(len(calls))

    for layer in found.values():
        row = gpu_shapes.measured(layer, 2, "float32", cpu, timed)
        assert row["faster"] == pytest.approx(row["library"] / row["product"], abs=1e-3)
        assert row["apart"] < 1e-5
    assert calls == [3, 3, 3, 3]  # gradients of the input, the weight and the bias
    assert (row["library"], row["product"]) == (3, 4)
    monkeypatch.setitem(gpu_shapes.KINDS, "float32", -1.0)
    with pytest.raises(ValueError, match="apart"):
        gpu_shapes.measured(layer, 2, "float32", cpu, timed)
    large = nn.ConvTranspose2d(2, 4, 4), (128, 2, 64, 64)
    assert gpu_shapes.fits(large, 31)  # 128 × 4 × 16 × 64 × 64 numbers of 4 bytes are 128 MiB each
    assert not gpu_shapes.fits(large, 33)


@pytest.mark.slow
def test_every_part_runs_in_miniature(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "scripts" / "gpu-check"), "--dry", "--out", str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text("utf-8"))
    assert set(found) == {"machine", "smoke", "replay", "speed", "images", "study", "shapes"}
    assert all(found[part]["ended"] == "" for part in found if part != "machine")
    assert found["smoke"]["wrong"] == [] == found["replay"]["wrong"] == found["shapes"]["wrong"]
    assert len(found["shapes"]["rows"]) == 8  # two layers of each network, for a batch and for two
    assert found["smoke"]["largest"] == 0.0
    evaluated = found["smoke"]["evaluations"]
    assert {name.partition("/")[2] for name in evaluated} == {"mixture", "two-sample", "features"}
    assert set(evaluated.values()) == {0.0}
    ends = found["replay"]["divergences"]
    assert ends["stacked"] == ends["static"] != {}
    assert all("step" in row for row in found["images"]["dcgan28"].values())
    assert found["images"]["dcgan28"]["bfloat16/compiled/1"]["refused"] == ""


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "gpu-check"), "spped"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no part spped; there are smoke, replay, speed, images, study, shapes" in done.stderr
