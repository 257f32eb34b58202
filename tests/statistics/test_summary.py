"""The summary of runs, from a table whose every cell was counted by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gantlet.errors import BadData, BadValue, UnknownName
from gantlet.statistics.intervals import bootstrap_mean, wilson
from gantlet.statistics.summary import compare, summarise

NAN = float("nan")


def table(*rows: tuple[Any, ...]) -> pd.DataFrame:
    columns = ["task", "method", "setting", "seed", "status", "success", "failure", "modes", "kl"]
    return pd.DataFrame(rows, columns=columns)


RUNS = table(
    ("ring8", "alpha", "a=1", 1, "finished", True, False, 8, 0.1),
    ("ring8", "alpha", "a=0.5", 1, "finished", True, False, 8, 0.2),
    ("ring8", "alpha", "a=1", 2, "finished", False, True, 0, 2.0),
    ("ring8", "alpha", "a=0.5", 2, "finished", True, False, 8, 0.1),
    ("ring8", "alpha", "a=1", 3, "diverged", True, False, 8, NAN),
    ("ring8", "alpha", "a=0.5", 3, "finished", False, False, 7, 0.3),
    ("ring8", "alpha", "a=1", 4, "diverged", False, True, 0, 3.0),
    ("ring8", "alpha", "a=1", 5, "stopped", None, None, NAN, NAN),
    ("ring8", "alpha", "a=1", 6, "failed", None, None, NAN, NAN),
    ("ring8", "vanilla", "vanilla", 1, "failed", None, None, NAN, NAN),
)


def row(summary: pd.DataFrame, setting: str) -> dict[str, Any]:
    (found,) = summary[summary["setting"] == setting].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_rows_stand_in_the_order_of_first_appearance() -> None:
    summary = summarise(RUNS, metrics=["modes"])
    assert list(summary["setting"]) == ["a=1", "a=0.5", "vanilla"]
    assert list(summary["method"]) == ["alpha", "alpha", "vanilla"]
    assert list(summary["task"]) == ["ring8"] * 3


def test_every_status_is_counted() -> None:
    summary = summarise(RUNS, metrics=[])
    found = summary.set_index("setting")[["seeds", "finished", "diverged", "unfinished"]]
    assert found.to_numpy().tolist() == [[6, 2, 2, 2], [3, 3, 0, 0], [1, 0, 0, 1]]


def test_a_diverged_run_is_no_success_and_fails_as_it_stands() -> None:
    """Of a=1 four runs count: one success (the diverged one that says so is none), two failures."""
    found = row(summarise(RUNS, metrics=[]), "a=1")
    for name, count in (("success", 1), ("failure", 2)):
        rate = wilson(count, 4)
        assert [found[f"{name}_{end}"] for end in ("rate", "low", "high")] == [rate.estimate, rate.low, rate.high]


def test_means_are_over_the_runs_that_count_and_say_what_is_missing() -> None:
    found = row(summarise(RUNS, metrics=["modes", "kl"]), "a=1")
    modes, kl = bootstrap_mean([8.0, 0.0, 8.0, 0.0]), bootstrap_mean([0.1, 2.0, 3.0])
    assert [found[f"modes_{end}"] for end in ("mean", "low", "high")] == [modes.estimate, modes.low, modes.high]
    assert [found[f"kl_{end}"] for end in ("mean", "low", "high")] == [kl.estimate, kl.low, kl.high]
    assert found["kl_missing"] == 1
    assert "modes_missing" not in found  # nothing is missing in any row


def test_a_setting_of_which_nothing_finished_has_no_numbers() -> None:
    found = row(summarise(RUNS, metrics=["kl"]), "vanilla")
    assert math.isnan(found["success_rate"])
    assert (found["success_low"], found["success_high"]) == (0.0, 1.0)
    assert math.isnan(found["kl_mean"])


def test_columns_stand_in_the_promised_order() -> None:
    columns = list(summarise(RUNS[RUNS["setting"] == "a=0.5"], metrics=["kl"]).columns)
    rates = [f"{name}_{end}" for name in ("success", "failure") for end in ("rate", "low", "high")]
    counts = ["task", "method", "setting", "seeds", "finished", "diverged", "unfinished"]
    assert columns == [*counts, *rates, "kl_mean", "kl_low", "kl_high"]


def test_tasks_without_success_have_no_rates() -> None:
    columns = summarise(RUNS.drop(columns=["success", "failure"]), metrics=["kl"]).columns
    assert not any(name.startswith(("success", "failure")) for name in columns)


def test_one_setting_on_two_tasks_makes_two_rows() -> None:
    both = pd.concat([RUNS, RUNS.assign(task="grid25")])
    summary = summarise(both, metrics=["kl"])
    assert list(summary["task"]) == ["ring8"] * 3 + ["grid25"] * 3
    assert list(summary["seeds"]) == [6, 3, 1] * 2


@pytest.mark.parametrize("kind", ["boolean", "Int64", "float64", object])
def test_rates_do_not_depend_on_how_the_column_is_stored(kind: Any) -> None:
    expected = summarise(RUNS, metrics=["modes"])
    stored = RUNS.assign(success=RUNS["success"].astype("boolean").astype(kind), modes=RUNS["modes"].astype("Int64"))
    pd.testing.assert_frame_equal(summarise(stored, metrics=["modes"]), expected)


def test_no_runs_make_an_empty_table_with_its_columns() -> None:
    summary = summarise(RUNS.iloc[:0], metrics=["kl"])
    assert len(summary) == 0
    assert {"setting", "success_rate", "kl_mean"} <= set(summary.columns)


def test_a_wider_level_gives_wider_intervals() -> None:
    narrow, wide = (row(summarise(RUNS, metrics=["modes"], level=level), "a=1") for level in (0.5, 0.99))
    for name in ("success", "modes"):
        assert wide[f"{name}_low"] < narrow[f"{name}_low"] < narrow[f"{name}_high"] < wide[f"{name}_high"]


def test_the_input_is_not_changed() -> None:
    before = RUNS.copy(deep=True)
    summarise(RUNS, metrics=["kl"])
    compare(RUNS, "a=1", "a=0.5", "success")
    pd.testing.assert_frame_equal(RUNS, before)


def test_metrics_that_are_unknown_or_no_numbers_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"no column called 'mode'\. Did you mean 'modes'"):
        summarise(RUNS, metrics=["mode"])
    with pytest.raises(BadValue, match="'owned' is not numeric"):
        summarise(RUNS.assign(owned=[[1, 2]] * len(RUNS)), metrics=["owned"])
    with pytest.raises(BadData, match="lacks the column setting, status"):
        summarise(RUNS.drop(columns=["setting", "status"]), metrics=[])


def test_settings_are_compared_over_their_shared_seeds() -> None:
    found = compare(RUNS, "a=1", "a=0.5", "modes")
    assert (found.n, found.unshared) == (3, 1)  # seed 4; seeds 5 and 6 did not finish
    assert found.difference.estimate == pytest.approx((0 - 8 + 1) / 3)
    assert compare(RUNS, "a=0.5", "a=1", "modes").difference.estimate == -found.difference.estimate


def test_comparing_successes_does_not_believe_a_diverged_run() -> None:
    found = compare(RUNS, "a=1", "a=0.5", "success")
    assert (found.mean_a, found.mean_b, found.test) == (pytest.approx(1 / 3), pytest.approx(2 / 3), "mcnemar")
    assert compare(RUNS, "a=1", "a=0.5", "kl").missing == 1


def test_comparisons_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UnknownName, match="no setting called 'a=2'"):
        compare(RUNS, "a=1", "a=2", "modes")
    with pytest.raises(BadValue, match="share no seed"):
        compare(RUNS, "a=1", "vanilla", "modes")
    with pytest.raises(BadData, match="'a=1' has the seed 1 more than once"):
        compare(pd.concat([RUNS, RUNS]), "a=1", "a=0.5", "modes")
    both = pd.concat([RUNS, RUNS.assign(task="grid25", modes=np.arange(len(RUNS)))])
    with pytest.raises(BadValue, match=r"several tasks \(ring8, grid25\)"):
        compare(both, "a=1", "a=0.5", "modes")
    alone = compare(both, "a=1", "a=0.5", "modes", task="ring8")
    assert alone == compare(RUNS, "a=1", "a=0.5", "modes")
