"""Families of comparisons: one correction, one criterion, and what few seeds cannot show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from gantlet.errors import UnknownName
from gantlet.statistics import compare, compare_settings, comparison_rows, scores_by_task


def table(seeds: int, shifts: dict[str, float], noise: float = 1.0) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    rows = [
        {"task": "t", "method": label, "setting": label, "seed": seed, "status": "finished",
         "score": shift + noise * generator.normal()}
        for label, shift in shifts.items() for seed in range(1, seeds + 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_family_of_a_metric_is_corrected_together() -> None:
    runs = table(9, {"base": 0.0, "a": 0.5, "b": 1.5, "c": 4.0})
    found = compare_settings(runs, ["base", "a", "b", "c"], "base", ["score"])
    plain = [compare(runs, label, "base", "score").p_value for label in "abc"]
    assert [each.corrected for each in found] == pytest.approx(multipletests(plain, method="holm")[1])
    assert [each.significant for each in found] == [each.corrected <= 0.05 for each in found]
    assert found[-1].significant


def test_five_seeds_show_nothing_however_large_the_difference() -> None:
    """The interval excludes zero by far, and the exact test still cannot go below 0.0625."""
    found, *_ = compare_settings(table(5, {"base": 0.0, "a": 80.0}), ["a"], "base", ["score"])
    assert found.pair is not None
    assert found.pair.difference.low > 70
    assert (found.corrected, found.smallest, found.significant) == (0.0625, 0.0625, False)
    rows = comparison_rows([found])
    assert rows["pairs_needed"].tolist() == [6]
    six, *_ = compare_settings(table(6, {"base": 0.0, "a": 80.0}), ["a"], "base", ["score"])
    assert six.significant


def test_metrics_are_families_of_their_own() -> None:
    runs = table(8, {"base": 0.0, "a": 3.0}).assign(other=lambda frame: frame["score"])
    found = compare_settings(runs, ["a"], "base", ["score", "other"])
    assert [each.comparisons for each in found] == [1, 1]
    assert found[0].corrected == found[1].corrected == found[0].pair.p_value  # type: ignore[union-attr]


def test_a_setting_without_shared_seeds_is_listed_and_does_not_count() -> None:
    runs = table(8, {"base": 0.0, "a": 3.0, "b": 1.0})
    runs.loc[runs["setting"] == "b", "seed"] += 100
    found = {each.setting: each for each in compare_settings(runs, ["a", "b"], "base", ["score"])}
    assert found["b"].pair is None
    assert not found["b"].significant
    assert found["a"].comparisons == 1
    rows = comparison_rows(list(found.values())).set_index("setting")
    assert rows.loc["b", "pairs"] == 0
    assert np.isnan(rows.loc["b", "p_holm"])


def test_an_unknown_setting_or_column_is_refused() -> None:
    runs = table(3, {"base": 0.0, "a": 1.0})
    with pytest.raises(UnknownName, match="no setting called 'bass'"):
        compare_settings(runs, ["a"], "bass", ["score"])
    with pytest.raises(UnknownName, match="no column called 'scor'"):
        compare_settings(runs, ["a"], "base", ["scor"])


def test_scores_by_task_count_what_the_summary_counts() -> None:
    runs = table(4, {"base": 0.0}).assign(success=True)
    runs.loc[0, "status"], runs.loc[1, "status"] = "diverged", "failed"
    assert scores_by_task(runs, "success")["base"]["t"].tolist() == [0.0, 1.0, 1.0]
    assert len(scores_by_task(runs, "score")["base"]["t"]) == 3
