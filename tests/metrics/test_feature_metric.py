"""The metric ``features``: names in the key ``metrics``, the cache, cards, and a study from the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from contracts.metric_cases import digits, images, points
from gantlet.data.base import Dataset
from gantlet.errors import BadData, TooFewSamples, UnknownName
from gantlet.metrics import chosen, get, read_features
from gantlet.metrics.base import MetricInput
from gantlet.metrics.compose import compose
from gantlet.metrics.feature_metric import FeaturesMetric
from gantlet.metrics.features.modules import ModuleExtractor
from onnx_files import onnx_file
from terminal import gantlet

NET = """
from torch import nn
class Colours(nn.Module):
    def forward(self, images):
        return images.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5)).flatten(1)[:, :12]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NET)
    return tmp_path


def test_an_extractor_is_named_after_a_colon() -> None:
    assert chosen("thumbnails+features:nets.py:Colours") == ("thumbnails", "features:nets.py:Colours")
    metric = get("features:nets.py:Colours").of(images())
    assert {column.name for column in metric.columns} >= {"fd_Colours", "kid_Colours", "kid_error_Colours"}
    with pytest.raises(UnknownName, match="no extractor called 'efficientnet'"):
        get("features:efficientnet").of(images())
    with pytest.raises(BadData, match="gantlet data weights inception-2015"):
        get("features:inception-2015").of(images())


def test_two_extractors_and_thumbnails_stand_side_by_side() -> None:
    data = images()
    both = compose(["thumbnails", "features:nets.py:Colours"], data)
    found = both(MetricInput(fake=data.test[None]))
    assert {"precision", "precision_Colours"} <= set(found)
    assert found["fd_Colours"] == [pytest.approx(0, abs=1e-5)]


def test_values_outside_the_range_and_beyond_8_bits_count_as_a_file_would_hold_them() -> None:
    data = images()
    metric = get("features:nets.py:Colours").of(data)
    rounded = ((data.test + 1) * 127.5).round() / 127.5 - 1
    for fake in (data.test, rounded):
        assert metric(MetricInput(fake=(fake * 1.0)[None]))["fd_Colours"] == [pytest.approx(0, abs=1e-5)]
    wild = data.test.clone()
    wild[:, :, 0] = 7.0
    tame = wild.clamp(-1, 1)
    assert metric(MetricInput(fake=wild[None])) == metric(MetricInput(fake=tame[None]))


def test_a_member_that_is_not_finite_has_no_scores_and_harms_no_other() -> None:
    data = images()
    metric = get("features:nets.py:Colours").of(data)
    fake = data.test.repeat(2, 1, 1, 1, 1)
    fake[0, 3, 0, 0, 0] = torch.nan
    for values in metric(MetricInput(fake=fake)).values():
        assert math.isnan(values[0])
        assert math.isfinite(values[1])


def test_real_images_are_read_once_and_kept_by_content(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    calls: list[int] = []
    real = read_features.extract
    monkeypatch.setattr(read_features, "extract", lambda *args, **more: calls.append(1) or real(*args, **more))
    data = images()
    first = FeaturesMetric.made("nets.py:Colours", data)(MetricInput(fake=data.train[None]))
    assert len(calls) == 2, "test and training images"
    again = FeaturesMetric.made("nets.py:Colours", data)(MetricInput(fake=data.train[None]))
    assert (len(calls), again) == (2, first)
    for held in (here / "cache" / "gantlet" / "features").iterdir():
        held.write_bytes(b"damaged")
    assert FeaturesMetric.made("nets.py:Colours", data)(MetricInput(fake=data.train[None])) == first
    assert len(calls) == 4
    other = Dataset(data.train, data.test + 0.1)
    FeaturesMetric.made("nets.py:Colours", other)(MetricInput(fake=data.train[None]))
    assert len(calls) == 5, "other test images, the same training images"


def test_its_card_has_the_hash_counts_and_a_floor_that_is_beside_the_scores() -> None:
    facts = FeaturesMetric.made("nets.py:Colours", images()).facts
    assert facts["extractor"]["name"] == "nets.py:Colours"
    assert len(facts["extractor"]["sha256"]) == 64
    assert facts["real_against_real"]["between"] == "30 training images and 20 test images"
    assert facts["real_against_real"]["fd_Colours"] > 0
    json.dumps(facts, allow_nan=False)


def test_gantlet_s_own_classifier_is_trained_on_the_data_at_hand() -> None:
    data = digits()
    metric = get("features:lenet").of(data)
    found = metric(MetricInput(fake=data.test[None]))
    assert found["class_coverage_lenet"] == [1.0]
    assert metric.facts["extractor"]["classes"] == 10


def test_what_it_cannot_read_is_a_sentence() -> None:
    with pytest.raises(BadData, match=r"reads images, but these samples have the shape \[3\]"):
        get("features").of(points())
    few: Tensor = images().test[:9]
    with pytest.raises(TooFewSamples, match="at least 20 test and training images; there are 9"):
        FeaturesMetric(ModuleExtractor(torch.nn.Flatten(), "Flatten"), few, few)


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(("extractor", "short"), [("nets.py:Colours", "Colours"), ("squares.onnx", "squares")])
def test_a_study_with_it_from_start_to_table(here: Path, extractor: str, short: str) -> None:
    onnx_file(here / "squares.onnx", nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), (1, 3, 8, 8))
    (here / "x.npy").unlink(missing_ok=True)
    import numpy as np

    np.save(here / "x.npy", np.random.default_rng(1).integers(0, 256, (120, 8, 8, 3), dtype=np.uint8))
    asked = ["run", "images:x.npy", "vanilla", "network=mlp", "steps=3", "batch_size=16", "evaluations=1", "samples=30"]
    done = gantlet(
        *asked,
        "size=8",
        "g_width=8",
        "d_width=8",
        f"metrics=thumbnails+features:{extractor}",
        "--out",
        "s",
        "--seeds",
        "2",
    )
    assert (done.status, done.err) == (0, "")
    runs = pd.read_parquet(here / "s" / "runs.parquet")
    assert runs[f"kid_{short}"].notna().all()
    record = json.loads((here / "s" / "study.json").read_text())
    assert record["facts"]["metrics"][f"features:{extractor}"]["extractor"]["name"] == extractor
    assert f"fd_{short}" in gantlet("show", "s").out


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(("extractor", "short"), [("nets.py:Colours", "Colours"), ("squares.onnx", "squares")])
def test_a_stranger_s_extractor_does_not_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, extractor: str, short: str
) -> None:
    test_a_study_with_it_from_start_to_table(here, extractor, short)
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "another-user"))
    (here / "s" / "fleets" / "0000" / "results.json").unlink()  # so that there is something to do
    done = gantlet("resume", "s")
    assert done.status == 2
    assert extractor in done.err
    assert "--trust" in done.err
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "state"))
    with (here / extractor.partition(":")[0]).open("a") as file:
        file.write(" ")
    assert "has changed since this study was started" in gantlet("resume", "s").err
