"""Printed figures: every one at its size, letters that can be read, the same bytes each time, and what they show."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from typer.testing import CliRunner

import gantlet
from gantlet.cli.app import app
from gantlet.errors import BadValue, FolderInUse, UnknownName
from gantlet.reports.printed import get, names
from gantlet.reports.printed.base import SIZES, FigureRequest
from gantlet.reports.read import StudyData, read_study
from gantlet.statistics import budget_curve, rank_methods, scores_by_task
from thinning import leading

LABELS = ("vanilla", "alpha alpha_d=$0.3", "wgan-gp")


@pytest.fixture(scope="module")
def folder(make_study: Callable[..., Path]) -> Path:
    return make_study(seeds=8, labels=LABELS, evaluations=4, drawn=True)


@pytest.fixture(scope="module")
def study(folder: Path) -> StudyData:
    return read_study(folder)


def drawn(study: StudyData, name: str, metric: str = "", size: str = "column") -> Figure:
    return get(name).draw(FigureRequest([study], metric, SIZES[size]))


@pytest.mark.parametrize(
    "name", [name for name in names() if name not in ("heatmap", "sweep")]
)  # test_sweeps has these
def test_letters_are_at_least_seven_points_and_lie_within_the_sheet(study: StudyData, name: str) -> None:
    figure = drawn(study, name)
    figure.draw_without_rendering()  # lays it out
    width, height = figure.get_size_inches()
    assert width == SIZES["column"].width
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(sizes) >= 7.0
    box = figure.get_tightbbox()  # inches, of all that is drawn
    assert min(box.x0, box.y0) >= -0.02
    assert box.x1 <= width + 0.02
    assert box.y1 <= height + 0.02


@pytest.mark.parametrize("name", leading(["curves", "profile", "budget"]))
def test_a_long_legend_makes_the_sheet_longer_and_no_panel_lower(
    study: StudyData, make_study: Callable[..., Path], name: str
) -> None:
    labels = tuple(f"wgan-gp lr=0.001 penalty_weight={weight}" for weight in range(1, 17))
    heights: list[float] = []
    for each in (study, read_study(make_study(seeds=2, labels=labels, evaluations=4))):
        figure = drawn(each, name)
        figure.draw_without_rendering()  # lays it out, and warns where a panel has no room
        heights.append(figure.axes[0].get_window_extent().height / figure.dpi)
    assert heights[1] > 0.8 * heights[0]


@pytest.mark.parametrize("kind", leading(["svg", "pdf", "png"]))
def test_the_same_study_gives_the_same_bytes(folder: Path, tmp_path: Path, kind: str) -> None:
    first, second = (gantlet.figure(folder, "bars", tmp_path / f"{at}.{kind}").read_bytes() for at in (1, 2))
    assert first == second
    assert not re.search(rb"CreationDate|<dc:date|20\d\d-\d\d-\d\d", first)


def test_the_budget_curve_is_drawn_as_computed(study: StudyData) -> None:
    axes = drawn(study, "budget", "kl").axes[0]
    expected = budget_curve(scores_by_task(study.runs, "kl")["wgan-gp"]["ring8"], higher=False)
    line = next(line for line in axes.lines if np.allclose(line.get_ydata(), expected.best))
    assert line.get_xdata() == pytest.approx(expected.budgets)


def test_the_ranking_is_drawn_as_computed(study: StudyData) -> None:
    axes = drawn(study, "ranking", "kl").axes[0]
    expected = rank_methods(scores_by_task(study.runs, "kl"), higher=False)
    widths = np.array([patch.get_width() for patch in axes.patches]).reshape(3, 3).T  # type: ignore[union-attr]
    assert widths == pytest.approx(expected.probability)
    assert axes.get_yticklabels()[0].get_text().startswith(expected.methods[0].replace("$", r"\$"))


def test_settings_keep_their_colours_across_studies(study: StudyData) -> None:
    request = FigureRequest([study, study], "kl", SIZES["page"])
    left, right = get("curves").draw(request).axes
    assert [line.get_color() for line in left.lines] == [line.get_color() for line in right.lines]
    assert len({line.get_color() for line in left.lines}) == 3


def test_the_command_writes_what_python_writes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    done = CliRunner().invoke(app, ["figure", str(folder), "profile", "--out", str(out), "--metric", "kl"])
    assert (done.exit_code, done.stdout.strip()) == (0, str(out))
    again = gantlet.figure(folder, "profile", tmp_path / "python.svg", metric="kl")
    assert out.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("kind", leading(["svg", "pdf", "png"]))
def test_a_figure_replaces_a_figure_of_gantlets_and_nothing_else(folder: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"figure.{kind}"
    gantlet.figure(folder, "bars", out)
    bars = out.read_bytes()
    gantlet.figure(folder, "profile", out)
    assert out.read_bytes() != bars
    Figure().savefig(out)  # somebody else's
    theirs = out.read_bytes()
    with pytest.raises(FolderInUse, match=rf"figure\.{kind} exists already and is no figure of gantlet's"):
        gantlet.figure(folder, "bars", out)
    assert out.read_bytes() == theirs


def test_what_is_not_there_is_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.pdf"
    with pytest.raises(UnknownName, match=r"no figure called 'curve'. Did you mean 'curves'"):
        gantlet.figure(folder, "curve", out)
    with pytest.raises(UnknownName, match=r"no figure called 'zzz'. Known: bars, budget, curves, heatmap, modes"):
        gantlet.figure(folder, "zzz", out)
    with pytest.raises(UnknownName, match="no size called 'poster'"):
        gantlet.figure(folder, "curves", out, size="poster")
    with pytest.raises(UnknownName, match="no metric in every study called 'lk'"):
        gantlet.figure(folder, "curves", out, metric="lk")
    with pytest.raises(BadValue, match=r"ends in none of \.pdf, \.svg and \.png"):
        gantlet.figure(folder, "curves", tmp_path / "x.jpg")
    with pytest.raises(BadValue, match="none was named"):
        gantlet.figure([], "curves", out)
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_modes_or_samples_says_so(make_study: Callable[..., Path], tmp_path: Path) -> None:
    bare = make_study(seeds=3, task="digits", evaluations=0)
    for name, said in (("modes", "counts the modes"), ("samples", "no image"), ("curves", "no history of")):
        with pytest.raises(BadValue, match=said if name != "samples" else "has an image"):
            gantlet.figure(bare, name, tmp_path / "x.pdf")
