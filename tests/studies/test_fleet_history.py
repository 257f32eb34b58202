"""A fleet's history: chunks belong to checkpoints, and the merged table has each point once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import terminal
from gantlet.errors import Damaged
from gantlet.studies.fleet_history import LOST
from gantlet.studies.history_table import SCHEMA, joined_history, rows_table
from gantlet.studies.store import Store
from gantlet.training.history import Rows


@pytest.fixture
def store(folder: Path) -> Store:
    """An empty study."""
    made = Store(folder)
    made.create(terminal.study_record())
    return made


def rows(*entries: tuple[int, int, str, float]) -> Rows:
    return Rows(*(list(column) for column in zip(*entries, strict=True)))  # pyright: ignore[reportArgumentType]


def test_history_is_merged_by_run_name_and_step_without_pads(store: Store) -> None:
    store.chunks("0000").add({}, 0, 2, rows((0, 1, "b", 1.0), (1, 1, "b", 2.0), (2, 1, "b", 9.0)), {0: 7, 1: 3})
    store.chunks("0000").add({}, 2, 3, rows((0, 3, "b", 4.0), (0, 3, "a", 5.0)), {0: 7, 1: 3})
    store.chunks("0000").add({}, 3, 4, rows((0, 3, "a", 6.0)), {0: 1})
    assert store.history().to_numpy().tolist() == [
        [1, 3, "a", 6.0],
        [3, 1, "b", 2.0],
        [7, 3, "a", 5.0],
        [7, 1, "b", 1.0],
        [7, 3, "b", 4.0],
    ]


def test_a_study_without_history_has_an_empty_table(store: Store) -> None:
    assert list(store.history().columns) == ["run", "step", "name", "value"]
    assert len(store.history()) == 0


@pytest.mark.parametrize(("step", "kept"), [(-1, []), (0, []), (9, []), (10, [10]), (15, [10]), (20, [10, 20])])
def test_chunks_beyond_the_checkpoint_are_dropped(store: Store, step: int, kept: list[int]) -> None:
    for begin, end in ((0, 10), (10, 20)):
        store.chunks("0000").add({}, begin, end, rows((0, end, "a", 1.0)), {0: 0})
    store.chunks("0000").drop_after(step)
    assert store.history()["step"].tolist() == kept


def test_a_history_of_other_columns_is_left_out_and_said(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.chunks("0000").add({}, 0, 10, rows((0, 10, "a", 1.0)), {0: 0})
    store.write_frame("fleets/0000/history-000000010-000000020.parquet", pd.DataFrame({"run": [0], "step": [20]}))
    assert store.history()["step"].tolist() == [10]
    assert "columns are missing" in caplog.text


def test_a_chunk_is_checked_by_its_digest_and_may_be_known_to_be_lost(store: Store) -> None:
    chunks = store.chunks("0000")
    ((name, digest),) = chunks.add({}, 0, 10, rows((0, 10, "a", 1.0)), {0: 0}).items()
    path = chunks.folder / name
    chunks.check({name: digest})
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(Damaged, match="is damaged"):
        chunks.check({name: digest})
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        chunks.check({name: digest})
    path.with_name(name + LOST).touch()
    chunks.check({name: digest})
    assert chunks.add({}, 0, 10, rows((0, 10, "a", 1.0)), {0: 0}) == {name: digest}
    assert not path.with_name(name + LOST).exists()


def coded(table: pa.Table) -> pa.Table:
    """As a file is read: names are numbers."""
    place = SCHEMA.get_field_index("name")
    return table.set_column(place, "name", table.column("name").dictionary_encode())


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.integers(0, 5), st.sampled_from(["b", "a", "é", "B"]), st.floats(allow_nan=False)
            )
        ),
        max_size=4,
    )
)
def test_a_merged_table_is_its_parts_below_each_other_sorted(parts: list[list[tuple[int, int, str, float]]]) -> None:
    slots = {slot: slot for slot in range(4)}
    files = [coded(rows_table(rows(*part), slots)) for part in parts if part]
    plain = pd.DataFrame([row for part in parts for row in part], columns=["run", "step", "name", "value"])
    merged = joined_history(files)
    expected = plain.sort_values(["run", "name", "step"], kind="stable", ignore_index=True)
    assert merged.to_numpy().tolist() == expected.to_numpy().tolist()
    if len(plain):
        pd.testing.assert_frame_equal(merged, expected.astype({"value": float}))


@pytest.mark.parametrize(
    ("column", "value"), [("run", None), ("step", None), ("name", None), ("name", 3), ("step", "x"), ("value", "y")]
)
def test_a_history_of_odd_values_is_left_out_and_said(
    store: Store, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    store.chunks("0000").add({}, 0, 10, rows((0, 10, "a", 1.0)), {0: 0})
    odd = pd.DataFrame({"run": [0], "step": [20], "name": ["a"], "value": [1.0], column: [value]})
    store.write_frame("fleets/0000/history-000000010-000000020.parquet", odd)
    assert store.history()["step"].tolist() == [10]
    assert caplog.text.count("is left out") == 1
