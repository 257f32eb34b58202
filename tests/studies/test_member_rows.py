"""Rows of members as a data frame and as a Parquet file, which is to the byte the one that pandas writes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gantlet.studies.member_rows import MemberRows

KINDS: tuple[st.SearchStrategy[Any], ...] = (
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.floats() | st.integers(-(1 << 60), 1 << 60),
    st.lists(st.integers(-9, 9)),
    st.none(),
    st.integers(-9, 9) | st.text("ab") | st.booleans() | st.lists(st.text("ab"), max_size=2),
)
"""What the columns of a study's members hold; the last is a key that methods use differently."""


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of distinct runs in any order, of columns that not every row has."""
    runs = draw(st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True))
    columns = draw(st.lists(st.sampled_from(KINDS), max_size=5))
    return [
        {"run": run} | {f"column {place}": draw(kind) for place, kind in enumerate(columns) if draw(st.booleans())}
        for run in runs
    ]


def rows_of(rows: list[dict[str, Any]]) -> MemberRows:
    made = MemberRows()
    made.add(rows)
    return made


@given(tables())
@example([{"run": 1, "a": float("nan")}, {"run": 0, "a": None}])
@example([{"run": 0, "a": (1 << 53) + 1}, {"run": 1, "a": 0.5}])
@example([{"run": 3}, {"run": 1, "words": ["a", "b"]}, {"run": 2, "words": None}])
def test_the_file_is_the_one_that_pandas_writes(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.getbasetemp()
    made, frame = rows_of(rows), rows_of(rows).frame()
    frame.to_parquet(folder / "wanted.parquet", index=False)
    pq.write_table(made.table(), folder / "ours.parquet")
    assert (folder / "ours.parquet").read_bytes() == (folder / "wanted.parquet").read_bytes()


@given(tables())
def test_rows_are_by_run_and_columns_in_the_order_they_came(rows: list[Any]) -> None:
    frame = rows_of(rows).frame()
    assert frame["run"].tolist() == sorted(row["run"] for row in rows)
    assert list(frame) == list(dict.fromkeys(name for row in rows for name in row))


def test_kinds_stay_in_columns_that_not_every_row_has() -> None:
    rows = [{"run": 0, "n": 1, "on": True, "x": 0.5, "key": 3}, {"run": 1, "key": "three"}]
    frame, table = rows_of(rows).frame(), rows_of(rows).table()
    assert {name: str(frame[name].dtype) for name in ("n", "on", "x")} == {
        "n": "Int64",
        "on": "boolean",
        "x": "float64",
    }
    assert [table.schema.field(name).type for name in ("n", "on", "x")] == [pa.int64(), pa.bool_(), pa.float64()]
    assert frame["key"].tolist() == table.column("key").to_pylist() == ["3", "three"]
