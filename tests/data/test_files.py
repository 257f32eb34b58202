"""Files are read whole, and what cannot be opened is said in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from gantlet.data.data_dir import is_here
from gantlet.data.files import check_file, expand_braces, named_path, read_bytes
from gantlet.data.points import Points
from gantlet.data.readers.folder import FolderReader
from gantlet.errors import BadData


def test_the_content_comes_back_whole_and_writable(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3
    (tmp_path / "x").write_bytes(content)
    found = read_bytes(tmp_path / "x")
    assert found.tobytes() == content
    found[0] = 1


def test_what_cannot_be_opened_is_bad_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x").write_bytes(b"content")
    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(BadData, match=r"x cannot be read: .*Permission denied"):
        read_bytes(tmp_path / "x")


def test_a_file_is_checked_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    check_file(tmp_path / "x")
    with pytest.raises(BadData, match=r"There is no file .*y\.$"):
        check_file(tmp_path / "y")
    with pytest.raises(BadData, match="is a folder"):
        check_file(tmp_path)
    with pytest.raises(BadData, match=r"is empty \(0 bytes\)"):
        read_bytes(tmp_path / "x")


def test_what_a_folder_keeps_to_itself_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def guarded(path: Any, *_: Any, **options: Any) -> os.stat_result:
        if os.fspath(path).startswith(f"{tmp_path}/shut/"):  # as for anybody but root
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", guarded)
    reads: list[Callable[[str], object]] = [
        lambda path: check_file(Path(path)),
        FolderReader,
        lambda path: Points(data_path=path).load(),
    ]
    for read in reads:
        with pytest.raises(BadData, match=r"shut/x.npy cannot be looked for, as a folder .* may not be entered\. Mend"):
            read(f"{tmp_path}/shut/x.npy")
        with pytest.raises(BadData, match=r"There is no f\w+ \S+open/x.npy\.$"):
            read(f"{tmp_path}/open/x.npy")
    assert is_here(Points(data_path=f"{tmp_path}/shut/x.npy"))  # a dry run refuses what the run would


def test_a_named_path_is_trimmed_and_never_empty() -> None:
    assert named_path(" a/b.npy ", task="points", form="FILE") == Path("a/b.npy")
    with pytest.raises(BadData, match=r"The task 'points' reads a file of your own: write points:FILE\."):
        named_path("", task="points", form="FILE")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("a{8..11}", ["a8", "a9", "a10", "a11"]),
        ("a{08..11}", ["a08", "a09", "a10", "a11"]),
        ("{8..010}", ["008", "009", "010"]),
        ("s-{0..10}", [f"s-{number}" for number in range(11)]),
        ("{10..0}", [str(number) for number in range(10, -1, -1)]),
        ("{00..2}", ["00", "01", "02"]),
        ("{-05..3}", ["{-05..3}"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{x}", ["{x}"]),
        ("{000..000}", ["000"]),
        ("{{1..2}}", ["{1}", "{2}"]),
    ],
)
def test_braces_are_those_of_a_shell(pattern: str, expected: list[str]) -> None:
    assert expand_braces(pattern) == expected


@pytest.mark.parametrize("pattern", ["{0..99999999999}", "{0..999}{0..999}{0..999}", "{a,b}" * 40])
def test_more_names_than_anybody_has_are_refused(pattern: str) -> None:
    with pytest.raises(BadData, match=r"[\d,]+ names; expected at most 1,000,000"):
        expand_braces(pattern)
