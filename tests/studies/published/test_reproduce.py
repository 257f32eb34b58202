"""Published tables: their settings and columns exist, budgets become seeds or steps, later budgets go on, verdicts are honest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gantlet
import terminal
from gantlet import catalogue
from gantlet.errors import BadValue, StoreError, UnknownName
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, expand
from gantlet.studies.published import TABLES, find_table
from gantlet.studies.published import reproduce as work
from gantlet.studies.published.reproduce import compare_table, parse_budget, prospects, table_of
from gantlet.studies.published.table import PublishedCell, PublishedTable
from gantlet.studies.store import Store

TINY = dict(word.split("=") for word in terminal.TINY if not word.startswith("steps"))
SMALL = PublishedTable(
    name="small",
    title="two learning rates",
    source="nobody (2000)",
    task="ring8",
    methods=("vanilla",),
    settings={**TINY, "steps": 6, "lr": [0.001, 0.002]},
    seeds=12,
    cells=(
        PublishedCell("vanilla lr=0.001", "success", "rate", 0.9),
        PublishedCell("vanilla lr=0.002", "failure", "rate", 1.0),
        PublishedCell("vanilla lr=0.002", "jsd", "mean", 0.5, 0.1),
    ),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "small", SMALL)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps fit into the next budgets, instead of a measurement."""
    given: list[int] = []
    monkeypatch.setattr(work, "measure", lambda *words, **more: [])
    monkeypatch.setattr(work, "steps_within", lambda *words: given.pop(0))
    return given


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_settings_and_columns_of_a_table_exist(name: str) -> None:
    table = find_table(name)
    settings = expand(
        Request(table.task, table.methods, tuple(axes_from_mapping(table.settings)), presets=table.presets)
    )
    assert {cell.setting for cell in table.cells} == {resolved.label for resolved in settings}
    task = catalogue.find("task", table.task)
    known = {"success", "failure", "modes", "high_quality"}
    assert {cell.column for cell in table.cells} <= known
    assert task.name == table.task


def test_where_the_full_length_fits_seeds_are_cut(folder: Path, fits: list[int]) -> None:
    fits.append(7)  # 8 seeds × 7 steps: 9 seeds × 6
    found = gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    assert sorted(set(found.study.runs["seed"])) == list(range(1, 10))
    assert set(found.study.runs["generator_steps"]) == {6}
    assert [each.cell for each in found.cells] == list(SMALL.cells)


def test_a_short_budget_cuts_steps_says_so_and_goes_on(folder: Path, fits: list[int]) -> None:
    fits.extend([2, 3, 5, 6])
    first = gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    assert set(first.study.runs["generator_steps"]) == {2}
    assert {each.verdict for each in first.cells} == {"cannot tell"}
    assert {each.why for each in first.cells} == {"trained for 33.3% of the published steps"}
    gantlet.reproduce(str(folder), budget="1m")
    full = gantlet.reproduce(str(folder), budget="1m")
    assert set(full.study.runs["generator_steps"]) == {6}  # 2 + 3 + 5 would be more than there are
    more = gantlet.reproduce(str(folder), budget="1m")
    assert set(more.study.runs["seed"]) == set(range(1, 13))
    assert gantlet.reproduce(str(folder), budget="1m").frame().equals(more.frame())  # nothing is left to do
    assert "trained for" not in {each.why for each in more.cells}


@pytest.mark.slow
def test_results_of_shorter_plans_count(folder: Path, tmp_path: Path, fits: list[int]) -> None:
    """A table that grew to its full length has the numbers of one that was planned so."""
    fits.extend([2, 5, 6])
    gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    grown = gantlet.reproduce(str(folder), budget="1m")
    whole = gantlet.reproduce("small", budget="1m", out=tmp_path / "whole", options={"executor": "inline"})
    assert grown.frame().drop(columns="why").equals(whole.frame().drop(columns="why"))


def test_the_comparison_is_of_the_runs(folder: Path, fits: list[int]) -> None:
    fits.append(6)
    found = gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    runs = found.study.runs
    jsd = runs[runs["setting"] == "vanilla lr=0.002"]["jsd"].astype(float)
    own = {each.cell.column: each.against.own for each in found.cells}
    assert own["jsd"] == pytest.approx(jsd.mean())
    assert own["failure"] == pytest.approx((runs[runs["setting"] == "vanilla lr=0.002"]["failure"] == True).mean())  # noqa: E712
    success = found.cells[0]
    assert success.verdict == "differs"  # 0 of 8 against 0.9 of 12
    assert found.study.verify().damage == ()


def test_the_paper_is_all_seeds_at_full_length(folder: Path) -> None:
    found = gantlet.reproduce("small", budget="paper", out=folder, options={"executor": "inline"})
    assert len(found.study.runs) == 24
    assert set(found.study.runs["generator_steps"]) == {6}


def test_before_it_starts_it_says_what_can_be_shown() -> None:
    short = list(prospects(SMALL, seeds=8, steps=2, full=6))
    assert short[0] == "8 of 12 seeds × 2 steps (33.3% of the published 6 steps)"
    assert "no published number can be confirmed" in short[1]
    full = list(prospects(SMALL, seeds=8, steps=6, full=6))
    assert len(full) == 3  # one for each rate
    assert "points from the published 90 %" in full[1]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("5m", 300.0), ("1.5h", 5400.0), ("2d", 172800.0), ("paper", None)]
)
def test_budgets_are_read(text: str, seconds: float | None) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0m", "5 m", "1e3m", "forever"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="--budget"):
        parse_budget(text)


def test_an_unknown_table_and_an_ordinary_study_are_refused(finished: Store, folder: Path) -> None:
    with pytest.raises(UnknownName, match="published table"):
        gantlet.reproduce("alpha-rings", out=folder)
    with pytest.raises(StoreError, match="not of a published table"):
        table_of(finished.record(), finished.folder)
    with pytest.raises(StoreError, match="not of a published table"):
        compare_table(finished)
    assert not folder.exists()


def test_the_command_line(folder: Path, fits: list[int]) -> None:
    listed = terminal.gantlet("reproduce")
    assert listed.status == 0
    assert "alpha-ring " in listed.out
    fits.append(6)
    done = terminal.gantlet("reproduce", "small", "--budget", "1m", "--executor", "inline", "--out", folder, "--json")
    assert done.status == 0, done.err
    told: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    assert [cell["column"] for cell in told["cells"]] == ["success", "failure", "jsd"]
    shown = terminal.gantlet("reproduce", "small", "--budget", "nonsense")
    assert (shown.status, shown.lines[0].startswith("gantlet: --budget nonsense")) == (2, True)
