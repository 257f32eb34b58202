"""A fleet's history: chunks belong to checkpoints, and the merged table has each point once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import terminal
from gantlet.errors import Damaged
from gantlet.files import file_digest
from gantlet.studies import fleet_history
from gantlet.studies.checkpoints import last_good
from gantlet.studies.fleet_history import LOST, FleetHistory
from gantlet.studies.history_table import SCHEMA, joined_history, rows_table
from gantlet.studies.store import Store
from gantlet.training import checkpoint
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


@settings(deadline=None)  # where others are at work beside it, one example may take long
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


def states(fleet: Path, chunks: object) -> None:
    """A checkpoint of step 4 that names some history."""
    rest = {"format": 1, "step": 4, "discriminator_steps": 4, "exits": {}, "history_counts": {}, "stopped": {}}
    checkpoint.write(fleet / "checkpoint", {"a": torch.zeros(1)}, rest | ({} if chunks is None else {"chunks": chunks}))


def two_chunks(store: Store) -> tuple[FleetHistory, dict[str, str]]:
    """A fleet with a row in each of two files, and a checkpoint that names them."""
    history, chunks = store.chunks("0000"), dict[str, str]()
    for step in (2, 4):
        chunks = history.add(chunks, step - 2, step, rows((0, step, "a", 1.0)), {0: 0})
    states(history.folder, chunks)
    return history, chunks


def test_a_link_in_the_place_of_a_chunk_is_left_out_of_the_table_and_of_joins(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history, chunks = two_chunks(store)
    first = history.folder / min(chunks)
    first.rename(tmp_path / "elsewhere")
    first.symlink_to(tmp_path / "elsewhere")
    assert store.history()["step"].tolist() == [4]
    assert f"{first} is left out" in caplog.text
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 1)
    named = history.add(chunks, 4, 6, rows((0, 6, "a", 1.0)), {0: 0})
    assert list(named) == [first.name, "history-000000002-000000006.parquet"]


def test_a_chunk_that_is_deleted_while_it_is_looked_at_is_missing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, chunks = two_chunks(store)
    looked = list[Path]()

    def deleted(path: Path) -> str:
        looked.append(path)
        if path.name == min(chunks):
            path.unlink(missing_ok=True)
        return file_digest(path)

    monkeypatch.setattr(fleet_history, "file_digest", deleted)
    assert store.history()["step"].tolist() == [4]
    assert caplog.text.count("is left out") == 1


@pytest.mark.parametrize("digits", [19, 400, 5000])
def test_a_checkpoint_that_names_steps_beyond_any_is_a_sentence(
    store: Store, digits: int, caplog: pytest.LogCaptureFixture
) -> None:
    chunks = {f"history-0-{'1' * digits}.parquet": "0" * 64}
    states(store.fleet("0000"), chunks)
    assert len(store.history()) == 0
    assert "does not name its history" in caplog.text
    with pytest.raises(Damaged, match="does not name its history"):
        store.chunks("0000").check(chunks)


def test_strange_files_beside_the_history_of_an_early_checkpoint_are_not_taken_for_history(store: Store) -> None:
    history, chunks = two_chunks(store)
    states(history.folder, None)
    (history.folder / "history-mine.parquet").write_bytes(b"")
    record = store.record()
    state = checkpoint.read_state(history.folder / "checkpoint") | {"seconds": 1.0, "last": [], "study": record.seal}
    checkpoint.write(history.folder / "checkpoint", {"a": torch.zeros(1)}, state)
    good = last_good(store, "0000", record.lineage)
    assert good.rest["chunks"] == chunks
    assert list(history.add(good.rest["chunks"], 4, 6, rows((0, 6, "a", 1.0)), {0: 0}))[:2] == list(chunks)


def test_no_more_rows_are_joined_than_are_read_or_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A former version left hundreds of files, each perhaps of millions of rows."""
    history, chunks = store.chunks("0000"), dict[str, str]()
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 1000)
    for step in range(1, 21):
        chunks = history.add(chunks, step - 1, step, rows((0, step, "a", 1.0)), {0: 0})
    monkeypatch.setattr(fleet_history, "_MOST_FILES", 2)
    monkeypatch.setattr(fleet_history, "_MOST_JOINED", 5)
    chunks = history.add(chunks, 20, 21, rows((0, 21, "a", 1.0)), {0: 0})
    assert len(chunks) == 16
    assert list(chunks)[-1] == "history-000000015-000000021.parquet"
    history.check(chunks)
