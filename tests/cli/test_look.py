"""``gantlet show``, ``report``, ``sample`` and ``film``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import terminal
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from terminal import gantlet


def test_the_summary_is_shown_as_numbers_for_programs(finished: Store) -> None:
    summary = Study(finished.folder).summary()
    shown = pd.read_csv(io.StringIO(gantlet("show", finished.folder, "--format", "csv").out))
    records = json.loads(gantlet("show", finished.folder, "--format", "json").out)
    order = [setting.label for setting in finished.record().settings]
    assert shown["setting"].tolist() == [row["setting"] for row in records] == order
    expected = summary.set_index("setting")["modes_mean"]
    assert shown.set_index("setting")["modes_mean"].to_dict() == pytest.approx(expected.to_dict())
    assert {row["setting"]: row["modes_mean"] for row in records} == pytest.approx(expected.to_dict())


def test_the_summary_is_shown_as_a_table_for_readers(finished: Store) -> None:
    for words in ([], ["--format", "table"]):
        done = gantlet("show", finished.folder, *words)
        assert (done.status, done.err) == (0, "")
        assert all(label in done.out for label in ("vanilla lr=0.001", "alpha lr=0.002", "modes", "success"))
    markdown = gantlet("show", finished.folder, "--format", "markdown").out.splitlines()
    assert set(markdown[1]) == set("| -")
    assert len(markdown) == 2 + 4 + 1  # the last row is of real data


def test_every_member_is_shown_when_asked(finished: Store) -> None:
    shown = pd.read_csv(io.StringIO(gantlet("show", finished.folder, "--runs", "--format", "csv").out))
    assert shown["run"].tolist() == list(range(8))
    assert shown["modes"].tolist() == Study(finished.folder).runs["modes"].tolist()


def test_only_some_columns_are_shown_when_asked(finished: Store) -> None:
    words = ("show", finished.folder, "--metrics", "modes,success", "--format")
    shown = pd.read_csv(io.StringIO(gantlet(*words, "csv").out))
    whole = pd.read_csv(io.StringIO(gantlet("show", finished.folder, "--format", "csv").out))
    kept = [name for name in whole if name.startswith(("modes", "success"))]
    fixed = [name for name in shown if name not in kept]
    assert not [name for name in fixed if name.endswith(("_mean", "_rate"))]
    pd.testing.assert_frame_equal(shown, whole[[*fixed, *kept]][list(shown)])
    assert r"{lrrr}" in gantlet(*words, "latex").out
    compared = pd.read_csv(io.StringIO(gantlet(*words, "csv", "--paired").out))
    assert set(compared["metric"]) == {"modes", "success"}
    done = gantlet("show", finished.folder, "--metrics", "moods")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "modes" in done.err
    assert "goes with neither --runs nor --jobs" in gantlet("show", finished.folder, "--metrics", "kl", "--runs").err


def test_another_format_is_refused(finished: Store) -> None:
    done = gantlet("show", finished.folder, "--format", "html")
    assert (done.status, done.err) == (2, "gantlet: --format html is not one of table, csv, json, markdown, latex.\n")


def test_a_setting_to_compare_with_is_not_overlooked(tmp_path: Path) -> None:
    done = gantlet("show", tmp_path, "--format", "csv", "--against", "alpha")
    assert (done.status, done.out) == (2, "")
    assert "give --paired, too, for --format csv" in done.err


@pytest.mark.slow
@pytest.mark.usefixtures("real_report", "no_charts")
def test_a_report_of_two_studies_stands_where_it_is_wanted(finished: Store, tmp_path: Path) -> None:
    other = terminal.study(tmp_path / "other", "wgan-gp", seeds="2").folder
    page = tmp_path / "deep" / "page.html"
    done = gantlet("report", finished.folder, other, "--out", page)
    assert (done.status, done.out, done.err) == (0, f"{page}\n", "")
    text = page.read_text(encoding="utf-8")
    assert "alpha lr=0.002" in text
    assert "wgan-gp" in text
    assert not (finished.folder / "report.html").exists()


def test_samples_are_written_and_their_place_is_printed(finished: Store, tmp_path: Path) -> None:
    out = tmp_path / "x.npy"
    done = gantlet("sample", finished.folder, 3, "--out", out, "--n", "7", "--seed", "4")
    assert (done.status, done.out, done.err) == (0, f"{out}\n", "")
    first = np.load(out)
    assert first.shape == (7, 2)
    again = gantlet("sample", finished.folder, 3, "--out", out)
    assert again.status == 2
    assert again.err == f"gantlet: {out} exists already; nothing was written. Choose another --out.\n"
    assert np.array_equal(np.load(out), first)


def test_samples_by_generator(tmp_path: Path) -> None:
    folder = terminal.study(tmp_path / "team", "vanilla", "generators=3").folder
    assert gantlet("sample", folder, 0, "--by-generator", "--n", "5", "--out", tmp_path / "x.npy").status == 0
    assert np.load(tmp_path / "x.npy").shape == (15, 2)


@pytest.mark.parametrize(("run", "n", "status"), [(99, 5, 2), (-1, 5, 2), (0, 0, 2)])
def test_wrong_numbers_are_refused(finished: Store, tmp_path: Path, run: int, n: int, status: int) -> None:
    done = gantlet("sample", finished.folder, "--n", n, "--out", tmp_path / "x.npy", "--", run)
    assert done.status == status
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_film_is_made_and_its_place_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTLET_RECORDED", "1")
    folder = terminal.study(tmp_path / "study", "vanilla", "generators=2", "steps=4", "evaluations=4", seeds="2").folder
    out = tmp_path / "x.webp"
    done = gantlet("animate", folder, 0, "--out", out, "--seconds", "0.05", "--hold", "1")
    assert (done.status, done.out, done.err) == (0, f"{out}\n", "")
    with Image.open(out) as film, Image.open(folder / "samples" / "0" / "000000003.png") as third:
        assert (film.n_frames, film.size) == (5, (800, 650))  # four evaluations and the end
        film.seek(2)
        assert np.array_equal(np.asarray(film.convert("RGB")), np.asarray(third.convert("RGB")))
    again = gantlet("animate", folder, 0, "--out", out)
    assert again.status == 2
    assert again.err == f"gantlet: {out} exists already; nothing was written. Choose another --out.\n"
    none = gantlet("animate", folder, 1)
    assert none.status == 2
    assert none.err == f"gantlet: Run 1 has no images in {folder}. Those with images are: 0.\n"
    old = gantlet("film", folder, 0)
    assert (old.status, old.err) == (0, "note: film is read as animate\n")
    assert old.out == f"{folder / 'samples' / '0' / 'animation.gif'}\n"


def test_a_study_without_pictures_gives_no_film(finished: Store, tmp_path: Path) -> None:
    done = gantlet("animate", finished.folder, 3, "--out", tmp_path / "x.gif")
    assert (done.status, len(done.lines)) == (2, 1)
    assert "No member of this study has any." in done.err
    assert list(tmp_path.iterdir()) == []
