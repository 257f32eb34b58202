"""The GPU check in miniature on a CPU, and the page that is made of its results."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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


@pytest.mark.slow
def test_every_part_runs_in_miniature(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "scripts" / "gpu-check"), "--dry", "--out", str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text("utf-8"))
    assert set(found) == {"machine", "smoke", "replay", "speed", "images", "study"}
    assert all(found[part]["ended"] == "" for part in found if part != "machine")
    assert found["smoke"]["wrong"] == [] == found["replay"]["wrong"]
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
    assert "there is no part spped; there are smoke, replay, speed, images, study" in done.stderr
