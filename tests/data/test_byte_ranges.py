"""Spans are read at their place from any number of files and threads; texts come back as they were added."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gantlet.data import byte_ranges
from gantlet.data.byte_ranges import ByteRangeFile, ByteRangeList, TextList
from gantlet.data.readers.layout import LazyEntries
from gantlet.errors import BadData, BadImage


def test_more_files_than_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_ranges, "_MOST_OPEN", 3)
    files = [tmp_path / str(number) for number in range(20)]
    for number, file in enumerate(files):
        file.write_bytes(b"before" + bytes([number]) * 50 + b"after")
    held = ByteRangeList(files)
    for number in range(20):
        held.add(number, offset=6, length=50)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    places = [*range(20)] * 30
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(held.read, places)) == [bytes([place]) * 50 for place in places]
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 3
    held.close()
    files[7].unlink()
    with pytest.raises(BadImage, match="cannot be read"):
        held.read(7)
    assert held.read(8) == bytes([8]) * 50
    held.close()


def test_a_file_ends_where_it_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abcdef")
    file = ByteRangeFile(tmp_path / "x")
    assert [file.read(2, 3), file.read(4, 99), file.read(2**62, 2**62)] == [b"cde", b"ef", b""]
    file.close()
    file.close()
    for name, words in (("nothing", "There is no file"), ("", "is a folder"), ("a\0b", "There is no file")):
        with pytest.raises(BadData, match=words):
            ByteRangeFile(tmp_path / name)


def test_texts_and_lazy_entries() -> None:
    texts = TextList()
    for text in (b"", "é".encode(), b"\xff", b"last"):
        texts.add(text)
    assert [texts[place] for place in range(len(texts))] == ["", "é", "\\xff", "last"]
    made: list[int] = []
    entries = LazyEntries(10**12, made.append)  # type: ignore[arg-type]
    assert len(entries) == 10**12
    _ = entries[-1], entries[5:7]
    assert made == [10**12 - 1, 5, 6]
