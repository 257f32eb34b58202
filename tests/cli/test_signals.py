"""Stop signals outside of training: what was being written is gone, locks are released, and the status says which signal it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gantlet.files import lock_holder
from thinning import leading

SCRIPT = """
import os
import signal
from pathlib import Path
from gantlet.cli.app import app, main
from gantlet.files import locked, replace_whole

# What was started in the background, or by nohup, ignores these.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

def write(number: int):
    def half(path):
        path.write_text("half of it")
        os.kill(os.getpid(), number)
        path.write_text("whole")
    with locked(Path("lock")):
        replace_whole(Path("out.txt"), half)

app.command("write")(write)
main()
"""


@pytest.mark.parametrize(
    ("number", "status"),
    leading([(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]),
    ids=str,
)
def test_a_stopped_command_leaves_nothing_half_written_and_says_by_what(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", SCRIPT, "write", str(int(number))]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (status, "")
    assert list(tmp_path.iterdir()) == []
    assert lock_holder(tmp_path / "lock") is None
