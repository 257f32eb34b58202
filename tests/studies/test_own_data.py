"""Settings that do not see the same data: each keeps its own, is held to it, and no score of one's real data stands for all."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import terminal
from gantlet.errors import BadData
from gantlet.reports.read import read_study
from gantlet.reports.value_cards import cards_of
from gantlet.requests.grid import parse_axis
from gantlet.studies.extend import Extension, extend_plan
from gantlet.studies.launch import resume
from gantlet.studies.store import Store

SMALL = ("steps=2", "g_width=8", "d_width=8", "batch_size=16", "samples=32", "evaluations=1")


def tables(folder: Path) -> tuple[Path, Path]:
    """Two tables of 200 rows, around 1000 and around -50."""
    rng = np.random.default_rng(1)
    for name, centre in (("a", 1000), ("b", -50)):
        np.savetxt(folder / f"{name}.csv", rng.normal(centre, 2, (200, 2)), delimiter=",", header=f"{name}0,{name}1")
    return folder / "a.csv", folder / "b.csv"


def test_scores_against_different_test_samples_have_no_common_floor_and_a_note_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = tables(tmp_path)
    with caplog.at_level(logging.WARNING, "gantlet"):
        store = terminal.trained(
            terminal.request("points", "vanilla", f"data_path={one},{other}", *SMALL), tmp_path / "s"
        )
    assert "do not have the same test samples" in caplog.text
    record = store.record()
    assert [record.sample_of(0).columns, record.sample_of(1).columns] == [("a0", "a1"), ("b0", "b1")]
    assert {column.floor for column in record.metrics.values()} == {None}
    cards = cards_of(read_study(store.folder))
    assert all(card.floor is None and card.data.count("160 train, 40 test") == 2 for card in cards.values())
    other.write_text(other.read_text().replace("1", "2"))
    extended = Extension(axes=(parse_axis("steps=4"),))
    with pytest.raises(BadData, match=r"data_path=.*b\.csv.* as many, 160 to train on, but others"):
        extend_plan(store.folder, extended)


def test_settings_with_the_same_test_samples_keep_the_floor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gantlet"):
        store = terminal.study(tmp_path / "s", "vanilla", "train_size=128,256")
    assert "do not have the same" not in caplog.text
    record = store.record()
    assert (record.sample_of(0).pool, record.sample_of(1).pool) == (128, 256)
    assert any(column.floor is not None for column in record.metrics.values())


def test_an_extension_by_other_data_keeps_what_samples_of_each_look_like(tmp_path: Path) -> None:
    one, other = tables(tmp_path)
    store = terminal.trained(terminal.request(f"points:{one}", "vanilla", "standardise=true", *SMALL), tmp_path / "s")
    before = store.record()
    assert any(column.floor is not None for column in before.metrics.values())
    extend_plan(store.folder, Extension(methods=("vanilla",), axes=(parse_axis(f"data_path={other}"),)))
    resume(store.folder)
    record = Store(store.folder).record()
    assert record.sample_of(0) == before.sample
    assert record.sample_of(1).mean == pytest.approx((-50, -50), rel=0.02)
    assert {column.floor for column in record.metrics.values()} == {None}
