"""Parquet files and folders of `datasets`, written by PyArrow in their layouts, come back byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.table_columns import columns_of
from gantlet.data.readers.tables import TableReader
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(6)
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def cells(count: int) -> list[dict[str, Any]]:
    return [{"bytes": RANDOM.bytes(int(RANDOM.integers(1, 900))), "path": f"{i}.png"} for i in range(count)]


def hub_table(pictures: list[dict[str, Any]], labels: list[int | None], names: Any = ("cat", "dog")) -> pa.Table:
    """As `datasets` writes it: features in the metadata of the schema."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema([("image", IMAGE), ("label", pa.int64())], metadata=noted)
    return pa.table({"image": pa.array(pictures, IMAGE), "label": pa.array(labels, pa.int64())}, schema=schema)


def write_stream(file: Path, table: pa.Table, rows: int = 4) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows)


def test_the_hubs_layout_has_parts_and_classes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    parts = {"train-00000-of-00002": 9, "train-00001-of-00002": 4, "validation-00000-of-00001": 3}
    pictures = {name: cells(count) for name, count in parts.items()}
    for name, held in pictures.items():
        table = hub_table(held, [i % 2 for i in range(len(held))])
        pq.write_table(table, data / f"{name}.parquet", row_group_size=2)
    reader = open_reader("hf", str(tmp_path))
    expected = [cell["bytes"] for held in pictures.values() for cell in held]
    order = RANDOM.permutation(16).tolist()
    assert [reader.read(place) for place in order] == [expected[place] for place in order]
    assert reader.entries[10] == Entry("data/train-00001-of-00002.parquet/1", "dog", "train")
    assert [entry.part for entry in reader.entries] == ["train"] * 13 + ["test"] * 3
    pq.write_table(hub_table(cells(2), [0, None]), data / "test-00000-of-00001.parquet")
    reader = TableReader(str(tmp_path))
    assert [(entry.label, entry.part) for entry in reader.entries[:2]] == [("cat", "test"), ("", "test")]
    assert (len(reader.entries), reader.facts["files_left_out"]) == (15, 1)
    reader.close()


def test_folders_by_part_and_class_names_by_number(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        pq.write_table(hub_table(cells(2), [1, 0], {"0": "cat", "1": "dog"}), tmp_path / part / "0000.parquet")
    entries = TableReader(str(tmp_path)).entries
    assert [(entry.name, entry.label, entry.part) for entry in entries[:3]] == [
        ("test/0000.parquet/0", "dog", "test"),
        ("test/0000.parquet/1", "cat", "test"),
        ("train/0000.parquet/0", "dog", "train"),
    ]


def save_to_disk(folder: Path, table: pa.Table, split: str | None, shards: int = 2) -> None:
    """The layout of Dataset.save_to_disk."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{shards:05}.arrow" for i in range(shards)]
    each = -(-len(table) // shards)
    for i, name in enumerate(names):
        write_stream(folder / name, table.slice(i * each, each))
    state = {"_data_files": [{"filename": name} for name in names], "_split": split, "_fingerprint": "x"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_saved_data_sets_and_dictionaries_of_them(tmp_path: Path) -> None:
    held = {"train": cells(11), "test": cells(3)}
    for split, pictures in held.items():
        save_to_disk(tmp_path / "both" / split, hub_table(pictures, [0] * len(pictures)), split)
    (tmp_path / "both" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    reader = TableReader(str(tmp_path / "both"))
    assert [reader.read(place) for place in range(14)] == [cell["bytes"] for part in held.values() for cell in part]
    assert [entry.part for entry in reader.entries] == ["train"] * 11 + ["test"] * 3
    assert reader.entries[13] == Entry("test/data-00001-of-00002.arrow/0", "cat", "test")
    reader = TableReader(str(tmp_path / "both" / "test"))
    assert [entry.part for entry in reader.entries] == ["test"] * 3
    reader.close()


PIXELS = RANDOM.integers(0, 256, (5, 4, 3, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["binary", "large", "lists", "fixed", "first", "grey"])
def test_every_form_of_a_picture(kind: str, tmp_path: Path) -> None:
    pixels = pa.list_(pa.list_(pa.list_(pa.uint8(), 3), 3), 4)
    raw = [RANDOM.bytes(30) for _ in range(5)]
    columns: dict[str, tuple[pa.Array, Any]] = {
        "binary": (pa.array(raw, pa.binary()), raw),
        "large": (pa.array(raw, pa.large_binary()), raw),
        "lists": (pa.array(PIXELS.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8())))), PIXELS),
        "fixed": (pa.array(PIXELS.tolist(), pixels), PIXELS),
        "first": (
            pa.array(PIXELS[:, :, :2].transpose(0, 3, 1, 2).tolist(), pa.list_(pa.list_(pa.list_(pa.uint8())))),
            PIXELS[:, :, :2],
        ),
        "grey": (pa.array(PIXELS[..., 0].tolist(), pa.list_(pa.list_(pa.uint8()))), PIXELS[..., 0]),
    }
    column, expected = columns[kind]
    words = pa.array(["b", "a", None, "b", ""]).dictionary_encode()
    pq.write_table(pa.table({"id": list(range(5)), "x": column, "class": words}), tmp_path / "t.parquet")
    reader = TableReader(str(tmp_path / "t.parquet"))
    for place in range(5):
        np.testing.assert_array_equal(reader.read(place), expected[place])
    assert [entry.label for entry in reader.entries] == ["b", "a", "", "b", ""]
    assert reader.entries[4] == Entry("4", "", "")


def test_single_bad_rows_are_bad_pictures(tmp_path: Path) -> None:
    pictures = [
        {"bytes": b"x", "path": None},
        None,
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": b"", "path": None},
    ]
    pq.write_table(pa.table({"image": pa.array(pictures, IMAGE)}), tmp_path / "t.parquet")
    reader = TableReader(str(tmp_path / "t.parquet"))
    assert reader.read(0) == b"x"
    for place, words in ((1, "its row is empty"), (2, "holds a path, but not the image"), (3, "its row is empty")):
        with pytest.raises(BadImage, match=words):
            reader.read(place)
    rows = pa.array([[[1, 2], [3]], [[1], [2]], [[]]], pa.list_(pa.list_(pa.uint8())))
    pq.write_table(pa.table({"x": rows}), tmp_path / "t.parquet")
    reader = TableReader(str(tmp_path / "t.parquet"))
    for place, words in ((0, "not equally long"), (2, r"shape \[1, 0\]")):
        with pytest.raises(BadImage, match=words):
            reader.read(place)


def test_few_row_groups_stay_in_memory(tmp_path: Path) -> None:
    value = RANDOM.bytes(2**20)
    pq.write_table(
        pa.table({"img": pa.array([value] * 40)}), tmp_path / "t.parquet", row_group_size=2, use_dictionary=False
    )
    reader = TableReader(str(tmp_path / "t.parquet"))
    before = pa.total_allocated_bytes()
    for place in range(40):
        assert reader.read(place) == value
    assert pa.total_allocated_bytes() - before < 12 * 2**20  # four groups of 2 MiB, of 40 in all


def test_columns_are_chosen_by_features_then_names() -> None:
    noted = {"huggingface": json.dumps({"info": {"features": {"b": {"_type": "Image"}}}})}
    schema = pa.schema([("a", pa.binary()), ("b", IMAGE), ("coarse_label", pa.int8()), ("fine_label", pa.int8())])
    assert columns_of(schema.with_metadata(noted), "t").picture == "b"
    assert columns_of(schema.with_metadata(noted), "t").label == "fine_label"
    with pytest.raises(BadData, match=r"several columns of images \(a, b\); keep one of them"):
        columns_of(schema, "t")
    assert (
        columns_of(schema.with_metadata({"huggingface": "{"}).append(pa.field("image", pa.binary())), "t").picture
        == "image"
    )


def test_wrong_tables_have_sentences(tmp_path: Path) -> None:
    def refused(words: str, name: str = "t.parquet") -> None:
        with pytest.raises(BadData, match=words):
            TableReader(str(tmp_path / name))

    refused("does not exist; expected a folder with Parquet files, or a folder that")
    (tmp_path / "readme.md").write_text("x")
    refused("holds no tables; expected Parquet", "")
    refused("is truncated, corrupt, or not a Parquet file", "readme.md")
    pq.write_table(hub_table(cells(3), [0, 2, 5]), tmp_path / "t.parquet")
    refused("the column 'label': 2 of 3 labels are outside the 2 classes that have a name")
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "t.parquet")
    refused(r"no column of images .*: a \(int64\), b \(string\)")
    pq.write_table(hub_table([], []), tmp_path / "t.parquet")
    refused("the tables hold no rows")
    save_to_disk(tmp_path / "saved", hub_table(cells(3), [0, 0, 1]), "train")
    (tmp_path / "saved" / "data-00001-of-00002.arrow").rename(tmp_path / "gone")
    refused("1 of 2 data files are missing, the first is data-00001-of-00002.arrow", "saved")
    (tmp_path / "saved" / "data-00001-of-00002.arrow").write_bytes((tmp_path / "gone").read_bytes()[:-300])
    refused("is truncated, corrupt, or not an Arrow stream", "saved")
    for state, words in [
        ("{", "is not JSON"),
        ("[]", "holds a list; expected an object"),
        ('{"_data_files": [{"filename": "../x"}]}', "lists no data files"),
        ('{"_data_files": [{"filename": "x"}], "_indices_data_files": [1]}', "call flatten_indices"),
    ]:
        (tmp_path / "saved" / "state.json").write_text(state)
        refused(words, "saved")
    (tmp_path / "dataset_dict.json").write_text('{"splits": []}')
    refused("names no splits", "")
