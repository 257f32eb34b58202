"""The export matrix: every network family × single or team × sample shape, run in onnxruntime and in PyTorch without gantlet.

One case of each family is a slow test, one of them in every format; ``scripts/export-matrix`` runs the whole product. Networks are tiny and untrained.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import onnx
import pytest

from export_cases import CASES, FORMATS, PAIRWISE, ExportCase, differences
from gantlet.names import FAMILIES

LARGEST = 1e-5


@pytest.fixture
def one_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter reads the sources of 500 ONNX functions for every file anew, a fifth of its time: here once."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    monkeypatch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))


def test_every_family_shape_and_size_of_team_is_in_the_matrix() -> None:
    assert {case.network for case in PAIRWISE} == set(FAMILIES["network"])
    every = {(size, team) for size in ("points", "28", "32", "64") for team in (False, True)}
    assert {(case.size, case.team) for case in CASES} == every
    assert {(case.size, case.team) for case in PAIRWISE} == every
    assert len(set(CASES)) == len(CASES)


@pytest.mark.slow
def test_an_export_runs_without_gantlet_and_makes_the_same_samples(tmp_path: Path) -> None:
    case = ExportCase("mlp", "points", team=True)
    found = differences([case], tmp_path)[case]
    assert set(found) == set(FORMATS)
    assert max(found.values()) <= LARGEST
    model = onnx.load(tmp_path / str(case) / "g.onnx")
    onnx.checker.check_model(model)
    shapes = {
        entry.name: [axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim]
        for entry in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"latents": ["batch", 6], "generator": ["batch"], "samples": ["batch", 2]}
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["latent_dim"], facts["prior"], facts["generators"]) == ("6", "N(0, 1)", "2")
    assert "64 latents in onnxruntime" in facts["check"]


@pytest.mark.slow
def test_every_family_runs_without_gantlet_and_makes_the_same_samples(tmp_path: Path, one_registry: None) -> None:
    """As ONNX and as a model folder, whose program is the one that is exported alone."""
    found = differences(PAIRWISE, tmp_path, ("onnx", "hub"))
    assert {str(case): far for case, far in found.items() if max(far.values()) > LARGEST} == {}
