"""The table of paired comparisons in a terminal: one mark, one criterion, and the same verdicts as the page."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from gantlet.cli.app import app
from gantlet.errors import UnknownName
from gantlet.reports import sections
from gantlet.reports.paired import compared_with, criterion_note, paired_table
from gantlet.reports.read import StudyData, read_study


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=12, evaluations=0))


def test_the_terminal_marks_what_the_page_sets_in_bold(study: StudyData) -> None:
    compared = compared_with(study)
    table, page = paired_table(compared, study.rates), sections.comparisons(study)
    assert page is not None
    marked = [[text.endswith("*") for text in row[2:]] for row in table.to_numpy().tolist()]
    assert marked == [[cell.strong for cell in row[2:]] for row in page.rows]
    assert any(map(any, marked))
    assert not all(map(all, marked))


def test_another_setting_may_be_the_one_to_compare_with(study: StudyData) -> None:
    there = {each.metric: each for each in compared_with(study) if each.setting == "wgan-gp"}
    back = {each.metric: each for each in compared_with(study, "wgan-gp") if each.setting == "vanilla"}
    for metric, each in there.items():
        assert each.pair is not None
        assert back[metric].pair is not None
        assert back[metric].pair.difference.estimate == pytest.approx(-each.pair.difference.estimate)  # type: ignore[union-attr]
    with pytest.raises(UnknownName, match=r"no setting called 'wgan'.*'wgan-gp'"):
        compared_with(study, "wgan")


def test_the_note_says_how_far_the_seeds_reach(study: StudyData) -> None:
    note = criterion_note(compared_with(study), mark="*")
    assert "With 12 shared seeds p is at least 0.001; a difference that is not marked may still be there." in note


def test_show_prints_it_and_paired_alone_has_every_number(study: StudyData) -> None:
    def shown(*words: str) -> str:
        done = CliRunner().invoke(app, ["show", str(study.folder), *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "Each setting minus vanilla, seed by seed:" in shown()
    assert "Each setting" not in shown("--format", "markdown")
    assert "| setting | pairs |" in shown("--format", "markdown", "--paired")
    rows = pd.DataFrame(json.loads(shown("--paired", "--format", "json")))
    assert set(rows["setting"]) == {"alpha alpha_d=0.3", "wgan-gp"}
    assert (rows["significant"] == (rows["p_holm"] <= 0.05)).all()
    csv = pd.read_csv(io.StringIO(shown("--paired", "--format", "csv", "--against", "wgan-gp")))
    assert set(csv["against"]) == {"wgan-gp"}
    assert "kl_iqm" in shown("--aggregate", "iqm", "--format", "csv")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--aggregate", "median"], "is not one of mean, iqm"), (["--runs", "--paired"], "--runs prints members")],
)
def test_what_does_not_go_together_is_refused(study: StudyData, words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["show", str(study.folder), *words])
    assert said in str(done.exception)
