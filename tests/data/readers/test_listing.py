"""Names say which files are images, and which class and part each belongs to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gantlet.data.readers.listing import labelled, member_name, shown, skip_reason


def told(names: Iterable[str]) -> list[tuple[str, str]]:
    """Label and part of each name, in the order of the names."""
    return [(entry.label, entry.part) for entry in labelled(list(names))[0]]


def test_the_first_folder_is_the_class() -> None:
    assert told(["b/1.png", "a/deep/er/2.png", "3.png"]) == [("b", ""), ("a", ""), ("", "")]


def test_a_folder_that_all_share_says_nothing() -> None:
    assert told(["set/cat/1.png", "set/dog/1.png"]) == [("cat", ""), ("dog", "")]
    assert told(["a/b/cat/1.png", "a/b/dog/1.png"]) == [("cat", ""), ("dog", "")]
    assert told(["faces/1.png", "faces/2.png"]) == [("", "")] * 2
    assert told(["set/1.png", "set/cat/2.png"]) == [("", ""), ("cat", "")]
    assert told(["only/1.png"]) == told(["1.png"]) == [("", "")]
    assert told(["test/cat/1.png", "test/dog/1.png"]) == [("cat", ""), ("dog", "")]  # no training part: no parts


@pytest.mark.parametrize("wrap", ["", "cifar10/", "a/b/"])
def test_folders_called_like_parts_are_parts(wrap: str) -> None:
    names = [f"{wrap}{part}/{label}/1.png" for part in ("train", "test") for label in ("cat", "dog")]
    assert told(names) == [("cat", "train"), ("dog", "train"), ("cat", "test"), ("dog", "test")]
    assert told([f"{wrap}Training/1.png", f"{wrap}Testing/1.png"]) == [("", "train"), ("", "test")]
    assert told([f"{wrap}train/cat/1.png", f"{wrap}train/dog/1.png"]) == [("cat", "train"), ("dog", "train")]


def test_a_folder_below_the_parts_that_all_share_says_nothing() -> None:
    assert told(["train/images/cat/1.png", "test/images/dog/1.png"]) == [("cat", "train"), ("dog", "test")]
    assert told(["train/cat/1.png", "test/1.png"]) == [("cat", "train"), ("", "test")]


def test_folders_are_parts_only_if_all_are() -> None:
    vehicles = ["car/1.png", "plane/1.png", "train/1.png"]
    assert told(vehicles) == [("car", ""), ("plane", ""), ("train", "")]
    assert told(["train/cat/1.png", "test/cat/1.png", "1.png"]) == [("train", ""), ("test", ""), ("", "")]


def test_without_a_training_part_there_are_no_parts() -> None:
    assert told(["test/1.png", "val/1.png"]) == [("test", ""), ("val", "")]
    assert told(["test/cat/1.png", "val/cat/1.png"]) == [("test", ""), ("val", "")]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_validation_is_the_test_part_where_there_is_no_other(name: str) -> None:
    assert told(["train/1.png", f"{name}/2.png"]) == [("", "train"), ("", "test")]
    entries, left_out = labelled(["test/1.png", "train/1.png", f"{name}/1.png", f"{name}/2.png"])
    assert [entry.name for entry in entries] == ["test/1.png", "train/1.png"]
    assert left_out == {"val": 2}


def test_pictures_are_told_by_their_extensions() -> None:
    for name in ("1.png", "a/1.JPG", "1.jpeg", "1.webp", "1.gif", "1.bmp", "1.tif", "1.Tiff", "1.2.jpe", "1.jfif"):
        assert skip_reason(name) == ""
    assert [skip_reason(name) for name in ("a/png", "1.txt", "1.PNG.part")] == ["no extension", ".txt", ".part"]
    for name in (".1.png", "a/.b/1.png", "__MACOSX/1.png", "a/@eaDir/1.png"):
        assert skip_reason(name) == "hidden"


def test_names_can_be_written_anywhere() -> None:
    assert shown("Größe/猫 1.png") == "Größe/猫 1.png"
    assert shown("a\x1b[31m\u202e\ud800") == "a\\x1b[31m\\u202e\\ud800"


def test_names_are_made_plain_or_lead_outside() -> None:
    assert [member_name(name) for name in ("a/b.png", "./a//b.png", "a/./b.png", "a..b/c.png")] == [
        "a/b.png",
        "a/b.png",
        "a/b.png",
        "a..b/c.png",
    ]
    assert [member_name(name) for name in ("..", "a/..", "/a.png", "c:/a.png", "./../a.png")] == [None] * 5
