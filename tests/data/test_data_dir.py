"""The data directory: where it is, what is found in it, and what a user is told to do about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantlet.data import data_dir
from gantlet.data.dataset_card import card
from gantlet.errors import BadData, BadValue, UnknownName


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, which does not exist yet."""
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


def test_the_home_is_the_first_of_three_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.setenv("XDG_DATA_HOME", "/shared")
    monkeypatch.setenv("GANTLET_DATA", "~/mine")
    assert data_dir.root() == Path("/somebody/mine")
    monkeypatch.setenv("GANTLET_DATA", " ")
    assert data_dir.root() == Path("/shared/gantlet/data")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_dir.root() == Path("/somebody/.local/share/gantlet/data")
    monkeypatch.setenv("GANTLET_DATA", "~nobody-of-this-name/x")
    with pytest.raises(BadValue, match=r"The data directory .* cannot be found.*Set GANTLET_DATA"):
        data_dir.root()


def test_a_set_of_many_files_is_its_folder_and_one_of_one_file_is_the_file(place: Path) -> None:
    fill(place / "mnist", "a", "b")
    fill(place / "emoji", "emoji.tgz", ".hidden")
    assert data_dir.find_raw("mnist") == place / "mnist"
    assert data_dir.find_raw("emoji") == place / "emoji" / "emoji.tgz"
    assert data_dir.have() == ["emoji", "mnist"]
    fill(place / "cifar10")
    with pytest.raises(BadData, match="cifar10 is empty"):
        data_dir.find_raw("cifar10")


def test_a_set_among_others_is_named_within_its_folder(place: Path) -> None:
    fill(place / "emnist" / "gzip", "emnist-balanced-train-images-idx3-ubyte.gz", "emnist-letters-mapping.txt")
    assert data_dir.find_raw("emnist") == place / "emnist" / "gzip" / "emnist-balanced"


def test_what_is_half_downloaded_is_not_in_the_home(place: Path) -> None:
    fill(place / ".mnist.download", "train-images-idx3-ubyte.gz")
    assert data_dir.have() == []
    with pytest.raises(BadData, match=r"'mnist' is not in .*home: `gantlet data download mnist` .* import mnist PATH`"):
        data_dir.find_raw("mnist")


def test_each_missing_set_says_what_to_do(place: Path) -> None:
    with pytest.raises(BadData, match=r"npm pack emoji-datasource-google@16.0.0.*gantlet data import emoji"):
        data_dir.find_raw("emoji")
    with pytest.raises(BadData, match=r"'mine' is not in .*gantlet data download --urls LIST mine"):
        data_dir.find_raw("mine")
    with pytest.raises(BadValue, match=r"'\.\./mnist' is not a name"):
        data_dir.find_raw("../mnist")


def test_a_set_made_of_another_lies_where_that_one_lies(place: Path) -> None:
    with pytest.raises(BadData, match="gantlet data download mnist"):
        data_dir.find_raw("stacked-mnist")
    fill(place / "mnist", "a", "b")
    assert data_dir.find_raw("stacked-mnist") == place / "mnist"


def test_a_link_that_leads_nowhere_is_named(place: Path, tmp_path: Path) -> None:
    elsewhere = fill(tmp_path / "elsewhere", "a", "b")
    place.mkdir()
    (place / "mnist").symlink_to(elsewhere)
    assert data_dir.find_raw("mnist") == place / "mnist"
    elsewhere.rename(tmp_path / "moved")
    gone = (
        r"'mnist' was linked to .*elsewhere, which is gone: remove .*home/mnist, then `gantlet data import mnist PATH`"
    )
    with pytest.raises(BadData, match=gone):
        data_dir.find_raw("mnist")
    assert data_dir.have() == []
    (place / "mnist").unlink()
    (place / "mnist").mkdir()
    (place / "mnist" / "elsewhere").symlink_to(elsewhere)
    with pytest.raises(BadData, match=gone):
        data_dir.find_raw("mnist")


def test_a_source_is_a_name_or_a_kind_and_a_path(place: Path) -> None:
    fill(place / "mnist", "a", "b")
    fill(place / "mine", "0.tar", "1.tar")
    assert data_dir.locate("mnist") == data_dir.Located("idx", place / "mnist", card("mnist"))
    assert data_dir.locate("mine") == data_dir.Located("shards", place / "mine", None)
    assert data_dir.locate("idx:~/x") == data_dir.Located("idx", Path("~/x").expanduser())
    with pytest.raises(UnknownName, match="no reader called 'ixd'"):
        data_dir.locate("ixd:x")
    for words in ("pictures/cats", "", "folder:"):
        with pytest.raises(BadData, match=r"is not a data set \(mnist, .*mine\); for files of your own write folder:"):
            data_dir.locate(words)


def test_a_file_given_without_its_reader_is_told_which_one(tmp_path: Path) -> None:
    for path, words in (
        ("faces.zip", "write zip:faces.zip"),
        ("a/b.tar.gz", "write tar:a/b.tar.gz"),
        ("x", "write folder:x"),
        ("nowhere.npy", "write images:nowhere.npy"),
    ):
        with pytest.raises(BadData, match=words):
            data_dir.locate(path)
