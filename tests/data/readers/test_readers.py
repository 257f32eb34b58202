"""What readers say of themselves: which files they open, which marks and companions they look for, without opening any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gantlet import catalogue
from gantlet.data.readers.base import is_marked, reader_for, source_files


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.zip", "zip"),
        ("A.ZIP", "zip"),
        ("a.tar", "tar"),
        ("a.tgz", "tar"),
        ("a.tar.gz", "tar"),
        ("a.tar.bz2", "tar"),
        ("a.tar.xz", "tar"),
        ("a.parquet", "hf"),
        ("a.h5", "hdf5"),
        ("a.hdf5", "hdf5"),
        ("a.tfrecord", "tfrecord"),
        ("a.txt", ""),
        ("a", ""),
    ],
)
def test_a_reader_is_found_by_the_ending(name: str, reader: str) -> None:
    assert reader_for(Path("deep", name)) == reader


def test_a_folder_is_read_as_a_folder_and_marks_tell_a_layout(tmp_path: Path) -> None:
    folder = tmp_path / "odd [name].zip"
    folder.mkdir()
    assert reader_for(folder) == "folder"
    for kind, mark in (("cifar", "x/data_batch_1"), ("lsun", "data.mdb"), ("tiny-imagenet", "x/wnids.txt")):
        assert not is_marked(kind, folder)
        (folder / mark).parent.mkdir(exist_ok=True)
        (folder / mark).touch()
        assert is_marked(kind, folder)
    assert not is_marked("celeba", folder)
    (tmp_path / "list_eval_partition.csv").touch()
    assert is_marked("celeba", folder)
    assert not is_marked("zip", folder)


def test_companions_and_lists_belong_to_a_source(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    found = source_files("emoji", str(tmp_path / "img"))
    assert found[0] == str(tmp_path / "img")
    assert str(tmp_path / "emoji.json") in found[1:]
    (tmp_path / "list.txt").write_text("a.tar\n")
    (tmp_path / "a.tar").touch()
    assert source_files("shards", str(tmp_path / "list.txt")) == [str(tmp_path / "list.txt"), str(tmp_path / "a.tar")]
    assert source_files("folder", str(tmp_path / "*.tar")) == [str(tmp_path / "a.tar")]


def test_a_set_of_idx_files_in_a_folder_is_its_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "[1]"
    folder.mkdir()
    mine = [f"emnist-balanced-{name}" for name in ("mapping.txt", "train-images-idx3-ubyte")]
    for name in (*mine, "emnist-by-train-images-idx3-ubyte"):
        (folder / name).touch()
    assert source_files("idx", str(folder / "emnist-balanced")) == [str(folder / name) for name in mine]
    assert source_files("idx", str(folder)) == [str(folder)]
    assert source_files("idx", str(folder / "none")) == [str(folder / "none")]


def test_looking_for_a_reader_loads_no_large_library() -> None:
    code = (
        "from pathlib import Path; import sys; from gantlet.data.readers.base import reader_for; reader_for(Path('x'))"
    )
    said = "; print([name for name in ('torch', 'pyarrow', 'h5py', 'pandas', 'PIL.Image') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + said], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_endings_are_of_one_reader_each() -> None:
    endings = [
        ending
        for kind in catalogue.names("reader")
        for ending in getattr(catalogue.find("reader", kind), "endings", ())
    ]
    assert len(endings) == len(set(endings)) > 8
    assert all(ending.startswith(".") and ending == ending.lower() for ending in endings)
