"""Curves: every band against its definition, thinning against sums, and costs against the runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gantlet.reports.curves import (
    AXES,
    Band,
    bootstrap_band,
    cost_per_step,
    costs_of,
    curves_of,
    rate_band,
    spread_band,
    thin,
)
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.tables import summary_table


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=12, evaluations=5))


def test_the_bootstrap_band_has_the_width_of_the_standard_error() -> None:
    values = np.random.default_rng(1).normal([[0.0, 10.0, -3.0]], [[1.0, 5.0, 0.1]], (400, 3))
    centre, low, high = bootstrap_band(values)
    error = values.std(0) / 20
    assert centre == pytest.approx(values.mean(0))
    assert high - centre == pytest.approx(1.96 * error, rel=0.15)
    assert centre - low == pytest.approx(1.96 * error, rel=0.15)


def test_the_bootstrap_band_leaves_out_whoever_is_not_there() -> None:
    values = np.random.default_rng(2).normal(size=(50, 2))
    values[20:, 1] = np.nan
    centre, low, high = bootstrap_band(values)
    assert centre[1] == pytest.approx(values[:20, 1].mean())
    assert low[1] < centre[1] < high[1]
    assert high[1] - low[1] > 1.2 * (high[0] - low[0])  # fewer members, a wider band


def test_a_lone_member_has_a_band_without_width() -> None:
    for part in bootstrap_band(np.array([[1.0, 4.0]])):
        assert part == pytest.approx([1.0, 4.0])


def test_a_step_without_members_has_no_band() -> None:
    for band in (bootstrap_band, spread_band):
        for part in band(np.array([[1.0, np.nan], [1.0, np.nan]])):
            assert part[0] == 1.0
            assert np.isnan(part[1])


def test_the_rate_band_is_wilsons_interval() -> None:
    values = np.zeros((30, 2))
    values[:21, 0], values[:4, 1], values[25:, 1] = 1, 1, np.nan
    share, low, high = rate_band(values)
    for place, (ones, count) in enumerate([(21, 30), (4, 25)]):
        interval = stats.binomtest(ones, count).proportion_ci(0.95, method="wilson")
        assert (share[place], low[place], high[place]) == pytest.approx((ones / count, *interval))


def test_the_spread_band_holds_four_members_of_five() -> None:
    values = np.random.default_rng(3).permutation(np.arange(101.0))[:, None]
    centre, low, high = spread_band(values)
    assert (centre[0], low[0], high[0]) == (50, 10, 90)


@given(length=st.integers(1, 400), points=st.integers(1, 150))
def test_thinning_keeps_sums_and_order(length: int, points: int) -> None:
    steps = np.arange(1.0, length + 1)
    values = np.vstack([steps, np.sin(steps)])
    places, means = thin(steps, values, points)
    assert len(places) <= points
    assert (np.diff(places) > 0).all()
    assert means[0] == pytest.approx(places)  # the mean of a window of the identity is its place
    window = -(-length // points) if length > points else 1
    sizes = np.full(len(places), window)
    sizes[-1] = length - window * (len(places) - 1)
    assert (means[1] * sizes).sum() == pytest.approx(values[1].sum(), abs=1e-9)


def test_a_curve_is_the_mean_over_the_members_and_keeps_those_that_diverged(study: StudyData) -> None:
    curves = curves_of(study, "kl", bootstrap_band)
    assert [curve.rank for curve in curves] == [0, 1, 2]
    recorded = study.history[study.history["name"] == "kl"].set_index(["run", "step"])["value"]
    for curve, label in zip(curves, study.labels, strict=True):
        assert curve.steps.tolist() == [4_000, 8_000, 12_000, 16_000, 20_000]
        for step, mean in zip(curve.steps, curve.centre, strict=True):
            members = study.members[label].itertuples()
            values = [recorded.get((member.run, int(step)), member.kl) for member in members]
            assert mean == pytest.approx(np.mean(values))


@pytest.mark.parametrize(("name", "band"), [("success", rate_band), ("failure", rate_band), ("kl", bootstrap_band)])
def test_a_curve_ends_at_the_summarys_number(study: StudyData, name: str, band: Band) -> None:
    summary = summary_table(study).set_index("setting")
    assert (study.runs["status"] == "diverged").any()
    for curve in curves_of(study, name, band):
        row = summary.loc[study.labels[curve.rank]]
        assert curve.centre[-1] == pytest.approx(row[f"{name}_mean" if name == "kl" else f"{name}_rate"])
        if name != "kl":
            assert (curve.low[-1], curve.high[-1]) == pytest.approx((row[f"{name}_low"], row[f"{name}_high"]))


def test_a_loss_ends_where_the_member_left(study: StudyData) -> None:
    run = study.runs.query("status == 'diverged'")["run"].iloc[0]
    label = study.runs.set_index("run")["setting"][run]
    rest = study.curves["loss_d"].loc[study.members[label]["run"]].drop(index=run)
    curve = curves_of(study, "loss_d", spread_band)[study.labels.index(label)]
    assert curve.centre[-1] == pytest.approx(rest.iloc[:, -1].mean())


def test_values_that_are_not_finite_are_left_out(study: StudyData) -> None:
    history = study.history.copy()
    run = study.members["vanilla"]["run"].iloc[0]
    history.loc[(history["run"] == run) & (history["name"] == "kl"), "value"] = np.inf
    broken = StudyData(study.folder, study.record, study.runs, history)
    assert (study.members["vanilla"]["status"] == "finished").all()
    rest = study.members["vanilla"]["run"].iloc[1:]
    expected = study.curves["kl"].loc[rest].mean()
    assert curves_of(broken, "kl", bootstrap_band)[0].centre == pytest.approx(expected.to_numpy())


def test_a_setting_that_did_not_record_a_quantity_has_no_curve(study: StudyData) -> None:
    kept = study.history[~study.history["run"].isin(study.members["alpha alpha_d=0.3"]["run"])]
    part = StudyData(study.folder, study.record, study.runs, kept)
    assert [curve.rank for curve in curves_of(part, "kl", bootstrap_band)] == [0, 2]


def test_costs_are_final_counts_per_step(study: StudyData) -> None:
    costs = costs_of(study)
    assert list(costs) == list(AXES)
    assert costs["generator_steps"] == {0: 1, 1: 1, 2: 1}
    assert costs["discriminator_steps"] == {0: 1, 1: 1, 2: 5}  # five critic steps
    assert costs["images_seen"] == {0: 128, 1: 128, 2: 640}
    rows = study.members["vanilla"]
    assert costs["seconds"][0] == pytest.approx((rows["seconds"] / rows["generator_steps"]).mean())


def test_a_member_that_never_stepped_and_an_unrecorded_measure_cost_nothing() -> None:
    rows = pd.DataFrame({"generator_steps": [0, 10], "seconds": [5.0, 20.0]})
    assert cost_per_step(rows, "seconds") == 2
    assert cost_per_step(rows[:1], "seconds") is None
    assert cost_per_step(rows, "images_seen") is None
