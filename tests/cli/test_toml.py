"""``gantlet run study.toml``: everything on the command line can stand in a file, and nothing is ignored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import terminal
from gantlet.requests.options import Options
from gantlet.requests.study_file import read_study_file
from gantlet.studies import planning
from gantlet.studies.store import Store
from terminal import TINY, gantlet
from thinning import leading

HEAD = 'task = "ring8"\nmethods = ["vanilla", "alpha"]\n'
SETTINGS = "[settings]\n" + "\n".join(f"{name} = {value}" for name, _, value in (w.partition("=") for w in TINY)) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "study.toml"


def test_a_byte_order_mark_is_no_part_of_the_file(file: Path) -> None:
    file.write_text(f"{HEAD}{SETTINGS}", encoding="utf-8-sig")  # as Windows' editor writes it
    assert read_study_file(file, Options())[0].methods == ("vanilla", "alpha")


def test_a_file_says_what_the_words_say(file: Path, folder: Path, tmp_path: Path) -> None:
    file.write_text(
        f'{HEAD}seeds = [3, 1]\nout = "{folder}"\nworkers = 1\nwidth = 2\nnote = "from a file"\npreset = "seed"\n'
        f'{SETTINGS}lr = [1e-3, 2e-3]\n"alpha_d+alpha_g" = 0.7\n'
    )
    done = gantlet("run", file)
    assert (done.status, done.err) == (0, "")
    words = ("lr=0.001,0.002", "alpha_d+alpha_g=0.7", "--seeds", "3,1", "--workers", "1", "--width", "2")
    other = tmp_path / "typed"
    typed = gantlet("run", "ring8", "vanilla,alpha", *TINY, *words, "--preset", "seed", "--out", other)
    assert typed.status == 0
    assert terminal.difference(Store(folder), Store(other)) is None
    assert Store(folder).record().note == "from a file"


def test_what_a_file_leaves_open_the_command_line_may_say(file: Path, folder: Path) -> None:
    file.write_text(f'task = "ring8"\nmethods = "vanilla"\n{SETTINGS}')
    words = ("--seeds", "4,", "--width", "1", "--note", "typed", "--workers", "1", "--preset", "seed")
    assert gantlet("run", file, "--out", folder, *words).status == 0
    assert pd.read_parquet(folder / "runs.parquet")["seed"].tolist() == [4]
    assert Store(folder).record().note == "typed"
    assert Store(folder).record().settings[0].sources["latent"] == "preset seed"


def test_another_folder_may_be_named_for_the_same_file(file: Path, folder: Path, tmp_path: Path) -> None:
    file.write_text(f'task = "ring8"\nmethods = "vanilla"\nout = "{tmp_path}/said"\ntensorboard = false\n{SETTINGS}')
    assert gantlet("run", file, "--out", folder).status == 0
    assert folder.exists()
    assert not (tmp_path / "said").exists()


def test_what_is_empty_is_left_open(file: Path, folder: Path) -> None:
    empty = 'device = ""\nexecutor = ""\nroute = ""\nnote = ""\npreset = ""\nout = ""\nwidth = 0\nworkers = 0\n'
    file.write_text(f'task = "ring8"\nmethods = "vanilla"\n{empty}{SETTINGS}')
    read = read_study_file(file, Options())
    assert read == (replace(terminal.request("ring8", "vanilla"), axes=read[0].axes), Options())
    done = gantlet("run", file, "--out", folder, "--width", "1", "--workers", "1", "--note", "typed")
    assert (done.status, done.err) == (0, "")
    assert Store(folder).record().note == "typed"


@pytest.mark.parametrize(
    ("content", "words", "variable", "recorded"),
    leading(
        [
            ("recorded = 0", (), "3", 0),
            ("recorded = 5", ("--recorded", "0"), "", 0),
            ("", (), "3", 3),
            ("", (), "", 8),
            ("recorded = 5", (), "3", 5),
            ("recorded = 5", ("--recorded", "8"), "", 8),
            ("", ("--recorded", "8"), "3", 8),
        ],
        2,
    ),
)
def test_the_stronger_word_decides_how_many_are_recorded(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: str, words: tuple[str, ...], variable: str, recorded: int
) -> None:
    monkeypatch.setenv("GANTLET_RECORDED", variable)
    seen = list[int]()
    check = planning.check_options
    monkeypatch.setattr(planning, "check_options", lambda options: (seen.append(options.recorded), check(options)))
    file.write_text(f'task = "ring8"\nmethods = "vanilla"\n{content}\n{SETTINGS}')
    assert gantlet("run", file, "--dry-run", *words).status == 0
    assert seen == [recorded]


@pytest.mark.parametrize("variable", ["abc", "-3", "1.5", "²"])
def test_a_variable_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("GANTLET_RECORDED", variable)
    done = gantlet("run", "ring8", "vanilla", "--dry-run")
    assert (done.status, done.lines) == (
        2,
        [f"gantlet: GANTLET_RECORDED is '{variable}'; expected a number of members, such as 8, or 0 for none."],
    )


@pytest.mark.parametrize(
    ("content", "words", "reason"),
    [
        (None, (), "cannot be read as TOML"),
        ("task = ", (), "cannot be read as TOML"),
        (f"a = {'[' * 5000}{']' * 5000}", (), "its brackets are nested too deeply"),
        ('task = "ring8"\n', (), "must hold task and methods"),
        (HEAD + "sedes = 3\n", (), "holds 'sedes', which is not part of a study file. Known: task, methods"),
        (HEAD, ("alpha",), "already names methods and settings; put 'alpha' into the file"),
        (HEAD, ("alpha", "lr=1"), "put 'alpha lr=1' into the file"),
        (HEAD + "seeds = 3\n", ("--seeds", "5"), "already says seeds"),
        (HEAD + "workers = 3\nnote = 'a'\n", ("--workers", "2", "--note", "b"), "already says note, workers"),
        (HEAD + 'preset = "seed"\n', ("--preset", "other"), "already says preset"),
        (HEAD + 'route = "fast"\n', (), "route in "),
        (HEAD + 'seeds = ["a"]\n', (), "expected a whole number, a text such as '6:10', or a list"),
        (HEAD + "seeds = 1.5\n", (), "seeds in "),
        (HEAD + 'workers = "two"\n', (), "workers in "),
        (HEAD + "workers = true\n", (), "workers in "),
        (HEAD + "settings = 3\n", (), "settings in "),
        (HEAD + "out = 3\n", (), "out in "),
        ('task = "ring8"\nmethods = 3\n', (), "methods in "),
        ('task = "ring8"\nmethods = [3]\n', (), "methods in "),
        (HEAD + "recorded = -3\n", (), "--recorded -3 is negative; 0 means none."),
        (HEAD + "width = -1\n", (), "--width -1 is not at least 1"),
        (HEAD + "[settings]\nlr_g = {a = 1}\n", (), "settings.lr_g in "),
        (HEAD + "[settings]\nlr_g = [[1], [2]]\n", (), "settings.lr_g in "),
        (HEAD + "[settings]\nlr_g = 2020-01-01\n", (), "settings.lr_g in "),
        (HEAD + "[settings]\nlr_g = []\n", (), "the grid is empty"),
        (HEAD + "[settings]\nlr_g = nan\n", (), "nan is never a setting"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    file: Path, tmp_path: Path, content: str | None, words: tuple[str, ...], reason: str
) -> None:
    if content is not None:
        file.write_text(content)
    done = gantlet("run", file, *words, "--out", tmp_path / "out")
    assert done.status == 2
    assert len(done.lines) == 1
    assert done.err.startswith("gantlet: ")
    assert reason in done.err
    assert not (tmp_path / "out").exists()
