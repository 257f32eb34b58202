"""Pictures of a study: of whom, when, and what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import terminal
from gantlet.api.loading import load
from gantlet.figures import recorder as module
from gantlet.figures.recorder import recorded_runs
from gantlet.training.batch_loader import fixed_latents
from gantlet.training.trained import Team
from thinning import leading


@given(st.integers(1, 100), st.integers(1, 100))
def test_the_first_members_of_each_setting_are_pictured(settings: int, seeds: int) -> None:
    runs = recorded_runs({run: run // seeds for run in range(settings * seeds)})
    shown = min(settings, 32)
    each = {
        setting: sorted(run - setting * seeds for run in runs if run // seeds == setting) for setting in range(shown)
    }
    assert sum(map(len, each.values())) == len(runs)
    assert all(places == list(range(len(places))) and places for places in each.values())
    assert len(runs) <= max(8, shown)
    if settings * seeds <= 8:
        assert len(runs) == settings * seeds


@pytest.mark.usefixtures("recorded")
def test_pictures_of_points_are_drawn_at_every_evaluation_and_at_the_end(folder: Path) -> None:
    terminal.study(folder, "wgan-gp", "ema=0.5", seeds="1")
    sizes = {}
    for path in sorted((folder / "samples" / "0").iterdir()):
        with Image.open(path) as picture:
            sizes[path.name] = picture.size
    assert sizes == {"000000003.png": (800, 600), "000000006.png": (800, 600), "final.png": (600, 600)}


@pytest.mark.usefixtures("recorded")
def test_every_pictured_member_is_drawn_once_and_no_pad(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, str]] = []

    def note(path: Path, **_: object) -> None:
        drawn.append((path.parent.name, path.stem))

    monkeypatch.setattr(module, "draw_points", note)
    terminal.study(folder, "vanilla", seeds="5", width=3)
    times = ("000000003", "000000006", "final")
    assert sorted(drawn) == [(str(run), time) for run in range(5) for time in times]


@pytest.mark.usefixtures("recorded")
def test_the_map_is_a_probability_where_a_score_is_a_logit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: dict[str, set[object]] = {"0": set(), "1": set()}

    def note(path: Path, *, decision: object, **_: object) -> None:
        if isinstance(decision, tuple):
            values = np.asarray(decision[2])
            assert values.shape == (100, 100)
            kinds[path.parent.name].add(decision[3])
            if decision[3] == "probability":
                assert 0 < values.min() <= values.max() < 1

    monkeypatch.setattr(module, "draw_points", note)
    terminal.study(folder, "vanilla,wgan-gp")
    assert kinds == {"0": {"probability"}, "1": {"score"}}


@pytest.mark.usefixtures("recorded")
def test_pictures_of_images_show_the_first_test_samples(tmp_path: Path) -> None:
    folder = image_study(tmp_path)
    with Image.open(folder / "samples" / "0" / "final.png") as picture:
        grid = np.asarray(picture).astype(float)
    assert grid.shape == (2 + 5 * 66, 2 + 5 * 66)
    made = load(folder, run=0)(fixed_latents(25, 3, "normal", name="latent/test")).detach().numpy()
    expected = (made[7, 0] + 1) * 127.5  # the third of the second row
    assert np.abs(grid[68 : 68 + 64, 2 + 2 * 66 : 66 + 2 * 66] - expected).max() <= 0.51


def image_study(tmp_path: Path, *words: str) -> Path:
    """A study of one member that makes grey images of 64 by 64."""

    np.save(tmp_path / "own.npy", np.random.default_rng(1).uniform(-1, 1, size=(60, 1, 64, 64)))
    tiny = ("steps=2", "g_width=8", "d_width=8", "batch_size=8", "samples=16", "evaluations=1", "latent_dim=3")
    asked = terminal.request(f"images:{tmp_path}/own.npy", "vanilla", *tiny, *words)
    return terminal.trained(asked, tmp_path / "study").folder


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(("generators", "rows"), leading([(4, 2), (12, 1)]))
def test_images_of_a_team_stand_in_rows_by_generator(tmp_path: Path, generators: int, rows: int) -> None:
    folder = image_study(tmp_path, f"generators={generators}")
    with Image.open(folder / "samples" / "0" / "final.png") as picture:
        grid = np.asarray(picture).astype(float)
    block = rows * 66 + 6  # each image has a gap of 2 below it; between generators it is 8
    assert grid.shape == (2 + generators * block - 6, 2 + 10 * 66)
    team = load(folder, run=0)
    assert isinstance(team, Team)
    latents = fixed_latents(10 * rows, 3, "normal", name="latent/test")
    for owner, column in ((0, 0), (1, 9), (generators - 1, 4)):
        made = team(latents, torch.full((10 * rows,), owner))[10 * (rows - 1) + column, 0].detach().numpy()
        top, left = 2 + owner * block + (rows - 1) * 66, 2 + column * 66  # the generator's last row
        assert np.abs(grid[top : top + 64, left : left + 64] - (made + 1) * 127.5).max() <= 0.51


@pytest.mark.usefixtures("recorded")
def test_ownership_is_drawn_of_teams_and_agrees_with_the_results(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}

    def note(path: Path, counts: np.ndarray, *, title: str, modes_are: str) -> None:
        assert (path.name, title, modes_are) == ("ownership.png", "good samples, step 6", "mode")
        drawn[path.parent.name] = counts

    monkeypatch.setattr("gantlet.metrics.mixture._RADIUS", 20.0)  # six steps lead nowhere near
    monkeypatch.setattr(module, "draw_ownership", note)
    monkeypatch.setattr(module, "draw_points", lambda path, **_: None)
    store = terminal.study(folder, "vanilla", "generators=1,3", "samples=3000", seeds="2")
    assert sorted(drawn) == ["2", "3"]  # the first two members are no teams
    for run, counts in drawn.items():
        row = terminal.results(store)[int(run)]
        assert counts.shape == (3, 8)
        owner = counts.argmax(0)
        owned = [int(((owner == k) & (counts.max(0) > 0)).sum()) for k in range(3)]
        assert (row["modes_by_generator"], row["modes"]) == (owned, (counts.sum(0) > 0).sum())
        assert row["high_quality"] == pytest.approx(counts.sum() / 3000)
    assert sum(counts.sum() for counts in drawn.values()) > 50


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
def test_only_a_metric_that_knows_owners_has_ownership_drawn(tmp_path: Path) -> None:
    place = image_study(tmp_path, "generators=2") / "samples" / "0"
    names = ["000000002.png", "final.png", "interpolation.png", "neighbours.png", "real.png"]
    assert sorted(path.name for path in place.iterdir()) == names


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
def test_pictures_of_a_team_lie_in_its_folder(folder: Path) -> None:
    terminal.study(folder, "vanilla", "generators=2")
    names = sorted(path.name for path in (folder / "samples" / "0").iterdir())
    assert names == ["000000003.png", "000000006.png", "final.png", "ownership.png"]


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
def test_branches_that_are_averaged_are_pictured_as_one_generator(folder: Path, tmp_path: Path) -> None:
    terminal.study(folder, "vanilla", "generators=2", "team=average")
    place = folder / "samples" / "0"
    assert sorted(path.name for path in place.iterdir()) == ["000000003.png", "000000006.png", "final.png"]
    with Image.open(place / "final.png") as picture:
        assert picture.size == (600, 600)  # no legend
    (tmp_path / "own").mkdir()
    grid = image_study(tmp_path / "own", "generators=2", "team=average") / "samples" / "0" / "final.png"
    with Image.open(grid) as picture:
        assert picture.size == (2 + 5 * 66, 2 + 5 * 66)
