"""Sweeps: which settings make a panel, what stands in a cell, and the figures over keys in print and on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from typer.testing import CliRunner

import gantlet
from gantlet.cli.app import app
from gantlet.errors import BadValue, UnknownName
from gantlet.reports.page import page_of
from gantlet.reports.printed import get
from gantlet.reports.printed.base import SIZES, FigureRequest
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.sensitivity import sensitivity_charts
from gantlet.reports.sweeps import sweeps_of, swept_keys

RATES, WEIGHTS = (1e-4, 1e-3, 1e-2), (1.0, 10.0)
GRID = [
    (method, {"lr_g": lr, "lr_d": lr, "penalty_weight": weight})
    for method, lr, weight in product(("wgan-gp", "dragan"), RATES, WEIGHTS)
    if (method, lr, weight) != ("dragan", 1e-2, 10.0)  # one cell is left out
]


def gridded(make_study: Callable[..., Path], grid: list[tuple[str, dict[str, Any]]]) -> Path:
    labels = tuple(f"{method} {' '.join(f'{key}={value}' for key, value in values.items())}" for method, values in grid)
    folder = make_study(seeds=3, labels=labels, evaluations=2)
    record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for setting, (_, values) in zip(record["settings"], grid, strict=True):
        setting["values"] = {"beta1": 0.5, **values}
        setting["sources"] = {"beta1": "task", **dict.fromkeys(values, "user")}
    record["task"]["headline"] = "kl"
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(make_study: Callable[..., Path]) -> Path:
    return gridded(make_study, GRID)


@pytest.fixture(scope="module")
def study(folder: Path) -> StudyData:
    return read_study(folder)


def test_a_cell_is_the_mean_of_its_own_setting(study: StudyData) -> None:
    assert swept_keys(study) == ["lr", "penalty_weight"]
    panels = {sweep.title: sweep for sweep in sweeps_of(study, "kl", "lr", "lambda")}
    assert list(panels) == ["wgan-gp", "dragan"]
    for (method, values), label in zip(GRID, study.labels, strict=True):
        sweep = panels[method]
        place = (WEIGHTS.index(values["penalty_weight"]), RATES.index(values["lr_g"]))
        assert sweep.scores[place].estimate == pytest.approx(study.members[label]["kl"].mean())
    assert len(panels["wgan-gp"].scores) == 6
    assert (1, 2) not in panels["dragan"].scores


def test_over_one_key_the_other_parts_the_panels(study: StudyData) -> None:
    titles = [sweep.title for sweep in sweeps_of(study, "success", "lr_d")]
    assert titles == [f"{method} penalty_weight={weight:g}" for method in ("wgan-gp", "dragan") for weight in (1, 10)]


def test_what_does_not_vary_or_is_not_there_is_refused(study: StudyData) -> None:
    with pytest.raises(UnknownName, match="key"):
        sweeps_of(study, "kl", "width")
    with pytest.raises(BadValue, match="keys that vary: lr, penalty_weight"):
        sweeps_of(study, "kl", "beta1")
    with pytest.raises(BadValue, match="one key"):
        sweeps_of(study, "kl", "lr", "lr")


def test_a_loss_in_a_folder_with_a_space_has_curves_and_presets_part_panels(make_study: Callable[..., Path]) -> None:
    study = read_study(gridded(make_study, [("vanilla", {"latent_dim": size}) for size in (2, 8, 32)]))
    settings = [each.model_copy(update={"method": "my losses/part.py:Loss"}) for each in study.record.settings]
    own = replace(study, record=study.record.model_copy(update={"settings": settings}))
    assert [chart.title.partition(" · ")[2] for chart in sensitivity_charts(own, "k")] == ["my losses/part.py:Loss"] * 2
    more = [each.model_copy(update={"label": f"{each.label} preset=seed"}) for each in study.record.settings]
    runs = study.runs.assign(setting=study.runs["setting"] + " preset=seed")
    both = StudyData(
        study.folder,
        study.record.model_copy(update={"settings": [*study.record.settings, *more]}),
        pd.concat([study.runs, runs.assign(run=runs["run"] + len(runs))]),
        study.history,
    )
    assert [(each.title, len(each.scores)) for each in sweeps_of(both, "kl", "latent_dim")] == [
        ("vanilla", 3),
        ("vanilla preset=seed", 3),
    ]


def test_a_sweep_without_a_curve_is_refused(make_study: Callable[..., Path]) -> None:
    study = read_study(gridded(make_study, [("vanilla", {"beta1": 0.5}), ("dragan", {"beta1": 0.9})]))
    with pytest.raises(BadValue, match="no method has several values of beta1"):
        get("sweep").draw(FigureRequest([study], "kl", SIZES["page"], "beta1"))
    study = read_study(gridded(make_study, [("vanilla", {"beta1": 0.5}), ("vanilla", {"beta1": 0.9})]))
    empty = replace(study, runs=study.runs.assign(kl=np.nan))
    with pytest.raises(BadValue, match="No member has a finite 'kl'"):
        get("sweep").draw(FigureRequest([empty], "kl", SIZES["page"], "beta1"))


def test_the_heat_map_shows_every_value_and_a_dash_and_the_better_is_the_stronger(study: StudyData) -> None:
    for metric, higher in (("kl", False), ("high_quality", True)):
        figure = get("heatmap").draw(FigureRequest([study], metric, SIZES["page"], "lr", "penalty_weight"))
        sweeps = sweeps_of(study, metric, "lr", "penalty_weight")
        for sweep, axes in zip(sweeps, figure.axes, strict=True):
            texts = [text.get_text() for text in axes.texts]
            assert len(texts) == 6
            assert texts.count("–") == 6 - len(sweep.scores)
            values = [sweep.scores[at].estimate for at in sorted(sweep.scores)]
            opacity = [patch.get_alpha() or 0.0 for patch in axes.patches]
            assert (
                np.argsort(np.array(values) if higher else -np.array(values)).tolist() == np.argsort(opacity).tolist()
            )


def test_a_map_of_one_value_is_not_painted_as_the_best(study: StudyData) -> None:
    def opacity(column: str, value: float) -> float:
        same = replace(study, runs=study.runs.assign(**{column: value}))
        figure = get("heatmap").draw(FigureRequest([same], column, SIZES["page"], "lr", "penalty_weight"))
        (found,) = {patch.get_alpha() for axes in figure.axes for patch in axes.patches}
        return found

    assert opacity("success", 0.0) == opacity("failure", 1.0) < 0.1
    assert opacity("success", 1.0) == opacity("failure", 0.0) > 0.6
    assert opacity("kl", 2.0) == opacity("high_quality", 2.0)
    assert 0.1 < opacity("kl", 2.0) < 0.6


@pytest.mark.slow
def test_letters_of_both_figures_can_be_read(study: StudyData) -> None:
    for name, keys in (("heatmap", ("lr", "penalty_weight")), ("sweep", ("lr",))):
        for size in SIZES.values():
            figure = get(name).draw(FigureRequest([study], "kl", size, *keys))
            figure.draw_without_rendering()
            texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
            assert min(text.get_fontsize() for text in texts) >= 7.0
            box = figure.get_tightbbox()
            assert box.x1 <= size.width + 0.02
            assert box.x0 >= -0.02


def test_the_command_writes_both_and_refuses_keys_elsewhere(folder: Path, tmp_path: Path) -> None:
    def figure(*words: str) -> Any:
        return CliRunner().invoke(app, ["figure", str(folder), *words, "--out", str(tmp_path / "f.svg")])

    assert figure("heatmap", "--x", "lr", "--y", "penalty_weight").exit_code == 0
    assert figure("sweep", "--x", "lr", "--metric", "success").exit_code == 0
    for words in (("heatmap", "--x", "lr"), ("sweep",), ("curves", "--x", "lr")):
        assert isinstance(figure(*words).exception, BadValue)


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_the_page_holds_the_charts(folder: Path) -> None:
    assert "Sensitivity" in page_of([folder])


def test_two_keys_have_heat_maps_and_one_has_curves(study: StudyData, make_study: Any) -> None:
    charts = sensitivity_charts(study, "k")
    assert [chart.title for chart in charts] == [
        "success ↑ · wgan-gp",
        "success ↑ · dragan",
        "kl ↓ · wgan-gp",
        "kl ↓ · dragan",
    ]
    assert "var(--s0)" in charts[0].views["all"]
    one = gridded(make_study, [("vanilla", {"latent_dim": size}) for size in (2, 8, 32)])
    (rate, mean) = sensitivity_charts(read_study(one), "k")
    assert "95 % band" in rate.help
    assert "var(--s0)" in mean.views["all"]
    two = gridded(make_study, [("vanilla", {"latent_dim": size}) for size in (2, 8)])
    assert sensitivity_charts(read_study(two), "k") == []


def test_capacity_against_the_scale_of_noise_from_training_to_the_heat_map(tmp_path: Path) -> None:
    trained = gantlet.run(
        "ring8", "vanilla", g_width=[4, 12], instance_noise=[0.0, 0.3], seeds=2, out=tmp_path / "s", steps=6, d_width=4,
        batch_size=8, evaluations=1, samples=60,
    )  # fmt: skip
    study = read_study(trained.folder)
    assert set(swept_keys(study)) == {"g_width", "instance_noise"}
    (panel,) = sweeps_of(study, "kl", "g_width", "instance_noise")
    runs = trained.runs
    for column, width in enumerate((4, 12)):
        for row, noise in enumerate((0.0, 0.3)):
            mine = runs[(runs["g_width"] == width) & (runs["instance_noise"] == noise)]
            assert len(mine) == 2
            assert panel.scores[row, column].estimate == pytest.approx(mine["kl"].mean())
    assert sensitivity_charts(study, "k"), "they are on the page, too"
    done = CliRunner().invoke(
        app, ["figure", str(trained.folder), "heatmap", "--x", "g_width", "--y", "instance_noise", "--metric", "kl", "--out", str(tmp_path / "m.svg")]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "m.svg").stat().st_size > 1000
