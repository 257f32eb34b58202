"""Folders that nobody should trust through every command that takes one: nothing is imported, no traceback, one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import terminal
from gantlet.cli import main
from gantlet.studies.store import Store
from gantlet.studies.views import read_runs
from thinning import leading

PART = """
from pathlib import Path
from gantlet.objectives.vanilla import Vanilla

Path({mark!r}).touch()

class Mine(Vanilla):
    pass
"""

COMMANDS: dict[str, tuple[str | int, ...]] = {
    "show": (),
    "report": (),
    "figure": ("curves", "--out", "figure.png"),
    "doctor": (),
    "verify": (),
    "repair": (),
    "cancel": (),
    "compare": ("other",),
    "sample": (0, "--n", 2, "--out", "s.npy"),
    "interpolate": (0, "--out", "i.npy"),
    "project": (0, "image.png"),
    "animate": (0, "--out", "a.gif"),
    "export": (0, "--format", "torch", "--out", "m.pt2"),
    "replay": (0,),
    "extend": ("--seeds", "2"),
    "tune": (),
    "reproduce": (),
    "resume": (),
}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, quick: None) -> tuple[Path, Path]:
    """A study with a part of its author's own, not finished, and the file that importing the part makes."""
    place = tmp_path_factory.mktemp("sent")
    mark, part = place / "executed", place / "part_of_a_stranger.py"
    part.write_text(PART.format(mark=str(mark)))
    terminal.study(place / "study", f"{part}:Mine", "checkpoints=all", recorded=1)
    (place / "study" / "fleets" / "0000" / "results.json").unlink()
    mark.unlink()
    part.write_text(part.read_text() + "\n")  # a module that was imported is not executed again unless it changed
    return place / "study", mark


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_imports_a_stranger_s_part(
    sent: tuple[Path, Path], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, mark = sent
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    monkeypatch.chdir(tmp_path)
    done = terminal.gantlet(command, study, *COMMANDS[command])
    assert not mark.exists()
    assert (done.status in (0, 1, 2, 3), "Traceback" in done.err + done.out) == (True, False)
    if command in ("sample", "interpolate", "project", "export", "replay", "extend", "resume"):
        assert (done.status, "--trust" in done.err) == (2, True)


def test_every_command_that_takes_a_study_is_here() -> None:
    from typer.main import get_command

    from gantlet.cli import app

    others = {"run", "list", "explain", "data", "inspect", "prepare", "conform", "import", "board", "film", "schema"}
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert known - set(COMMANDS) - others == set()


RECORDS: dict[str, Callable[[str], str]] = {
    "nested beyond any reader": lambda text: "[" * 100_000,
    "a list": lambda text: "[]",
    "a setting with a field too many": lambda text: text.replace('"method"', '"zzz": 1, "method"', 1),
    "no text": lambda text: "\0" * 64,
    "empty": lambda text: "",
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_of_another_shape_is_one_sentence(folder: Path, kind: str, real_report: None) -> None:
    folder.mkdir()
    record = terminal.study_record().model_dump_json()
    assert '"method"' in record
    (folder / "study.json").write_text(RECORDS[kind](record))
    for command in ("show", "report", "resume", "sample", "verify", "repair", "extend", "doctor"):
        done = terminal.gantlet(command, folder, *COMMANDS[command])
        assert done.status == (1 if command in ("verify", "repair") and done.status == 1 else 2), (command, done.err)
        assert "Traceback" not in done.err + done.out
        assert done.err.count("\n") <= 2


@pytest.mark.parametrize(
    "word",
    [
        "g_depth=2147483648",
        "g_width=4294967296",
        "d_width=4611686018427387904",
        "steps=9223372036854775808",
        "batch_size=99999999999999999999",
    ],
)
def test_an_absurd_size_is_refused_before_anything_is_built(word: str) -> None:
    done = terminal.gantlet("run", "ring8", "vanilla", word, "--dry-run")
    assert (done.status, "Traceback" in done.err) == (2, False)
    assert word.partition("=")[0] in done.err or "Choose smaller widths" in done.err


@pytest.mark.parametrize("command", leading(["list", "show"]))
def test_output_that_nobody_can_take_is_no_traceback(folder: Path, command: str) -> None:
    words = [command]
    if command == "show":
        terminal.study(folder, "vanilla")
        words.append(str(folder))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gantlet", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_an_encoding_without_greek_letters_is_no_traceback() -> None:
    """As that of a terminal of Windows or of a cron job; the letters become escapes."""
    done = subprocess.run(
        [sys.executable, "-m", "gantlet", "list", "methods"],  # needs no torch
        env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03b1" in done.stdout


@pytest.mark.parametrize("closed", leading(["<&- >&- 2>&-", ">&-", "2>&-"]))
def test_output_that_is_closed_goes_nowhere(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gantlet list methods {closed}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("ends", [("stdout",), ("stdout", "stderr")], ids=" and ".join)
def test_a_study_goes_on_when_nobody_reads_its_output_any_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ends: tuple[str, ...]
) -> None:
    """As of `gantlet run … | head -1`."""
    words = ["run", "ring8", "vanilla", *terminal.TINY, "--out", str(folder), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["gantlet", *words])
    with ExitStack() as stack:
        for end in ends:
            reader, writer = os.pipe()
            os.close(reader)
            monkeypatch.setattr(sys, end, stack.enter_context(os.fdopen(writer, "w")))
        with pytest.raises(SystemExit) as ended:
            main()
        print("more, once the command has ended", file=sys.stdout, flush=True)
    assert not ended.value.code
    assert list(read_runs(Store(folder))["status"]) == ["finished"]
    assert (folder / "report.html").is_file()
