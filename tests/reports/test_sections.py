"""Sections at their edges: settings without runs, seeds that are not shared, members that were lost in other ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gantlet.reports import charts, sections
from gantlet.reports.cells import Table
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.tables import summary_table
from gantlet.studies.record import MetricRecord, SettingRecord


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=10, evaluations=0))


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def test_a_setting_of_which_nothing_has_run_shifts_no_colour(study: StudyData) -> None:
    rest = replace(study, runs=study.runs[study.runs["setting"] != "vanilla"])
    table = sections.headline(rest, summary_table(rest))
    assert [(row[0].text, row[0].rank) for row in table.rows] == [("alpha alpha_d=0.3", 1), ("wgan-gp", 2)]
    svg = charts.outcomes(rest, summary_table(rest), "x")
    assert "var(--s0)" not in svg
    assert "var(--s1)" in svg
    assert "var(--s2)" in svg


def test_settings_that_share_no_seed_are_not_compared(study: StudyData) -> None:
    apart = study.runs.assign(seed=study.runs["run"])
    table = sections.comparisons(replace(study, runs=apart))
    assert texts(table) == [[label, "0", *["–"] * 6] for label in study.labels[1:]]


def test_a_lone_setting_has_nothing_to_be_compared_with(study: StudyData) -> None:
    record = study.record.model_copy(update={"settings": study.record.settings[:1]})
    assert sections.comparisons(replace(study, record=record, runs=study.members["vanilla"])) is None


def test_a_difference_is_bold_only_where_its_corrected_p_value_is_small(study: StudyData) -> None:
    shift = np.where(study.runs["setting"] == "wgan-gp", 5.0, 0.0)
    noise = np.random.default_rng(8).normal(size=len(study.runs))
    table = sections.comparisons(replace(study, runs=study.runs.assign(kl=noise + shift, modes=3)))
    assert table is not None
    kl, modes = (
        next(at for at, head in enumerate(table.columns) if head.title == name) for name in ("kl ↓", "modes ↑")
    )
    same, other = table.rows
    assert not same[kl].strong
    assert other[kl].strong
    assert other[kl].text.startswith("+")
    assert "\np 0.004\ndetectable " in other[kl].small  # all ten signs agree, of two comparisons: 2 · 2 / 2¹⁰
    assert (same[modes].text, same[modes].small) == ("0", "[0, 0]\np 1.00")
    assert table.note.startswith("Bold: p ≤ 0.05 after Holm's correction over the 2 settings of a column")


def test_five_seeds_make_nothing_bold_and_the_note_says_why(study: StudyData) -> None:
    few = study.runs[study.runs["seed"] <= 5]
    far = few.assign(kl=few["kl"] + np.where(few["setting"] == "vanilla", 0, 1000.0))
    table = sections.comparisons(replace(study, runs=far))
    assert table is not None
    assert [cell.small for row in table.rows for cell in row if "p 0.12" in cell.small]
    assert not any(cell.strong for row in table.rows for cell in row)
    assert "With 5 shared seeds no p can be below 0.125" in table.note
    assert "it takes 7 seeds" in table.note


def test_rates_are_compared_in_percentage_points(study: StudyData) -> None:
    wins = (study.runs["setting"] == "wgan-gp") & (study.runs["seed"] <= 4)
    runs = study.runs.assign(success=wins, status="finished")
    table = sections.comparisons(replace(study, runs=runs))
    success = texts(table)[1][2]
    assert success == "+40 pp"


def test_lost_members_say_when_and_why(study: StudyData) -> None:
    status = ["stopped", "failed", "running", *["finished"] * 27]
    cause = [None, "out of memory", None, *[None] * 27]
    runs = study.runs.assign(status=status, cause=cause, diverged_step=pd.NA, generator_steps=700)
    table = sections.troubles(replace(study, runs=runs))
    assert [row[3:] for row in texts(table)] == [
        ["stopped", "700", "–"],
        ["failed", "700", "out of memory"],
        ["running", "700", "–"],
    ]
    assert sections.troubles(replace(study, runs=runs.assign(status="finished"))) is None


def test_a_key_of_only_some_settings_was_decided_and_is_missing_elsewhere(study: StudyData) -> None:
    records = [
        SettingRecord(
            task="ring8",
            label="a",
            method="alpha",
            values={"lr": 0.1, "alpha_d": 0.3},
            sources={"lr": "task", "alpha_d": "default"},
        ),
        SettingRecord(task="ring8", label="b", method="vanilla", values={"lr": 0.1}, sources={"lr": "task"}),
    ]
    small = replace(study, record=study.record.model_copy(update={"settings": records}))
    assert texts(sections.settings(small, decided=True)) == [["alpha_d", "0.3", "–"]]
    assert texts(sections.settings(small, decided=False)) == [["lr", "0.1", "0.1"]]


def test_titles_say_which_way_is_better(study: StudyData) -> None:
    metrics = {"a": MetricRecord(better="higher"), "b": MetricRecord(better="lower"), "c": MetricRecord()}
    small = replace(study, record=study.record.model_copy(update={"metrics": metrics}))
    titles = [sections.title_of(small, name) for name in ("a", "b", "c", "unknown", "success", "failure")]
    assert titles == ["a ↑", "b ↓", "c", "unknown", "success ↑", "failure ↓"]


def test_a_very_long_table_of_members_is_cut(study: StudyData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_MOST_MEMBERS", 4)
    assert [row[0] for row in texts(sections.members(study))] == ["0", "1", "2", "3"]


def test_members_without_a_value_are_counted_under_their_mean(study: StudyData) -> None:
    lost = study.runs.copy()
    lost.loc[(lost["setting"] == "vanilla") & (lost["seed"] <= 3), "kl"] = float("nan")
    table = sections.headline(replace(study, runs=lost), summary_table(replace(study, runs=lost)))
    place = next(at for at, head in enumerate(table.columns) if head.title == "kl ↓")
    assert [row[place].small.partition("\n")[2] for row in table.rows] == ["3 missing", "", ""]
