"""A grid as games: every method on the same random architectures, with final scores, areas under curves and winners.

A game is what is left of a setting's label without its method, such as ``architecture=3``; its score is the mean over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gantlet.errors import BadValue, UnknownName
from gantlet.statistics import Compared, Standing, area_under_curve, compare_settings, standings
from gantlet.studies.record import SettingRecord

from .cells import Cell, Column, Table, estimate_cell, value_cell
from .paired import criterion_note, difference_texts
from .read import StudyData
from .sections import title_of
from .words import percent

__all__ = ["Games", "games_of", "games_section", "games_table", "plays_games"]

_GAME = ("architecture", "family")
"""The keys that say which random networks play."""

_SCORES = {"final": "at the end of training", "area": "area under the curve over training, divided by the time"}


@dataclass(frozen=True)
class Games:
    """The games of one study.

    Attributes:
        task: The task.
        metric: The column by which they are judged.
        higher: Whether more of it is better.
        scores: ``final`` or ``area`` to method to game to score.
        compared: Each method against the first, game by game, in ``final`` and ``area``.
    """

    task: str
    metric: str
    higher: bool
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    compared: tuple[Compared, ...]

    def standings(self, score: str) -> dict[str, Standing]:
        """How each method did by ``final`` or ``area``."""
        return standings(self.scores[score], higher=self.higher)

    def note(self, mark: str) -> str:
        """What the columns are, and what decides what is marked."""
        count = next(iter(self.standings("final").values())).games
        criterion = criterion_note(self.compared, mark=mark).replace("shared seeds", "games")
        criterion = criterion.replace("seeds", "games").replace("settings", "methods")
        return (
            f"{count} games that every method played, judged by {self.metric} ({'higher' if self.higher else 'lower'} is "
            f"better): final, {_SCORES['final']}; area, {_SCORES['area']}. A game is won by the method that alone is the best, "
            f"lost where the score is not finite; a member that diverged keeps its last good score. {criterion}"
        )


def plays_games(study: StudyData) -> bool:
    """Whether a study is a stability test: at least two methods on at least two pairs of random architectures."""
    settings = study.record.settings
    pairs = {tuple(each.values.get(key) for key in _GAME) for each in settings}
    return (
        all(each.network == "bogonet" for each in settings)
        and len(pairs) > 1
        and len({each.method for each in settings}) > 1
    )


def games_of(study: StudyData, metric: str = "") -> Games:
    """The games of a study.

    Arguments:
        study: Of a grid of methods and other keys.
        metric: A column of the results; the task's headline if empty.

    Raises:
        UnknownName: The study has no such column.
        BadValue: It has fewer than two methods, no game that all of them played, or no history of the metric.
    """
    known = [name for name in (*study.rates, *study.metrics) if name in study.curves and study.curves[name].size]
    headline = study.record.task.headline
    name = metric or (headline if headline in known else next(iter(known), ""))
    if metric and metric not in (*study.rates, *study.metrics):
        raise UnknownName("metric", metric, [*study.rates, *study.metrics])
    if name not in known:
        raise BadValue(f"{study.folder} has no history of '{name}'; games are judged by a metric that is.")
    record = study.record.metrics.get(name)
    higher = (record.better if record else "lower" if name == "failure" else "higher") != "lower"
    scores: dict[str, dict[str, dict[str, float]]] = {kind: {} for kind in _SCORES}
    ends = _ends(study, name)
    for setting in study.record.settings:
        members = study.members[setting.label]
        if len(members) == 0 or members[name].isna().all():
            continue
        for kind, value in zip(_SCORES, _scores_of(study, members, name, ends), strict=True):
            scores[kind].setdefault(setting.method, {})[_game_of(setting)] = value
    if len(scores["final"]) < 2:
        raise BadValue(f"Games need at least two methods; {study.folder} has {', '.join(scores['final']) or 'none'}.")
    return Games(study.record.task.name, name, higher, scores, tuple(_compared(scores)))


def games_table(every: Sequence[Games]) -> pd.DataFrame:
    """One row per task and method, as a summary.

    Columns: task, setting (the method), games; ``final_mean``, its limits, ``final_sd``, ``final_wins`` (how many) and
    ``final_won_rate`` with its limits; the same of ``area``.
    """
    rows: list[dict[str, Any]] = []
    for games in every:
        found = {kind: games.standings(kind) for kind in _SCORES}
        for method in games.scores["final"]:
            row: dict[str, Any] = {"task": games.task, "setting": method, "games": found["final"][method].games}
            for kind in _SCORES:
                row |= _numbers(kind, found[kind][method])
            rows.append(row)
    return pd.DataFrame(rows)


def games_section(study: StudyData) -> Table | None:
    """The table of a stability test for the page; None for any other study, or before anything was measured."""
    if not plays_games(study):
        return None
    try:
        games = games_of(study)
        found = {kind: games.standings(kind) for kind in _SCORES}
    except BadValue:  # no game is finished yet
        return None
    base, rate = games.compared[0].against, games.metric in study.rates
    differences = {(each.metric, each.setting): each for each in games.compared}
    columns, rows = [Column("method"), Column("games", kind="number")], [[Cell(method)] for method in found["final"]]
    for row in rows:
        row.append(value_cell(found["final"][row[0].text].games))
    for kind in _SCORES:
        columns += [Column(text, kind="number") for text in (kind, f"{kind} sd", f"{kind} won", f"{kind} − {base}")]
        for row in rows:
            standing, difference = found[kind][row[0].text], differences.get((kind, row[0].text))
            score, wins = standing.score, standing.wins
            row += [
                estimate_cell(score.estimate, score.low, score.high, missing=score.missing),
                value_cell(standing.deviation),
                Cell(str(standing.won), f"{percent(wins.low)} to {percent(wins.high)}", f"{standing.won}", "number"),
                _difference_cell(difference) if difference else Cell("–", kind="number"),
            ]
    return Table(columns, rows, f"{title_of(study, games.metric)}{' as a share' * rate}: {games.note('Bold')}")


def _difference_cell(each: Compared) -> Cell:
    text, interval, p_value = difference_texts(each, rate=False)
    return Cell(text, "\n".join(part for part in (interval, p_value) if part), kind="number", strong=each.significant)


def _game_of(setting: SettingRecord) -> str:
    """A label without its method, of which it has the whole name or, of a part of the user's own, what follows the colon."""
    names = (setting.method, setting.method.rpartition(":")[2])
    return next((setting.label[len(each) :] for each in names if setting.label.startswith(each)), setting.label).strip()


def _ends(study: StudyData, name: str) -> dict[str, float]:
    """Each method to the step of its last evaluation with a value, in any setting."""
    curve = study.curves[name]
    known = curve.notna().to_numpy()  # [R, T]
    last = curve.columns.to_numpy(float)[known.shape[1] - 1 - known[:, ::-1].argmax(1)]
    method_of = dict(zip(study.runs["run"].tolist(), study.runs["method"].tolist(), strict=True))
    ends: dict[str, float] = {}
    for run, step in zip(curve.index.tolist(), last.tolist(), strict=True):
        if run in method_of:
            ends[method_of[run]] = max(step, ends.get(method_of[run], 0))
    return ends


def _scores_of(study: StudyData, members: pd.DataFrame, name: str, ends: Mapping[str, float]) -> tuple[float, float]:
    """The final score and the area of one setting, averaged over its seeds.

    Where all of them ended early, their last values are held to the last evaluation of the method's other settings.
    """
    final = pd.to_numeric(members[name]).to_numpy(float)
    rows = study.curves[name].reindex(index=members["run"]).dropna(axis=1, how="all")
    if rows.shape[1] == 0:
        return _mean(final), math.nan
    steps, values = rows.columns.to_numpy(float), rows.to_numpy(float)  # [T], [R, T]
    if (end := ends[members["method"].iloc[0]]) > steps[-1]:
        steps, values = np.append(steps, end), np.pad(values, ((0, 0), (0, 1)), constant_values=np.nan)
    return _mean(final), _mean(area_under_curve(steps, values))


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _compared(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[Compared]:
    """Each method against the first, with games in the place of seeds."""
    methods = list(scores["final"])
    number_of = {game: at for at, game in enumerate(scores["final"][methods[0]])}
    rows = [
        {"task": "", "method": method, "setting": method, "seed": number, "status": "finished"}
        | {kind: scores[kind][method][game] for kind in _SCORES}
        for method in methods
        for game, number in number_of.items()
        if game in scores["final"][method]
    ]
    return compare_settings(pd.DataFrame(rows), methods[1:], methods[0], list(_SCORES))


def _numbers(kind: str, found: Standing) -> dict[str, Any]:
    score, wins = asdict(found.score), asdict(found.wins)
    return {
        f"{kind}_mean": score["estimate"],
        f"{kind}_low": score["low"],
        f"{kind}_high": score["high"],
        f"{kind}_missing": score["missing"],
        f"{kind}_sd": found.deviation,
        f"{kind}_wins": found.won,
        f"{kind}_won_rate": wins["estimate"],
        f"{kind}_won_low": wins["low"],
        f"{kind}_won_high": wins["high"],
    }
