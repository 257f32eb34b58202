"""``gantlet sample``: the member's samples, as a picture, an array or single PNGs; nothing is overwritten."""

from __future__ import annotations

import os
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gantlet
import terminal
from gantlet.api.sampler import draw_member, interpolate, write_samples
from gantlet.errors import BadValue, FolderInUse, StoreError
from gantlet.studies.store import Store
from gantlet.training.trained import Team


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one member with three generators."""
    return terminal.study(tmp_path_factory.mktemp("team") / "study", "vanilla", "generators=3").folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two generators of 6 × 5 grey images of one's own."""
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "own.npy", np.random.default_rng(1).uniform(-1, 1, size=(60, 1, 6, 5)))
    words = ("generators=2", "steps=2", "g_width=8", "d_width=8", "batch_size=8", "samples=16")
    asked = terminal.request(f"images:{folder}/own.npy", "vanilla", *words)
    return terminal.trained(asked, folder / "study").folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_an_array_holds_what_the_loaded_generator_makes(finished: Store, tmp_path: Path) -> None:
    path = write_samples(finished.folder, 3, out=tmp_path / "deep" / "x.npy", n=40, seed=5)
    made = np.load(path)
    assert (made.shape, made.dtype) == ((40, 2), np.float32)
    drawn, owners = draw_member(finished.folder, 3, n=40, seed=5)
    assert np.array_equal(made, drawn.numpy())
    assert set(owners.tolist()) == {0}
    other = write_samples(finished.folder, 3, out=tmp_path / "y.npy", n=40, seed=6)
    assert not np.array_equal(np.load(other), made)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.npy"]


def test_a_team_is_sampled_by_generator(team: Path) -> None:
    net = gantlet.load(team, run=0)
    assert isinstance(net, Team)
    made, owners = draw_member(team, 0, n=4, seed=2, by_generator=True)
    assert owners.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    mixed, picked = draw_member(team, 0, n=12, seed=2)
    same = picked == owners
    assert torch.equal(mixed[same], made[same])  # the same latents, so the same samples where the owner is the same
    assert not torch.equal(mixed[~same], made[~same])


def test_a_picture_of_points_is_drawn_beside_the_others_by_default(finished: Store, folder: Path) -> None:
    import shutil

    shutil.copytree(finished.folder, folder)
    path = write_samples(folder, 2, out=None, n=30, seed=1)
    assert path == folder / "samples" / "2" / "seed-1-n-30.png"
    assert pixels(path).shape[:2] == (600, 600)


def test_images_are_drawn_as_a_grid(pictures: Path, tmp_path: Path) -> None:
    grid = pixels(write_samples(pictures, 0, out=tmp_path / "a.png", n=9))
    rows = pixels(write_samples(pictures, 0, out=tmp_path / "b.png", n=4, by_generator=True))
    high, wide = 2 + 11 * 6, 2 + 11 * 5  # small images grow by a whole factor, with a gap of two pixels
    assert grid.shape == (2 + 3 * high, 2 + 3 * wide)
    assert rows.shape == (2 + 2 * high + 6, 2 + 4 * wide)  # one row of four for each generator, a wider gap between


@pytest.mark.parametrize("by_generator", [False, True])
def test_images_are_written_one_by_one(pictures: Path, tmp_path: Path, by_generator: bool) -> None:
    place = write_samples(pictures, 0, out=tmp_path / "single", n=3, by_generator=by_generator)
    names = sorted(path.name for path in place.iterdir())
    assert names == (
        [f"generator-{k}-{i:06d}.png" for k in range(2) for i in range(3)]
        if by_generator
        else [f"{i:06d}.png" for i in range(3)]
    )
    made, _ = draw_member(pictures, 0, n=3, seed=1, by_generator=by_generator)
    shades = np.floor((made[0, 0].numpy().astype(np.float64) + 1) * 127.5 + 0.5)
    assert np.abs(pixels(place / names[0])[2:-2:11, 2:-2:11] - shades).max() <= 1


@pytest.mark.parametrize("name", ["x.jpg", "x.npz", "x.TIFF", "x.parquet"])
def test_a_file_of_a_kind_that_is_not_written_does_not_become_a_folder(
    pictures: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadValue, match=r"Give FILE\.png, FILE\.npy, FILE\.csv or a folder"):
        write_samples(pictures, 0, out=tmp_path / name, n=2)
    assert not (tmp_path / name).exists()
    assert write_samples(pictures, 0, out=tmp_path / "x.PNG", n=2).is_file()


def test_nothing_is_overwritten(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.png").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = terminal.tree(tmp_path)
    for out in ("x.npy", "full"):
        with pytest.raises(FolderInUse, match="exists already; nothing was written"):
            write_samples(pictures, 0, out=tmp_path / out)
    assert terminal.tree(tmp_path) == before
    assert len(list(write_samples(pictures, 0, out=tmp_path / "empty", n=2).iterdir())) == 2


def test_points_cannot_be_written_one_by_one(finished: Store, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"points are drawn together. Give FILE.png"):
        write_samples(finished.folder, 0, out=tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_points_of_other_dimensions_are_given_as_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "deep.npy", np.random.default_rng(1).normal(size=(100, 3)))
    words = ("steps=2", "g_width=8", "d_width=8", "batch_size=8", "samples=32")
    asked = terminal.request(f"points:{tmp_path}/deep.npy", "vanilla", *words)
    folder = terminal.trained(asked, tmp_path / "study").folder
    with pytest.raises(BadValue, match=r"Points with 3 coordinates cannot be drawn. Give --out FILE.npy"):
        write_samples(folder, 0, out=None)
    assert np.load(write_samples(folder, 0, out=tmp_path / "x.npy", n=6)).shape == (6, 3)


def test_an_array_that_cannot_be_written_leaves_nothing(
    finished: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(StoreError, match=r"x.npy cannot be written: No space left on device"):
            write_samples(finished.folder, 0, out=tmp_path / "x.npy")
    assert list(tmp_path.iterdir()) == []


def test_how_far_drawing_and_writing_are_is_told_and_parts_are_what_the_whole_is(
    team: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, int]] = []
    whole = draw_member(team, 0, n=2500, seed=1)
    monkeypatch.setattr("gantlet.api.sampler._NUMBERS", 1)
    write_samples(team, 0, out=tmp_path / "parts.npy", n=2500, notify=lambda *told: heard.append(told))
    assert heard == [(1024, 2500), (2048, 2500), (2500, 2500)]
    np.testing.assert_allclose(np.load(tmp_path / "parts.npy"), whole[0].numpy(), rtol=1e-5, atol=1e-6)
    heard.clear()
    write_samples(pictures, 0, out=tmp_path / "single", n=3, notify=lambda *told: heard.append(told))
    assert heard == [(3, 3), (1, 3), (2, 3), (3, 3)]


def test_more_samples_than_memory_holds_are_refused_before_any_is_drawn(
    finished: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantlet.api.latents.available_memory", lambda device: 10_000)
    write_samples(finished.folder, 0, out=tmp_path / "few.npy", n=100)  # 4 × 100 × (2 × 2 + 3 × 2) = 4,000 bytes
    for act in (
        lambda: write_samples(finished.folder, 0, out=tmp_path / "many.npy", n=1000),
        lambda: interpolate(finished.folder, 0, out=tmp_path / "many.npy", steps=1000),
    ):
        with pytest.raises(BadValue, match=r"samples take some 0\.0 GB of memory, and 0\.0 GB are free. Draw fewer"):
            act()
    assert [path.name for path in tmp_path.iterdir()] == ["few.npy"]


def test_counts_and_seeds_of_python_are_whole_numbers(finished: Store, tmp_path: Path) -> None:
    wrongs: list[dict[str, Any]] = [{"n": 2.5}, {"n": 0}, {"n": 2, "seed": 1.0}]
    for wrong in wrongs:
        with pytest.raises(BadValue, match=r"is not a whole number|n=0 is out of range"):
            write_samples(finished.folder, 0, out=tmp_path / "a.npy", **wrong)
    net: Any = gantlet.load(finished.folder, run=0)
    net_wrongs: list[dict[str, Any]] = [{"n": 2.5}, {"n": 2, "seed": 1.0}]
    for wrong in net_wrongs:
        with pytest.raises(BadValue, match="is not a whole number"):
            net.sample(**wrong)


@pytest.mark.parametrize("draw", [write_samples, interpolate])
def test_the_earlier_name_of_n_is_read_with_a_note(
    finished: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, draw: Any
) -> None:
    new, old = (
        draw(finished.folder, 0, out=tmp_path / "n.npy", n=4),
        draw(finished.folder, 0, out=tmp_path / "count.npy", count=4),
    )
    assert new.read_bytes() == old.read_bytes()
    assert [record.getMessage() for record in caplog.records] == ["note: count= is read as n="]
    assert "count" not in signature(draw).parameters
    with pytest.raises(BadValue, match="count= and n= are one argument, given twice"):
        draw(finished.folder, 0, out=tmp_path / "both.npy", n=4, count=4)
