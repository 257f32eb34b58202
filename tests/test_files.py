"""Files appear whole, or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gantlet.errors import StoreError
from gantlet.files import replace_whole, write_whole


def test_folders_are_made_and_the_mode_is_the_usual_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b.txt", b"new")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"new"
    assert stat.S_IMODE(os.stat(tmp_path / "a" / "b.txt").st_mode) == stat.S_IMODE(os.stat(tmp_path / "plain").st_mode)


def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "kept.txt"
    place.write_text("old")

    def fill(path: Path) -> None:
        path.write_text("half of the ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match=r"No space left on device.*untouched\. Make room\.$"):
        write_whole(place, fill, advice="Make room.")
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_device_that_is_full(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        with Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)

    with pytest.raises(OSError, match="No space left"):
        replace_whole(tmp_path / "x", fill)
    assert not list(tmp_path.iterdir())
