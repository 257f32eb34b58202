"""Studies that earlier versions wrote: they open, are sampled and go on to the same bits.

``tests/fixtures/studies/make.py`` says how they were made. Bits are compared on a machine like the one that made them;
elsewhere numbers are compared up to rounding, those of an interrupted study with a twin that is trained here.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import gantlet
from gantlet.data.points import Points
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume
from gantlet.training import checkpoint
from terminal import gantlet as command

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "studies"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir() if (path / "expected.json").is_file())
FINISHED = {"finished": (4, (2,)), "table": (2, (2,)), "team": (1, (1, 28, 28)), "images": (1, (3, 8, 8))}
"""Runs and sample shape of each finished study."""

Case = tuple[str, str]
CASES = [(version, name) for version in VERSIONS for name in FINISHED]


@pytest.fixture
def study(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of an old study beside its data, with the paths of this place."""
    version, name = request.param
    shutil.copytree(FIXTURES / version, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / name).rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace("DATA_FOLDER", str(tmp_path)), encoding="utf-8")
    return tmp_path / name


def expected(version: str) -> dict[str, Any]:
    return json.loads((FIXTURES / version / "expected.json").read_text(encoding="utf-8"))


def same_machine(version: str) -> bool:
    """Whether this machine gives the bits of the one that wrote the fixtures."""
    known = expected(version)
    here = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability(), "cpu": processor()}
    there = {
        "torch": known["torch"],
        "capability": known["machine"]["cpu_capability"],
        "cpu": known["machine"]["device"],
    }
    return platform.system() == known["machine"]["system"].split()[0] and here == there


def processor() -> str:
    """The processor's name, as Linux has it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def tensors(study: Path) -> dict[str, torch.Tensor]:
    """FLEET/NAME -> tensor of every checkpoint."""
    return {
        f"{path.parts[-3]}/{name}": tensor
        for path in sorted(study.glob("fleets/*/checkpoint/tensors.safetensors"))
        for name, tensor in sorted(load_file(path).items())
    }


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def test_there_are_fixtures_of_the_first_format() -> None:
    assert "v1" in VERSIONS
    for version in VERSIONS:
        assert len(expected(version)["twin"]["tensors"]) > 20
        for name in (*FINISHED, "interrupted"):
            files = [path for path in (FIXTURES / version / name).rglob("*") if path.is_file()]
            assert 0 < sum(path.stat().st_size for path in files) < 150_000


@pytest.mark.parametrize("study", CASES, indirect=True, ids="-".join)
def test_an_old_study_opens(study: Path) -> None:
    runs, _ = FINISHED[study.name]
    opened = gantlet.Study(study)
    assert opened.runs["status"].tolist() == ["finished"] * runs
    assert opened.runs["run"].tolist() == list(range(runs))
    summary = opened.summary()
    assert len(summary) == opened.runs["method"].nunique()
    assert summary["finished"].sum() == runs
    shown = command("show", study, "--format", "json")
    assert shown.status == 0
    assert len(json.loads(shown.out)) == len(summary)


@pytest.mark.slow
@pytest.mark.usefixtures("real_report")
@pytest.mark.parametrize("study", CASES, indirect=True, ids="-".join)
def test_an_old_study_has_a_report(study: Path) -> None:
    assert command("report", study).status == 0
    page = (study / "report.html").read_text(encoding="utf-8")
    assert all(label in page for label in gantlet.Study(study).runs["setting"].unique())


@pytest.mark.parametrize("study", CASES, indirect=True, ids="-".join)
def test_an_old_study_is_sampled_to_the_same_numbers(study: Path) -> None:
    version = next(each for each in VERSIONS if (FIXTURES / each / study.name).is_dir())
    out = study.parent / "drawn.npy"
    done = command("sample", study, 0, "--n", 3, "--out", out)
    assert (done.status, done.err) == (0, "")
    drawn, known = np.load(out), np.load(FIXTURES / version / f"{study.name}.npy")
    if study.name == "table":  # format 1 wrote standardised samples as the generator gives them, today in their units
        data = Points(data_path=str(study.parent / "people.csv"), standardise=True).load()
        known = (known.astype(float) * data.deviation + data.mean).astype(np.float32)
    assert drawn.shape == (3, *FINISHED[study.name][1])
    assert np.unique(drawn).size > 3
    if same_machine(version) and study.name != "table":
        np.testing.assert_array_equal(drawn, known)
    else:
        np.testing.assert_allclose(drawn, known, rtol=1e-5 if same_machine(version) else 1e-3, atol=1e-4)


@pytest.mark.parametrize("study", CASES, indirect=True, ids="-".join)
def test_the_generator_of_an_old_study_loads(study: Path) -> None:
    net = gantlet.load(study, run=0)
    assert not net.training
    held = list(tensors(study).values())
    parameters = dict(net.named_parameters())
    assert parameters
    for name, parameter in parameters.items():
        assert any(
            parameter.shape == slot.shape and torch.equal(parameter, slot)
            for tensor in held
            if tensor.shape[1:] == parameter.shape
            for slot in tensor
        ), f"{name} is in no checkpoint of the study"


@pytest.mark.parametrize("study", [(version, "interrupted") for version in VERSIONS], indirect=True, ids="-".join)
def test_an_old_interrupted_study_goes_on_from_where_it_stood(study: Path) -> None:
    def steps() -> dict[str, int]:
        return {path.parent.name: checkpoint.read(path)[1]["step"] for path in study.glob("fleets/*/checkpoint")}

    left, before = 3, steps()

    def stopping() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    resume(study, Callbacks(stopping=stopping))
    after = steps()
    assert after.keys() >= before.keys()
    assert all(after[fleet] >= step for fleet, step in before.items())
    assert 0 < sum(after.values()) - sum(before.values()) < 10


@pytest.mark.slow
@pytest.mark.parametrize("study", [(version, "interrupted") for version in VERSIONS], indirect=True, ids="-".join)
def test_an_old_interrupted_study_goes_on_to_the_bits_of_its_uninterrupted_twin(study: Path) -> None:
    version = next(each for each in VERSIONS if (FIXTURES / each / study.name).is_dir())
    twin = expected(version)["twin"]
    assert {name: digest(tensor) for name, tensor in tensors(study).items()}.items() - twin["tensors"].items()
    assert command("resume", study, "--quiet").status == 0
    assert gantlet.Study(study).runs["status"].tolist() == ["finished"] * 4
    found = tensors(study)
    assert found.keys() == twin["tensors"].keys()
    if same_machine(version):
        assert {name: digest(tensor) for name, tensor in found.items()} == twin["tensors"]
        return
    whole = study.parent / "whole"
    assert command("run", *twin["words"], "--workers", 1, "--quiet", "--out", whole).status == 0
    for name, tensor in tensors(whole).items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
