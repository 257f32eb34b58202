"""Reading a study folder: what a study wrote comes back, and whatever is broken is named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.errors import BadValue, StoreError
from gantlet.reports.page import write_report
from gantlet.reports.read import curves_by_name, read_study


@pytest.fixture
def folder(make_study: Callable[..., Path]) -> Path:
    """A study of its own, free to be broken."""
    return make_study(seeds=3, evaluations=4)


def everything(folder: Path) -> None:
    """Read a study with its history, which is read when it is first asked for."""
    assert read_study(folder).history is not None


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_a_study_comes_back_as_it_was_written(folder: Path) -> None:
    study = read_study(folder)
    assert study.labels == ["vanilla", "alpha alpha_d=0.3", "wgan-gp"]
    assert study.metrics == ["modes", "high_quality", "kl", "classification_error"]
    assert study.rates == ["success", "failure"]
    assert study.record.settings[0].values["alpha_g"] == float("inf")
    assert study.record.metrics["kl"].better == "lower"
    assert study.members["alpha alpha_d=0.3"]["run"].tolist() == [3, 4, 5]
    assert study.name == folder.name


def test_curves_are_members_by_steps(folder: Path) -> None:
    study = read_study(folder)
    table = study.curves["modes"]
    assert table.columns.tolist() == [5_000, 10_000, 15_000, 20_000]
    recorded = study.history.query("run == 2 and name == 'modes' and step == 15_000")["value"].item()
    assert table.loc[2, 15_000] == recorded


@pytest.mark.parametrize("value", [1.5, -3.0])
def test_a_rate_beyond_0_and_1_names_its_file(folder: Path, value: float) -> None:
    """The interval of a rate refused it, and said nothing of where it was."""
    history = pd.read_parquet(folder / "history.parquet")
    history.loc[history[history["name"] == "success"].index[2], "value"] = value
    history.to_parquet(folder / "history.parquet")
    with pytest.raises(StoreError, match=rf"'.*history\.parquet' .* success={value:g}.* run \d+ .* expected 0 to 1"):
        write_report([folder])


def test_a_metric_of_words_has_no_mean(folder: Path) -> None:
    runs = pd.read_parquet(folder / "runs.parquet")
    runs["kl"] = "a lot"
    runs.to_parquet(folder / "runs.parquet")
    assert "kl" not in read_study(folder).metrics


def test_a_study_without_history_yet_has_no_curves(folder: Path) -> None:
    pd.DataFrame({"run": [], "step": [], "name": [], "value": []}).to_parquet(folder / "history.parquet")
    assert read_study(folder).curves == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("study.json", "is not a study folder: it has no study.json"),
        ("runs.parquet", "has no runs.parquet"),
        ("history.parquet", "has no history.parquet"),
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    with pytest.raises(StoreError, match=message):
        everything(folder)


@pytest.mark.parametrize("name", ["study.json", "runs.parquet", "history.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1 but then nothing \xff"])
def test_an_unreadable_file_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(StoreError, match=rf"{name}'? cannot be read"):
        everything(folder)


@pytest.mark.parametrize("form", [3, 0, None, "1"])
def test_another_format_is_refused(folder: Path, form: object) -> None:
    edit(folder, format=form)
    with pytest.raises(StoreError, match=f"format {form}; this gantlet reads formats 1 to 2"):
        everything(folder)


def test_a_list_is_not_a_study(folder: Path) -> None:
    (folder / "study.json").write_text("[1, 2]")
    with pytest.raises(StoreError, match="does not hold an object"):
        everything(folder)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"settings": [{"task": "ring8", "method": "alpha"}]}, r"settings\.0\.label"),
        ({"task": "ring8"}, "task"),
        ({"metrics": {"kl": {"better": "sideways"}}}, r"metrics\.kl\.better"),
        ({"members": "many"}, "members"),
    ],
)
def test_a_wrong_part_of_the_record_is_named(folder: Path, changes: dict[str, Any], where: str) -> None:
    edit(folder, **changes)
    with pytest.raises(StoreError, match=f"is not what a study writes: {where}"):
        everything(folder)


def test_a_setting_that_the_record_does_not_know_is_named(folder: Path) -> None:
    settings = json.loads((folder / "study.json").read_text(encoding="utf-8"))["settings"]
    edit(folder, settings=[entry | {"label": entry["label"].replace("0.3", "0.4")} for entry in settings])
    with pytest.raises(StoreError, match=r"the setting 'alpha alpha_d=0.3', which study.json does not know"):
        everything(folder)


@pytest.mark.parametrize(("name", "column"), [("runs.parquet", "seed"), ("history.parquet", "value")])
def test_a_missing_column_is_named(folder: Path, name: str, column: str) -> None:
    pd.read_parquet(folder / name).drop(columns=column).to_parquet(folder / name)
    with pytest.raises(StoreError, match=f"lacks the column {column}"):
        everything(folder)


@pytest.mark.parametrize(("name", "column"), [("runs.parquet", "run"), ("history.parquet", "step")])
def test_words_in_place_of_numbers_are_refused(folder: Path, name: str, column: str) -> None:
    pd.read_parquet(folder / name).assign(**{column: "three"}).to_parquet(folder / name)
    with pytest.raises(StoreError, match="is not what a study writes"):
        everything(folder)


@pytest.mark.parametrize(("name", "column"), [("runs.parquet", "method"), ("history.parquet", "name")])
def test_a_row_without_a_name_is_refused(folder: Path, name: str, column: str) -> None:
    table = pd.read_parquet(folder / name).astype({column: object})
    table.loc[1, column] = None
    table.to_parquet(folder / name)
    with pytest.raises(StoreError, match=rf"{name}' is not what a study writes: a row has no {column}\.$"):
        _ = read_study(folder).curves


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.htm", "study.json"])
def test_a_page_under_another_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadValue, match=r"does not end in \.html: a report is one page. Give FILE\.html"):
        write_report([folder], folder / name)
    assert name == "study.json" or not (folder / name).exists()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 3),
            st.sampled_from(["b", "a", "ä"]),
            st.sampled_from([0.5, -1.0, math.inf, math.nan]),
        )
    )
)
def test_curves_are_the_pivot_of_the_history(rows: list[tuple[int, int, str, float]]) -> None:
    history = pd.DataFrame(rows, columns=["run", "step", "name", "value"]).astype({"value": float, "name": str})
    curves = curves_by_name(history)
    assert list(curves) == list(dict.fromkeys(row[2] for row in rows))
    for name, curve in curves.items():
        of_name = history[history["name"] == name]
        pivot = of_name.pivot_table(index="run", columns="step", values="value", aggfunc="last")
        pd.testing.assert_frame_equal(curve, pivot, check_index_type=False, check_column_type=False)
