"""Files appear whole, or not at all; a lock is held by one process, and dies with it."""

import errno
import hashlib
import io
import os
import platform
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gantlet.errors import StoreError
from gantlet.files import file_digest, lock_holder, locked, replace_whole, write_whole


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


HOLD = """
import os, signal, sys
from pathlib import Path
from gantlet.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if sys.stdin.read() else None
"""


@pytest.mark.parametrize("last_words", ["", "die"])
def test_a_lock_is_held_by_one_process_and_dies_with_it(last_words: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with locked(path, wait=False) as holder:
            assert holder is not None
            assert (holder.pid, holder.host) == (process.pid, platform.node())
            assert holder.since.startswith("20")
        process.communicate(last_words)
    with locked(path, wait=False) as holder:
        assert holder is None
        assert path.exists()
    assert not path.exists()


def test_threads_that_wait_for_a_lock_come_one_by_one(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with locked(tmp_path / "lock") as holder:
            assert holder is None
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"lock cannot be written: .*\. Do this\."):
        locked(tmp_path / "file" / "lock", advice="Do this.").__enter__()


def test_a_lock_file_that_says_nothing_is_of_somebody_unknown(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        (tmp_path / "lock").write_text("[")
        with locked(tmp_path / "lock", wait=False) as holder:
            assert str(holder) == "a process that is not known"


def test_of_those_who_share_a_lock_one_that_still_holds_it_is_named(tmp_path: Path) -> None:
    lock, hold = tmp_path / "lock", "import sys; from pathlib import Path; from gantlet.files import locked\n"
    hold += "with locked(Path(sys.argv[1]), shared=True): print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(lock)]
    with locked(lock, shared=True):
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert getattr(lock_holder(lock, shared=True), "pid", 0) == other.pid, "the last one to come"
            other.kill()
        with locked(lock, wait=False) as holder:
            assert holder is not None
            assert holder.pid == os.getpid(), "and not the dead one, which wrote itself into the file last"
        lock.write_text(lock.read_text().replace(str(os.getpid()), str(other.pid)))
        assert str(lock_holder(lock, shared=True)) == "a process that is not known"


def test_hashes_of_files(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(content)
    assert file_digest(tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert file_digest(io.BytesIO(content), "md5") == hashlib.md5(content).hexdigest()
