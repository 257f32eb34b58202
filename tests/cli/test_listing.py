"""``gantlet list`` and the help: made from the same tables that run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gantlet import __version__, catalogue
from gantlet.names import FAMILIES
from gantlet.requests.parts import keys_of
from terminal import gantlet


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_of_a_family_is_listed_with_a_line(family: str) -> None:
    done = gantlet("list", catalogue.plural(family))
    assert (done.status, done.err) == (0, "")
    rows = {line.split()[0]: line for line in done.out.splitlines()[1:] if line.strip()}
    assert set(rows) == set(catalogue.names(family))
    assert all(len(line.split()) > 2 for line in rows.values()), "a name without a word about it"
    assert "``" not in done.out, "marks of a docstring"


def test_all_families_are_listed_without_a_word() -> None:
    done = gantlet("list")
    assert all(f"\n{catalogue.plural(family)}" in f"\n{done.out}" for family in FAMILIES)


def test_methods_are_listed_with_their_papers() -> None:
    listed = gantlet("list", "method").out
    for name in catalogue.names("method"):
        assert catalogue.find("method", name).paper in listed


def test_keys_are_listed_with_default_range_and_help() -> None:
    listed = gantlet("list", "keys", "ring8:alpha").out
    for name, key in keys_of("ring8", "alpha").items():
        (row,) = [line for line in listed.splitlines() if line.split()[:1] == [name]]
        assert key.setting.help in row
        assert key.setting.range() in row
        assert row.rstrip().endswith("may differ" if key.setting.varies else "new fleet")
    assert "g_width" in gantlet("list", "keys").out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("metods", "There is no family called 'metods'. Did you mean 'methods'"),
        ("keys rign8:alpha", "no task called 'rign8'"),
        ("keys ring8:alhpa", "no method called 'alhpa'"),
    ],
)
def test_a_wrong_word_is_refused(words: str, reason: str) -> None:
    done = gantlet("list", *words.split())
    assert done.status == 2
    assert len(done.lines) == 1
    assert reason in done.err


def test_the_version_is_printed() -> None:
    assert gantlet("--version").out == f"gantlet {__version__}\n"


@pytest.mark.parametrize("command", ["run", "resume", "extend", "replay", "show", "report", "sample", "list"])
def test_every_command_has_help(command: str) -> None:
    done = gantlet(command, "--help")
    assert done.status == 0
    assert f"gantlet {command}" in done.out


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import sys; sys.argv = ['gantlet', '--help']\n"
        "from gantlet.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    times: list[float] = []
    for _ in range(3):
        before = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - before)
        assert (done.returncode, done.stderr) == (0, "")
        if times[-1] < 0.3:
            break
    assert min(times) < 3, "0.3 s on a machine of its own; a shared one gets ten times as long"


def test_the_console_script_is_this_main() -> None:
    script = Path(sys.executable).parent / "gantlet"
    code = script.read_text(encoding="utf-8") if script.exists() else "from gantlet.cli import main"
    assert "from gantlet.cli import main" in code


@pytest.mark.parametrize("width", ["0", "1", "", "many"])
def test_a_terminal_of_no_width_is_not_believed(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert "ring8" in gantlet("list", "tasks").out
