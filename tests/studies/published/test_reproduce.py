"""Published tables: their settings and columns exist, budgets become seeds or steps, later budgets go on, verdicts are honest."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gantlet
import terminal
from gantlet import catalogue
from gantlet.errors import BadValue, StoreError, UnknownName
from gantlet.files import locked
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, expand
from gantlet.studies.build import steps_of
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import start
from gantlet.studies.measure import FleetTime
from gantlet.studies.plan import Plan
from gantlet.studies.published import TABLES, find_table
from gantlet.studies.published import reproduce as work
from gantlet.studies.published.budgets import Afforded, Allowance, Pace, affordable, crowded, more_seeds, parse_budget
from gantlet.studies.published.compare import compare_table
from gantlet.studies.published.reproduce import begin_table, prospects, table_of
from gantlet.studies.published.table import PublishedCell, PublishedTable
from gantlet.studies.store import Store
from gantlet.training.update_schedule import UpdateSchedule

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
    monkeypatch.setattr(work, "busy", lambda: 0.0)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps fit into the next budgets, instead of a measurement."""
    given: list[int] = []
    monkeypatch.setattr(work, "measure", lambda *words, **more: [])

    def fitting(pace: Pace, _: object, *, full: int, seeds: int, **more: object) -> Afforded:
        number = given.pop(0)
        if number < full:
            return Afforded(seeds, number, pace.samples // 2)
        return Afforded(seeds * number // full, full, pace.samples)

    monkeypatch.setattr(work, "rates_of", lambda *_: {})
    monkeypatch.setattr(work, "times_of", lambda *_: [])
    monkeypatch.setattr(work, "affordable", fitting)
    monkeypatch.setattr(work, "more_seeds", lambda *_, seeds, **more: seeds * given.pop(0) // 6)
    return given


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_settings_and_columns_of_a_table_exist(name: str) -> None:
    table = find_table(name)
    settings = expand(
        Request(table.task, table.methods, tuple(axes_from_mapping(table.settings)), presets=table.presets)
    )
    assert {cell.setting for cell in table.cells} <= {resolved.label for resolved in settings}
    task = catalogue.find("task", table.task)
    known = {"success", "failure", "modes", "high_quality", "diverged", "inception_score", "fid", "reverse_kl"}
    assert {cell.column for cell in table.cells} <= known
    assert task.name == table.task


PAGE = Path(__file__).resolve().parents[3] / "docs" / "reproduced.md"


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"small"}))
def test_the_page_has_every_table_with_its_numbers(name: str) -> None:
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
    numbers = set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", row.rpartition(" | ")[2]))
    said = {float(number.replace(",", "")) for number in numbers}
    for cell in find_table(name).cells:
        if not math.isnan(cell.value) and cell.column != "diverged":
            shown = 100 * cell.value if cell.kind == "rate" else cell.value
            assert any(abs(shown - each) <= 0.5 * (shown > 100) + 1e-9 for each in said), (cell, said)


def test_where_the_full_length_fits_seeds_are_cut(folder: Path, fits: list[int]) -> None:
    fits.append(7)  # 8 seeds × 7 steps: 9 seeds × 6
    found = gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    assert sorted(set(found.study.runs["seed"])) == list(range(1, 10))
    assert set(found.study.runs["generator_steps"]) == {6}
    assert [each.cell for each in found.cells] == list(SMALL.cells)


@dataclass
class Slow:
    """A machine on which preparation and steps take long, by a clock that stands still otherwise."""

    preparation: float
    update: float  # of a member
    evaluation: float  # of a member
    sample: float = 0.0  # by which that is shorter for a sample less
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def measure(self, plan: Plan, *_: object, **__: object) -> list[FleetTime]:
        self.now, self.preparation = self.now + self.preparation, 0.0
        sheet: Any = SimpleNamespace(schedule=UpdateSchedule())
        each = [(len(fleet.runs) * self.update, len(fleet.runs) * self.evaluation) for fleet in plan.fleets]
        members = [len(fleet.runs) for fleet in plan.fleets]
        return [
            FleetTime(sheet, update, update, update, evaluation, count * self.sample)
            for count, (update, evaluation) in zip(members, each, strict=True)
        ]


@pytest.mark.parametrize(
    ("slow", "seeds", "steps"),
    [
        (Slow(0.0, 0.1, 1.0), 10, 6),  # 8 seeds of 2 settings: 16 × (6 × 0.1 + 2 × 1) = 41.6 s of 54
        (Slow(25.0, 0.1, 1.0), 8, 5),  # 31.5 s for 16 × (5 × 0.1 + 1): shorter runs are evaluated once, at the end
        (Slow(5000.0, 0.1, 1.0), 6, 1),  # a quarter of the minute is left whatever came before: 12 × 1.1 of 13.5
        (Slow(0.0, 0.1, 7.0), 3, 5),  # one step of 8 seeds and its evaluation would take 113.6 s
        (Slow(0.0, 0.1, 20.0), 1, 5),
        (Slow(30.0, 0.1, 20.0), 1, 1),  # 30 s are left for 45, with which it is a quarter over the minute
        (Slow(0.0, 0.3, 7.0), 3, 5),  # one seed is measured, since its steps are long
    ],
    ids=["quiet", "preparation", "long preparation", "evaluations", "one seed", "one step", "long steps"],
)
def test_a_budget_begins_with_the_command_and_what_is_too_dear_is_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch, slow: Slow, seeds: int, steps: int
) -> None:
    slow = replace(slow)
    monkeypatch.setattr(work, "time", slow)
    monkeypatch.setattr(work, "measure", slow.measure)
    planned = begin_table(SMALL, Options(out=folder, executor="inline", workers=1), 60.0)
    assert len({member.seed for member in planned.plan.members}) == seeds
    assert {steps_of(each.training, planned.samples[0].pool) for each in planned.plan.settings} == {steps}


def test_what_does_not_fit_with_one_seed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(0.0, 0.1, 100.0)
    monkeypatch.setattr(work, "time", slow)
    monkeypatch.setattr(work, "measure", slow.measure)
    with pytest.raises(
        BadValue,
        match=r"A budget of 60 s is not enough: .* took 0 s, and one step of 1 seed with an evaluation of .* takes about 222 s here. "
        r"The smallest that would do is --budget 3m\.",
    ):
        begin_table(SMALL, Options(out=folder, executor="inline", workers=1), 60.0)
    planned = begin_table(SMALL, Options(out=folder, executor="inline", workers=1), 180.0)
    assert (len(planned.plan.members), planned.plan.settings[0].training.steps) == (2, 1)


def test_what_a_shorter_run_is_measured_with_is_cut_before_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of 8 seeds and its evaluation of 4,000 samples take 144 s of a minute, of 1,000 samples 37."""
    slow = Slow(0.0, 0.1, 8.0, sample=0.002)
    monkeypatch.setattr(work, "time", slow)
    monkeypatch.setattr(work, "measure", slow.measure)
    table = replace(SMALL, settings={**SMALL.settings, "samples": 4_000})
    planned = begin_table(table, Options(out=folder, executor="inline", workers=1), 60.0)
    training = planned.plan.settings[0].training
    assert (len(planned.plan.members), training.steps, training.samples, training.evaluations) == (16, 5, 1_000, 1)
    whole = begin_table(table, Options(out=folder, executor="inline", workers=1), 600.0)
    assert (whole.plan.settings[0].training.samples, whole.plan.settings[0].training.evaluations) == (4_000, 2)


def pace(update: float, evaluation: float, workers: int = 1, fleets: int = 1) -> Pace:
    """Of fleets that take so many seconds per update and evaluation of 1,000 samples."""
    sheet: Any = SimpleNamespace(schedule=UpdateSchedule())
    return Pace([FleetTime(sheet, update, update, update, evaluation)] * fleets, workers, [1] * fleets, 1_000)


def test_a_seed_that_does_not_fit_into_a_budget_is_not_added() -> None:
    """One more seed was added whatever the budget: of a long table it trained for days."""
    assert more_seeds(pace(1.0, 0.0), Allowance(1000.0, 0.0), full=90, seeds=2) == 20  # 45 s of a seed, and a tenth
    assert more_seeds(pace(1.0, 0.0), Allowance(50.0, 10.0), full=90, seeds=2) == 1  # 60 s: a fifth over the budget
    with pytest.raises(BadValue, match=r"took 20 s, and one more seed .* about 50 s here. .* would do is --budget 56s"):
        more_seeds(pace(1.0, 0.0), Allowance(50.0, 20.0), full=90, seeds=2)


@pytest.mark.parametrize(
    ("load", "workers", "slower"), [(0.0, 2, 1.0), (0.5, 1, 1.0), (0.5, 2, 1.5), (1.0, 2, 2.0 / 1.5), (0.25, 2, 1.25)]
)
def test_fleets_side_by_side_share_two_cores_with_other_work(
    load: float, workers: int, slower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one of two cores busy, the fleet that is measured has the other, and two fleets have two thirds of a core each."""
    monkeypatch.setattr("gantlet.studies.published.budgets.cores", lambda: 2)
    assert crowded(load, workers, 1) == pytest.approx(slower)


@pytest.mark.parametrize("update", [0.01, 0.3, 1.0, 30.0, 200.0])
@pytest.mark.parametrize("evaluation", [0.1, 10.0, 200.0])
@pytest.mark.parametrize("spent", [0.0, 30.0, 120.0, 280.0])
def test_what_is_planned_ends_within_a_quarter_over_the_budget_or_is_refused(
    update: float, evaluation: float, spent: float
) -> None:
    """Of a machine that keeps its pace, whatever it is: fewer seeds are planned until it fits."""
    budget = Allowance(300.0, spent)
    found = Afforded(8, 0, 0)
    while not found.steps:
        seeds = found.seeds
        members = replace(pace(seeds * update, seeds * evaluation), evaluations=[4])
        if seeds == 1 and spent + (update + evaluation) / 0.9 > 375:
            with pytest.raises(BadValue, match="is not enough"):
                affordable(members, budget, full=100_000, seeds=1)
            return
        found = affordable(members, budget, full=100_000, seeds=seeds)
        assert found.steps or 1 <= found.seeds < seeds
    evaluations = 4 if found.steps == 100_000 else 1
    took = spent + found.seeds * (found.steps * update + evaluations * evaluation)
    assert took <= 375


@pytest.mark.slow
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
    assert short[1].startswith("Shorter runs are measured less: once, at the end, instead of 2 times. Counts of modes")
    assert "no published number can be confirmed" in short[2]
    (fewer,) = [line for line in prospects(SMALL, seeds=8, steps=2, full=6, samples=100) if "measured less" in line]
    assert "by 100 samples instead of 200" in fewer
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


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the table's settings, and one more, that nobody called a reproduction."""
    folder = tmp_path_factory.mktemp("ordinary") / "study"
    return start(terminal.planned(folder, "vanilla", "lr=0.002,0.001,0.003", seeds="1,2", executor="inline")).folder


def test_a_study_goes_on_where_it_is(finished: Store, folder: Path) -> None:
    with pytest.raises(BadValue, match="is a study and goes on where it is: leave out --out"):
        gantlet.reproduce(str(finished.folder), out=folder)
    assert not folder.exists()


def test_an_ordinary_study_with_the_tables_settings_is_compared_and_left_alone(ordinary: Path) -> None:
    before = {path: path.read_bytes() for path in ordinary.rglob("*") if path.is_file()}
    found = gantlet.reproduce("small", out=ordinary)
    means = found.study.runs.groupby("setting")["jsd"].apply(lambda column: column.astype(float).mean())
    assert found.cells[2].against.own == pytest.approx(means["vanilla lr=0.002"])
    assert {each.against.n for each in found.cells} == {2}
    assert {path: path.read_bytes() for path in ordinary.rglob("*") if path.is_file()} == before


def test_studies_of_other_seeds_are_compared_as_one(ordinary: Path, folder: Path, tmp_path: Path) -> None:
    """As seeds 1 and 2 of one machine, and 3 and 4 of another."""
    words = ("vanilla", "lr=0.001,0.002")
    start(terminal.planned(folder, *words, seeds="3,4", executor="inline"))
    whole = start(terminal.planned(tmp_path / "whole", *words, seeds="1,2,3,4", executor="inline")).folder
    found = gantlet.reproduce("small", out=[ordinary, folder])
    expected = gantlet.reproduce("small", out=whole)
    columns = ["setting", "column", "runs", "verdict"]
    assert found.frame()[columns].equals(expected.frame()[columns])
    assert {each.against.n for each in found.cells} == {4}
    for mine, theirs in zip(found.cells, expected.cells, strict=True):  # fleets of other widths differ by rounding
        assert mine.against.own == pytest.approx(theirs.against.own, abs=1e-3)
    shown = terminal.gantlet("reproduce", "small", "--out", ordinary, "--out", folder)
    assert (shown.status, f"{ordinary} and {folder} are studies already" in shown.out) == (0, True)


def test_a_run_does_not_count_twice_and_a_folder_without_a_study_is_named(ordinary: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"both hold seed 1 of vanilla lr=0\.001, which would count twice"):
        gantlet.reproduce("small", out=[ordinary, ordinary])
    with pytest.raises(BadValue, match=r"--out is given 2 times, which compares studies, and .*none is none\."):
        gantlet.reproduce("small", out=[ordinary, tmp_path / "none"])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"lr": [0.005, 0.004]}, r"no setting of the table small; nearest to vanilla lr=0\.005 is vanilla lr="),
        ({"beta1": 0.5}, "beta1=0.9 instead of 0.5"),
    ],
)
def test_a_study_of_other_settings_is_refused(
    ordinary: Path, changed: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "small", replace(SMALL, settings={**SMALL.settings, **changed}))
    with pytest.raises(StoreError, match=sentence):
        gantlet.reproduce("small", out=ordinary)
    monkeypatch.setitem(TABLES, "small", replace(SMALL, task="grid25"))
    with pytest.raises(StoreError, match="is a study of ring8, the table small of grid25"):
        gantlet.reproduce("small", out=ordinary)


def test_a_part_of_a_tables_settings_is_compared_and_the_rest_told(
    ordinary: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "small", replace(SMALL, settings={**SMALL.settings, "lr": [0.004, 0.002]}))
    cells = {cell.setting: cell for cell in SMALL.cells}
    other = replace(cells["vanilla lr=0.001"], setting="vanilla lr=0.004")
    monkeypatch.setitem(TABLES, "small", replace(find_table("small"), cells=(other, cells["vanilla lr=0.002"])))
    missing, there = gantlet.reproduce("small", out=ordinary).cells
    assert (missing.verdict, missing.against.n) == ("cannot tell", 0)
    assert missing.why.startswith("not trained; nearest is vanilla lr=0.00")
    assert there.against.n == 2
    start(terminal.planned(folder, "vanilla", "lr=0.004", seeds="1,2", executor="inline"))
    both = gantlet.reproduce("small", out=[ordinary, folder]).cells  # the one's settings complete the other's
    assert [cell.against.n for cell in both] == [2, 2]
    assert not any(cell.why.startswith("not trained") for cell in both)


def test_a_table_that_changed_since_its_study_was_begun_is_said_and_not_refused(
    folder: Path, fits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the preset seed of the ring, which got its last partial batch: the study goes on, and its numbers are shown."""
    fits.append(6)
    first = gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    monkeypatch.setitem(TABLES, "small", replace(SMALL, settings={**SMALL.settings, "drop_last": False}))
    later = compare_table(Store(folder))
    assert [each.against for each in later] == [each.against for each in first.cells]
    assert {(each.verdict, each.why) for each in later} == {
        ("cannot tell", "begun with drop_last=True instead of False")
    }
    with pytest.raises(StoreError, match=r"has no setting of the table .* with drop_last=True instead of False"):
        gantlet.reproduce("small", out=folder)


def test_where_only_a_figure_was_published_the_own_numbers_stand_alone(
    ordinary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tuple(replace(cell, value=math.nan, deviation=None) for cell in SMALL.cells)
    monkeypatch.setitem(TABLES, "small", replace(SMALL, cells=cells))
    found = gantlet.reproduce("small", out=ordinary)
    own = found.study.runs.groupby("setting")["jsd"].apply(lambda column: column.astype(float).mean())
    assert found.cells[2].against.own == pytest.approx(own["vanilla lr=0.002"])
    assert {(each.verdict, each.why) for each in found.cells} == {("cannot tell", "no number was published")}
    said = list(prospects(find_table("small"), seeds=2, steps=6, full=6))
    assert said[1:] == ["No number was published: the settings are compared with each other."]
    done = terminal.gantlet("reproduce", "small", "--out", ordinary)
    assert (done.status, "a figure" in done.out, "nan" in done.out) == (0, True, False)


def test_another_length_tells_nothing(ordinary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "small", replace(SMALL, settings={**SMALL.settings, "steps": 9}))
    found = gantlet.reproduce("small", out=ordinary)
    assert {each.why for each in found.cells} == {"trained for 66.7% of the published steps"}


def test_where_the_paper_leaves_settings_open_nothing_is_judged(
    ordinary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = (PublishedCell("vanilla lr=0.001", "diverged", "rate", 1.0, n=1),)
    monkeypatch.setitem(TABLES, "small", replace(SMALL, cells=cells, departs="its networks are not known"))
    (only,) = gantlet.reproduce("small", out=ordinary).cells
    assert (only.against.own, only.against.n) == (0.0, 2)
    assert (only.verdict, only.why) == ("cannot tell", "its networks are not known")


def test_the_tables_of_the_mixture_are_the_ordinary_study_of_teams() -> None:
    """gantlet run mixture8 vanilla generators=1,2,4,8 is the table's study, so that its results stand beside the figures."""
    table = find_table("stackelberg-mixture8")
    asked = terminal.resolve("mixture8", "vanilla", "generators=1,2,4,8")
    of_table = expand(
        Request(table.task, table.methods, tuple(axes_from_mapping(table.settings)), presets=table.presets)
    )
    assert [each.values for each in asked] == [each.values for each in of_table]


@pytest.fixture
def idx(tmp_path: Path) -> Path:
    """MNIST's four files with noise for digits."""
    numbers = np.random.default_rng(1)
    for part, count in (("train", 400), ("t10k", 100)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            values = numbers.integers(0, 256 if len(shape) > 1 else 10, shape, dtype=np.uint8)
            head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(head + values.tobytes())
    return tmp_path


@pytest.mark.slow
def test_a_real_budget_is_measured_and_kept(folder: Path) -> None:
    begun = time.monotonic()
    done = terminal.gantlet("reproduce", "small", "--budget", "1m", "--executor", "inline", "--out", folder)
    assert done.status == 0, done.err
    assert time.monotonic() - begun < 240
    found = compare_table(Store(folder))
    assert {each.against.n for each in found} == {12}  # as many as were published, since they fit
    assert "cannot tell" in {each.verdict for each in found}


QUICK = {"train_size": 256, "test_size": 64, "samples": 50, "evaluations": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_ends_at_a_short_budget(
    name: str, folder: Path, fits: list[int], idx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five minutes by a double of the clock, two steps of one seed; a table without its data says what is missing."""
    table = find_table(name)
    if table.task == "cifar10":
        done = terminal.gantlet("reproduce", name, "--executor", "inline", "--out", folder)
        assert (done.status, "cifar10" in done.err, folder.exists()) == (2, True, False)
        return
    monkeypatch.setattr(work, "_LEAST", 1)
    monkeypatch.setitem(TABLES, name, replace(table, settings={**table.settings, **QUICK}))
    fits.append(2)
    data = f":{idx}" if table.task == "stacked-mnist" else ""
    done = terminal.gantlet("reproduce", name + data, "--executor", "inline", "--out", folder, "--json")
    assert done.status == 0, done.err
    cells = json.loads(done.out.splitlines()[-1])["cells"]
    assert {cell["verdict"] for cell in cells} == {"cannot tell"}
    assert all(cell["why"] for cell in cells)


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


def test_a_folder_in_which_nothing_was_begun_is_called_one(
    folder: Path, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    done = terminal.gantlet("reproduce", folder)
    assert (done.status, len(done.lines)) == (2, 1)
    assert f"{folder} is neither a published table nor a folder in which one was begun." in done.err
    done = terminal.gantlet("reproduce", finished.folder / "study.json")
    assert (done.status, f"It is in the study {finished.folder}." in done.err) == (2, True)
    (folder / "alpha-rin").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(StoreError, match="alpha-rin is neither"):
        gantlet.reproduce("alpha-rin")
    with pytest.raises(UnknownName, match="Did you mean 'alpha-ring'"):
        gantlet.reproduce("alpha-rings")


def test_what_a_table_was_begun_with_stays(folder: Path, fits: list[int]) -> None:
    """Another device or number of workers was ignored without a word."""
    fits.append(2)
    gantlet.reproduce("small", budget="1m", out=folder, options={"executor": "inline"})
    before = terminal.tree(folder)
    done = terminal.gantlet("reproduce", folder, "--device", "cuda", "--workers", "3")
    assert (done.status, len(done.lines)) == (2, 1)
    assert (
        f"leave out device, workers. Another device or number of workers from now on is for: gantlet extend {folder}"
        in done.err
    )
    with pytest.raises(BadValue, match="leave out note"):
        gantlet.reproduce(str(folder), options={"note": "faster"})
    assert terminal.tree(folder) == before


def test_what_an_earlier_budget_planned_is_trained_to_its_end_and_this_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planned = begin_table(SMALL, Options(out=folder, executor="inline"), None)
    stopping = iter([False, False])
    start(planned, Callbacks(stopping=lambda: next(stopping, True)))
    assert len(Store(folder).record().plan.members) == 24
    found = gantlet.reproduce(str(folder), budget="1s")
    assert {each.against.n for each in found.cells} == {12}
    assert [each for each in caplog.messages if "whatever --budget says" in each]
    caplog.clear()
    gantlet.reproduce(str(folder), budget="1s")  # whole
    assert not [each for each in caplog.messages if "whatever --budget says" in each]


def test_the_status_tells_damage_and_members_that_were_left(folder: Path, fits: list[int]) -> None:
    fits.extend([2, 6])
    done = terminal.gantlet("reproduce", "small", "--executor", "inline", "--out", folder, "-q")
    assert done.status == 0, done.err
    Store(folder).fleet("0000").joinpath("results.json").write_text("{")
    done = terminal.gantlet("reproduce", folder, "-q")
    assert done.status == 1, done.err
    assert "results.json" in done.err
    fits.append(6)
    with locked(Store(folder).lock("0000")):  # another process trains it
        Store(folder).fleet("0000").joinpath("results.json").unlink()
        done = terminal.gantlet("reproduce", folder, "-q")
    assert done.status == 3, done.err
    assert f"members stopped. Go on with: gantlet reproduce {folder}" in done.err


def test_a_run_that_diverged_counts_as_trained_for_what_was_planned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was trained for one step of six, so that the table could never tell that its setting diverges."""
    cell = PublishedCell("vanilla", "diverged", "rate", 0.0)
    lost = replace(SMALL, settings={**SMALL.settings, "lr": 1e30}, cells=(cell,))
    monkeypatch.setitem(TABLES, "small", lost)
    found = gantlet.reproduce("small", budget="paper", out=folder, options={"executor": "inline"})
    assert set(found.study.runs["status"]) == {"diverged"}
    assert found.study.runs["generator_steps"].max() < 6
    assert [(each.verdict, each.why, each.against.own) for each in found.cells] == [("differs", "", 1.0)]
