"""The summary table: numbers against their definitions, and every format read back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gantlet.errors import BadValue
from gantlet.reports import tables
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.tables import FORMATS, estimates, readable, render, summary_table


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=20, evaluations=2))


@pytest.fixture
def frame() -> pd.DataFrame:
    """A summary of two settings, one of them with awkward words and without a mean."""
    return pd.DataFrame(
        {
            "task": "ring8",
            "method": ["vanilla", "alpha"],
            "setting": ["vanilla", "alpha x=a|b [red]<i>\n"],
            "seeds": [200, 200],
            "finished": [200, 190],
            "diverged": [0, 10],
            "unfinished": [0, 0],
            "success_rate": [0.465, 0.795],
            "success_low": [0.397, 0.734],
            "success_high": [0.534, 0.845],
            "kl_mean": [1.2345, np.nan],
            "kl_low": [1.1, np.nan],
            "kl_high": [1.4, np.nan],
        }
    )


def test_the_summary_has_the_studys_order_and_its_numbers(study: StudyData) -> None:
    shuffled = StudyData(study.folder, study.record, study.runs.sample(frac=1, random_state=1), study.history)
    summary = summary_table(shuffled)
    assert summary["setting"].tolist() == study.labels
    for label, row in summary.set_index("setting").iterrows():
        members = study.runs[study.runs["setting"] == label]
        ones = int((members["success"] & (members["status"] == "finished")).sum())
        interval = stats.binomtest(ones, len(members)).proportion_ci(0.95, method="wilson")
        assert row["success_rate"] == pytest.approx(ones / len(members))
        assert (row["success_low"], row["success_high"]) == pytest.approx(tuple(interval))
        assert row["kl_mean"] == pytest.approx(members["kl"].mean())
        assert row["kl_low"] < row["kl_mean"] < row["kl_high"]
        assert row["diverged"] == (members["status"] == "diverged").sum()


def test_a_rate_that_the_task_does_not_know_is_left_out(make_study: Callable[..., Path]) -> None:
    summary = summary_table(read_study(make_study(task="digits", seeds=4)))
    assert estimates(summary) == {"fid": False, "recall": False}


def test_readable_cells_say_estimate_and_interval_and_drop_what_says_nothing(frame: pd.DataFrame) -> None:
    cells = readable(frame)
    assert cells.columns.tolist() == ["method", "setting", "seeds", "finished", "diverged", "success", "kl"][1:]
    assert cells["success"].tolist() == ["46.5 % [39.7, 53.4]", "79.5 % [73.4, 84.5]"]
    assert cells["kl"].tolist() == ["1.23 [1.10, 1.40]", "–"]


def test_members_without_a_value_are_counted(study: StudyData) -> None:
    runs = study.runs.assign(kl=study.runs["kl"].where(study.runs["run"] > 2))
    summary = summary_table(StudyData(study.folder, study.record, runs, study.history))
    cells = readable(summary)["kl"]
    assert cells[0].endswith("] (3 missing)")
    assert cells[1].endswith("]")


def test_a_method_that_the_label_hides_keeps_its_column(frame: pd.DataFrame) -> None:
    assert "method" in readable(frame.assign(setting=["first", "second"]))


def test_csv_and_json_hold_every_number_in_full(frame: pd.DataFrame) -> None:
    back = pd.read_csv(io.StringIO(render(frame, "csv")))
    pd.testing.assert_frame_equal(back, frame)
    records = json.loads(render(frame.assign(kl_mean=[0.1 + 0.2, np.inf]), "json"))
    assert records[0]["kl_mean"] == 0.1 + 0.2
    assert records[1]["kl_mean"] is None
    assert records[1]["kl_low"] is None
    assert records[1]["setting"] == frame["setting"][1]


def test_markdown_is_a_table_whatever_the_label_holds(frame: pd.DataFrame) -> None:
    lines = render(frame, "markdown").splitlines()
    assert len(lines) == 4
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}
    assert "alpha x=a\\|b [red]<i>�" in lines[3]


def test_a_wide_table_is_cut_and_repeats_the_setting(frame: pd.DataFrame) -> None:
    wide, narrow = render(frame, "table", width=200), render(frame, "table", width=60)
    assert wide.count("alpha x=a|b [red]<i>�") == 1  # Rich's markup is text here
    assert narrow.count("alpha x=a|b [red]<i>�") == 3
    assert max(len(line) for line in narrow.splitlines()) <= 60
    for text in (wide, narrow):
        for cell in readable(frame).to_numpy().ravel():
            assert cell in text


def test_a_terminal_narrower_than_one_cell_still_shows_every_letter(frame: pd.DataFrame) -> None:
    text = render(frame, "table", width=18)
    assert "39.7" in text
    assert "84.5" in text


def test_an_empty_summary_is_an_empty_table(frame: pd.DataFrame) -> None:
    for form in FORMATS:
        assert "46.5" not in render(frame[:0], form)


def test_another_format_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(BadValue, match="format=xml is not one of table, csv, json, markdown"):
        render(frame, "xml")  # type: ignore[arg-type]


@given(
    st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.text("ab1 .%[]é–あ́\t\n", max_size=6), min_size=columns, max_size=columns),
            min_size=1,
            max_size=4,
        )
    ),
    st.integers(1, 40),
)
def test_lines_that_fit_are_written_as_rich_writes_them(rows: list[list[str]], width: int) -> None:
    quick = tables._fitting(rows, width)  # pyright: ignore[reportPrivateUsage]
    assert quick in ("", tables._folded(rows, width))  # pyright: ignore[reportPrivateUsage]


def test_simple_cells_take_the_short_way_and_others_do_not() -> None:
    assert tables._fitting([["setting", "kl"], ["a", "0.5 – 0.6 ±"]], 30)  # pyright: ignore[reportPrivateUsage]
    for rows, width in (([["あ"], ["b"]], 30), ([["a\nb"]], 30), ([["a"], ["b" * 20]], 20)):
        assert not tables._fitting(rows, width)  # pyright: ignore[reportPrivateUsage]
