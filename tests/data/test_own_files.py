"""What is suggested for a path that was given alone works: by the command line's own readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gantlet import catalogue
from gantlet.data.data_dir import locate
from gantlet.data.own_files import task_of
from gantlet.data.readers.base import open_reader
from gantlet.errors import BadData, BadValue
from gantlet.requests.parts import Catalogue

PIXELS = np.arange(5 * 6 * 6 * 3, dtype=np.uint8).reshape(5, 6, 6, 3)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("points.npy", np.zeros((5, 2)))
    np.save("images.npy", PIXELS)
    np.savez("images.npz", x_train=PIXELS, y_train=np.arange(5))
    np.savez("points.npz", x=np.zeros((5, 2)), y=np.arange(5))
    Path("table.tsv").write_text("a\tb\n1\t2\n")
    pq.write_table(pa.table({"a": [1.0], "b": [2]}), "table.parquet")
    pq.write_table(pa.table({"image": [b"png"], "label": [2]}), "images.parquet")
    Path("broken.npy").write_bytes(b"\x93NUMPY")


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("points.npy", "points"),
        ("images.npy", "images"),
        ("points.npz", "points"),
        ("images.npz", "images"),
        ("table.tsv", "points"),
        ("table.parquet", "points"),
        ("images.parquet", "hf"),
        ("broken.npy", "points"),
        (".", "folder"),
        ("nowhere.npy", ""),
    ],
)
def test_the_task_of_a_path(path: str, task: str) -> None:
    assert task_of(path) == task


def test_what_looking_and_training_suggest_for_an_array_is_what_both_take() -> None:
    with pytest.raises(BadData, match=r"for files of your own write images:images\.npy\."):
        locate("images.npy")
    with pytest.raises(BadValue, match=r"is a path, not a task; write images:images\.npy "):
        Catalogue().task("images.npy")
    with pytest.raises(BadData, match=r"is a file; the reader 'folder' wants a folder: write images:images\.npy"):
        open_reader("folder", "images.npy")
    found = locate("images:images.npy")
    assert len(open_reader(found.kind, str(found.path)).entries) == 5
    assert Catalogue().task("images:images.npy").implied == {"data_path": "images.npy"}


@pytest.mark.parametrize("source", ["points.npy", "points:points.npy", "table.tsv"])
def test_points_are_not_looked_at_as_images_and_a_way_to_check_them_is_named(source: str) -> None:
    with pytest.raises(
        BadData, match=r"gantlet data looks at images.* write: gantlet run points:[a-z.]+ vanilla --dry-run"
    ):
        locate(source)


def test_a_file_of_another_kind_is_not_suggested_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    with pytest.raises(
        BadData, match=r"a\.py is a file that no reader takes\. Images are read from a folder \(folder:DIR\)"
    ):
        locate(str(tmp_path / "a.py"))


def test_a_named_task_stands_for_its_data_set() -> None:
    assert (locate("celeba64:x").kind, locate("mnist:x").kind) == ("celeba", "idx")
    with pytest.raises(BadData, match="'celeba' is not in"):
        locate("celeba64")
    with pytest.raises(BadData, match="'ring8' draws points"):
        locate("ring8")


@pytest.mark.parametrize("reader", [name for name in catalogue.names("reader") if name not in catalogue.names("task")])
def test_a_reader_in_the_place_of_a_task_is_told_the_task(reader: str) -> None:
    with pytest.raises(BadValue, match=f"'{reader}' is a reader, not a task; write [a-z0-9-]+:x to train"):
        Catalogue().task(f"{reader}:x")
