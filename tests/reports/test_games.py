"""Games of a study: the table, its formats, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gantlet.cli.app import app
from gantlet.errors import BadValue, UnknownName
from gantlet.reports.games import games_of, games_section, games_table
from gantlet.reports.page import page_of
from gantlet.reports.read import StudyData, read_study

GAMES = 8
LABELS = tuple(f"{method} architecture={game}" for method in ("vanilla", "dragan") for game in range(GAMES))


@pytest.fixture(scope="module")
def folder(make_study: Callable[..., Path]) -> Path:
    folder = make_study(seeds=2, labels=LABELS, evaluations=3)
    record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for setting in record["settings"]:
        setting["network"] = "bogonet"
        setting["values"] = {"architecture": int(setting["label"].rpartition("=")[2]), "family": "any"}
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> StudyData:
    return read_study(folder)


def test_scores_are_means_over_seeds_by_an_independent_sum(study: StudyData) -> None:
    games = games_of(study, "kl")
    for setting in study.record.settings:
        game = setting.label.partition(" ")[2]
        rows = study.runs[study.runs["setting"] == setting.label]
        assert games.scores["final"][setting.method][game] == pytest.approx(rows["kl"].mean())
        areas = []
        for run in rows["run"]:
            part = study.history[(study.history["run"] == run) & (study.history["name"] == "kl")].sort_values("step")
            steps, values = part["step"].tolist(), part["value"].tolist()
            steps, values = [*steps, 20_000][:3], [*values, values[-1]][:3]  # one that diverged ends halfway
            halves = [(values[i] + values[i + 1]) / 2 * (steps[i + 1] - steps[i]) for i in range(len(steps) - 1)]
            areas.append(sum(halves) / (steps[-1] - steps[0]))
        assert games.scores["area"][setting.method][game] == pytest.approx(np.mean(areas))


def test_the_table_counts_the_winners_of_lower_and_higher(study: StudyData) -> None:
    for metric, sign in (("kl", -1), ("high_quality", 1)):
        games = games_of(study, metric)
        final = {method: np.array(list(scores.values())) for method, scores in games.scores["final"].items()}
        frame = games_table([games]).set_index("setting")
        ahead = sign * (final["vanilla"] - final["dragan"])
        assert frame["final_wins"].tolist() == [(ahead > 0).sum(), (ahead < 0).sum()]
        assert frame["games"].tolist() == [GAMES, GAMES]
        assert frame.loc["dragan", "final_sd"] == pytest.approx(final["dragan"].std(ddof=1))


def test_every_format_holds_the_games(folder: Path, study: StudyData) -> None:
    runner = CliRunner()
    for format, mark in (
        ("table", "game by game"),
        ("markdown", "| setting |"),
        ("csv", "final_won_rate"),
        ("json", '"area_sd"'),
    ):
        result = runner.invoke(app, ["show", str(folder), str(folder), "--games", "--metric", "kl", "--format", format])
        assert result.exit_code == 0, result.output
        assert mark in result.output
    section = games_section(study)
    assert section is not None
    assert [row[0].text for row in section.rows] == ["vanilla", "dragan"]
    assert "8 games" in section.note


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_the_page_holds_the_games(folder: Path) -> None:
    assert "Stability" in page_of([folder])


def test_a_loss_of_ones_own_plays_the_same_games(folder: Path, study: StudyData) -> None:
    own = "my losses/part.py:Loss"
    settings = [
        each.model_copy(update={"method": own, "label": each.label.replace("dragan", "Loss")})
        if each.method == "dragan"
        else each
        for each in study.record.settings
    ]
    runs = study.runs.assign(setting=study.runs["setting"].str.replace("dragan", "Loss"))
    mine = StudyData(folder, study.record.model_copy(update={"settings": settings}), runs, study.history)
    found = games_of(mine, "kl")
    assert list(found.scores["final"]) == ["vanilla", own]
    assert found.standings("area")[own] == games_of(study, "kl").standings("area")["dragan"]


def test_the_area_of_a_lone_member_that_diverged_reaches_to_the_end_of_training(study: StudyData) -> None:
    """With one seed for each game nobody else's evaluations say how long training would have been."""
    run, alone = study.runs["run"].iloc[0], study.runs[study.runs["seed"] == 1]
    rows = study.history[(study.history["run"] == run) & (study.history["name"] == "kl")].sort_values("step")
    steps, values = rows["step"].to_numpy(float), rows["value"].to_numpy(float)
    assert len(steps) == 3
    kept = study.history[(study.history["run"] != run) | (study.history["step"] < steps[2])]
    found = games_of(StudyData(study.folder, study.record, alone, kept), "kl").scores["area"]["vanilla"][
        "architecture=0"
    ]
    whole = (values[0] + values[1]) / 2 * (steps[1] - steps[0]) + values[1] * (steps[2] - steps[1])
    assert found == pytest.approx(whole / (steps[2] - steps[0]))


def test_the_history_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a large study takes minutes and gigabytes."""
    read = StudyData.history.fget
    assert read is not None
    asked: list[Path] = []

    def counted(study: StudyData) -> pd.DataFrame:
        asked.append(study.folder)
        return read(study)

    monkeypatch.setattr(StudyData, "history", property(counted))
    games_of(read_study(folder), "kl")
    assert asked == [folder]


def test_what_is_no_game_is_refused_in_a_sentence(
    folder: Path, study: StudyData, make_study: Callable[..., Path]
) -> None:
    with pytest.raises(UnknownName, match="metric"):
        games_of(study, "fid")
    alone = read_study(make_study(seeds=2, labels=("vanilla a=1", "vanilla a=2")))
    with pytest.raises(BadValue, match="two methods"):
        games_of(alone)
    assert games_section(alone) is None
    result = CliRunner().invoke(app, ["show", str(folder), "--games", "--runs"])
    assert isinstance(result.exception, BadValue)
    assert "--games" in str(result.exception)


def test_methods_that_share_no_game_are_refused(study: StudyData) -> None:
    kept = study.runs[study.runs["setting"].isin([LABELS[0], LABELS[-1]])]
    with pytest.raises(BadValue, match="no game"):
        games_table([games_of(StudyData(study.folder, study.record, pd.DataFrame(kept)))])


def test_a_metric_that_never_had_a_value_is_refused_in_one_sentence(study: StudyData) -> None:
    history = study.history
    history.loc[history["name"] == "kl", "value"] = np.nan
    runs = study.runs.assign(kl=np.nan)
    with pytest.raises(BadValue, match="kl"):
        games_of(replace(study, given=history, runs=runs), "kl")
