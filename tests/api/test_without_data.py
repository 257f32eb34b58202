"""``load`` and ``sample`` need no training data, and give standardised data back in their own units."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gantlet
import terminal
from gantlet.api import sampler
from gantlet.api.sampler import write_samples
from gantlet.studies.store import Store

SMALL = ("steps=2", "g_width=8", "d_width=8", "batch_size=16", "samples=32", "evaluations=1")


def trained(tmp_path: Path, kind: str, *words: str) -> Store:
    """A study of points or images of one's own, whose file is gone."""
    rng = np.random.default_rng(1)
    values = rng.normal([1000, -5], [50, 0.1], (200, 2)) if kind == "points" else rng.uniform(-1, 1, (60, 1, 6, 5))
    np.save(tmp_path / "own.npy", values)
    store = terminal.trained(
        terminal.request(f"{kind}:{tmp_path}/own.npy", "vanilla", *SMALL, *words), tmp_path / "study"
    )
    (tmp_path / "own.npy").unlink()
    return store


@pytest.mark.parametrize("kind", ["points", "images"])
def test_loading_and_sampling_need_no_training_data(tmp_path: Path, kind: str) -> None:
    store = trained(tmp_path, kind)
    shape = (2,) if kind == "points" else (1, 6, 5)
    latent = store.record().settings[0].values["latent_dim"]
    assert gantlet.load(store.folder, run=0)(torch.zeros(3, int(latent))).shape == (3, *shape)
    assert gantlet.load(store.folder, run=0, player="discriminator")(torch.zeros(3, *shape)).numel() == 3
    assert np.load(write_samples(store.folder, 0, out=tmp_path / "x.npy", n=4)).shape == (4, *shape)
    assert write_samples(store.folder, 0, out=tmp_path / "x.png", n=4).exists()


def test_standardised_points_come_back_in_their_own_units(tmp_path: Path) -> None:
    store = trained(tmp_path, "points", "standardise=true")
    sample = store.record().sample
    assert sample.mean == pytest.approx((1000, -5), rel=0.02)
    assert sample.deviation == pytest.approx((50, 0.1), rel=0.2)
    made = np.load(write_samples(store.folder, 0, out=tmp_path / "x.npy", n=200, seed=3))
    assert made.mean(0) == pytest.approx((1000, -5), rel=0.2)
    net = gantlet.load(store.folder, run=0)
    latent = int(store.record().settings[0].values["latent_dim"])
    assert net(torch.zeros(1, latent))[0].detach().numpy() == pytest.approx((1000, -5), rel=0.5)
    with (write_samples(store.folder, 0, out=tmp_path / "x.csv", n=200, seed=3)).open() as file:
        header, *rows = csv.reader(file)
    assert header == list(sample.columns or ("x0", "x1"))
    assert np.array(rows, float) == pytest.approx(made, rel=1e-5)


def test_a_picture_of_standardised_points_is_in_their_own_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = trained(tmp_path, "points", "standardise=true")
    drawn: dict[str, Any] = {}
    draw = sampler.draw_points
    monkeypatch.setattr(sampler, "draw_points", lambda path, **what: (drawn.update(what), draw(path, **what)))
    assert write_samples(store.folder, 0, out=tmp_path / "x.png", n=50, seed=3).exists()
    np.testing.assert_array_equal(
        drawn["fake"], np.load(write_samples(store.folder, 0, out=tmp_path / "x.npy", n=50, seed=3))
    )
    sample = store.record().sample
    window = np.reshape(drawn["extent"], (2, 2))  # of each column, from and to
    np.testing.assert_allclose(window.mean(1), sample.mean, rtol=1e-6)
    np.testing.assert_allclose(np.diff(window)[:, 0] / sample.deviation, [2 * sample.extent] * 2, rtol=1e-4)


def test_settings_that_see_other_data_each_keep_the_units_and_columns_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, (header, centre) in {"a": ("height,age", 1000.0), "b": ("x,y", -50.0)}.items():
        rows = rng.normal(centre, 2.0, (200, 2))
        np.savetxt(tmp_path / f"{name}.csv", rows, delimiter=",", header=header, comments="")
    request = terminal.request(
        "points", "vanilla", f"data_path={tmp_path}/a.csv,{tmp_path}/b.csv", "standardise=true,false", *SMALL
    )
    store = terminal.trained(request, tmp_path / "study")
    names = [setting.values for setting in store.record().settings]
    assert [Path(str(values["data_path"])).stem + str(values["standardise"]) for values in names] == [
        "aTrue",
        "aFalse",
        "bTrue",
        "bFalse",
    ]
    for run, (header, centre) in enumerate([("height,age", 1000), ("height,age", 0), ("x,y", -50), ("x,y", 0)]):
        first, *rows = write_samples(store.folder, run, out=tmp_path / f"{run}.csv", n=100).read_text().split()
        made = np.array([row.split(",") for row in rows], float)
        assert first == header
        assert made.mean() == pytest.approx(centre, abs=5)
        assert gantlet.load(store.folder, run=run).sample(100).mean().item() == pytest.approx(centre, abs=5)
