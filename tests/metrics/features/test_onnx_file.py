"""ONNX files as extractors: outputs that are no features, and weights that lie in other files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

import gantlet
from gantlet.errors import BadData, BadValue, UnknownName
from gantlet.metrics.read_features import read_features
from gantlet.studies.record import SettingRecord
from gantlet.studies.trust import own_parts
from onnx_files import onnx_file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def odd_onnx(path: Path, extra: str, *, shape: tuple[str | int, ...] = ("n", 3, 4, 4), kind: int = 1) -> Path:
    """Features, and beside them what a node of another kind makes of them (or alone, for ``Cast``)."""
    import onnx
    from onnx import helper

    options = {"ArgMax": {"axis": 1, "keepdims": 0}, "Cast": {"to": kind}}.get(extra, {})
    nodes = [helper.make_node("Flatten", ["images"], ["features"])]
    nodes += [helper.make_node(extra, ["images" if extra == "Relu" else "features"], ["more"], **options)]
    tensor = helper.make_tensor_value_info
    more = tensor("more", {"ArgMax": 7, "Cast": kind}.get(extra, 1), None)
    if extra == "SequenceConstruct":
        more = helper.make_tensor_sequence_value_info("more", 1, None)
    made = [more] if extra == "Cast" else [tensor("features", 1, None), more]
    graph = helper.make_graph(nodes, "odd", [tensor("images", 1, list(shape))], made)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "SequenceConstruct",
            r"returned float32 \[1, 48\] and a list for 1 images; expected numbers: features \[N, d\]",
        ),
        ("ArgMax", r"returned float32 \[1, 48\] and int64 \[1\] for 1 images"),
        ("Relu", r"and float32 \[1, 3, 4, 4\] for 1 images"),
        ("Cast", r"returned object \[1, 48\] for 1 images"),
    ],
)
def test_outputs_of_an_onnx_file_that_are_no_features_or_logits_are_a_sentence(
    extra: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(BadValue, match=words):
        _ = gantlet.features.get(str(odd_onnx(tmp_path / "odd.onnx", extra, kind=8))).card


def test_an_onnx_file_of_images_without_pixels_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"takes tensor\(float\) \['n', 3, 0, 4\]; expected images"):
        _ = gantlet.features.get(str(odd_onnx(tmp_path / "none.onnx", "Sigmoid", shape=("n", 3, 0, 4)))).card


@pytest.mark.parametrize("name", ["weights.data", "w" * 150])
def test_weights_beside_an_onnx_file_are_part_of_its_hash(name: str, tmp_path: Path) -> None:
    """Else features of real images, which are kept by that hash, would stay those of the network before its next training."""
    import onnx

    layer = nn.Linear(48, 32)
    net = nn.Sequential(nn.Flatten(), layer)
    images, file = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8), tmp_path / "net.onnx"
    files: list[bytes] = []
    for seed in range(2):
        torch.manual_seed(seed)
        layer.reset_parameters()
        onnx_file(file, net, (1, 3, 4, 4))
        (tmp_path / name).unlink(missing_ok=True)
        onnx.save(onnx.load(str(file)), str(file), save_as_external_data=True, location=name, size_threshold=0)
        files.append(file.read_bytes())
        found = read_features(gantlet.features.get(str(file)), lambda: [images]).features
        torch.testing.assert_close(found, net(images / 255).detach(), atol=1e-5, rtol=1e-5)
    assert files[0] == files[1]
    trusted = own_parts((SettingRecord(task="", method="", label="", values={"metrics": f"features:{file}"}),))
    assert trusted[str(file)] == gantlet.features.get(str(file)).card.sha256 != hashlib.sha256(files[1]).hexdigest()


def test_an_onnx_file_and_a_module_have_no_options(tmp_path: Path) -> None:
    """They were ignored, as if ``side=3`` had made another extractor."""
    (tmp_path / "nets.py").write_text("from torch import nn\nNet = nn.Flatten()\n")
    for name in (str(tmp_path / "net.onnx"), f"{tmp_path}/nets.py:Net"):
        with pytest.raises(UnknownName, match=r"There is no setting of the extractor '.*' called 'side'"):
            gantlet.features.get(name, side=3)
