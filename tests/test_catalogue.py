"""The catalogue: names, third parties, and anything importable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet import catalogue
from gantlet.errors import BadValue, UnknownName

LOSS = "class Loss:\n    kind = {kind!r}\n"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path, "the search path was left changed"
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Pretend that a third party is installed with these entry points, by group."""

    def install(**groups: dict[str, str]) -> None:
        points = [
            EntryPoint(name=name, value=value, group=f"gantlet.{group}")
            for group, named in groups.items()
            for name, value in named.items()
        ]
        monkeypatch.setattr(catalogue, "entry_points", lambda: EntryPoints(points))
        catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]

    yield install
    monkeypatch.undo()
    catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("family", "near", "far"), [("method", "wgan-pg", "wgan-gp"), ("task", "rign8", "ring8")])
def test_an_unknown_name_is_refused_with_the_nearest(family: str, near: str, far: str) -> None:
    with pytest.raises(UnknownName, match=f"no {family} called '{near}'.*'{far}'"):
        catalogue.find(family, near)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"no family called 'methods'. Did you mean 'method'"):
        catalogue.names("methods")


def test_a_part_may_be_named_by_its_path() -> None:
    from gantlet.objectives.vanilla import Vanilla

    assert catalogue.find("objective", "gantlet.objectives.vanilla:Vanilla") is Vanilla


def test_the_current_folder_is_importable(workplace: Path) -> None:
    (workplace / "own_losses.py").write_text(LOSS.format(kind="module"))
    assert catalogue.find("objective", "own_losses:Loss").kind == "module"


@pytest.mark.parametrize("folder", [".", "deep"])
def test_a_file_is_importable_wherever_it_lies(workplace: Path, folder: str) -> None:
    (workplace / "deep").mkdir()
    (workplace / folder / "losses.py").write_text(LOSS.format(kind="file"))
    path = f"{folder}/losses.py:Loss" if folder != "." else "losses.py:Loss"
    assert catalogue.is_path(path)
    assert catalogue.find("objective", path).kind == "file"


def test_a_file_is_imported_once_until_it_changes(workplace: Path) -> None:
    import os

    (workplace / "losses.py").write_text(LOSS.format(kind="first"))
    found = catalogue.find("objective", "losses.py:Loss")
    assert catalogue.find("objective", str(workplace / "losses.py:Loss")) is found
    (workplace / "losses.py").write_text(LOSS.format(kind="second"))
    os.utime(workplace / "losses.py", (1, 1))
    assert catalogue.find("objective", "losses.py:Loss").kind == "second"
    (workplace / "deep").mkdir()
    (workplace / "deep" / "losses.py").write_text(LOSS.format(kind="namesake"))
    assert catalogue.find("objective", "deep/losses.py:Loss").kind == "namesake"
    assert catalogue.find("objective", "losses.py:Loss").kind == "second"


@pytest.mark.parametrize(
    ("content", "path", "words"),
    [
        pytest.param(None, "absent.py:Loss", "there is no file absent.py", id="no file"),
        pytest.param(None, "absent_module:Loss", "No module named 'absent_module'", id="no module"),
        pytest.param("def f(:", "broken.py:Loss", "invalid syntax", id="syntax"),
        pytest.param("1 / 0", "broken.py:Loss", "ZeroDivisionError: division by zero", id="raises at import"),
        pytest.param("x = 1", "broken.py:Loss", "has no 'Loss'", id="no such name"),
    ],
)
def test_what_cannot_be_imported_is_refused(workplace: Path, content: str | None, path: str, words: str) -> None:
    if content is not None:
        (workplace / "broken.py").write_text(content)
    with pytest.raises(BadValue) as caught:
        catalogue.find("objective", path)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["vanilla", "a:b:c", "a.b", "a:", ":b", "a-b:C", "a.b:C D", "a..b:C", "1a:C"])
def test_other_words_are_no_paths(name: str) -> None:
    assert not catalogue.is_path(name)


@given(st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=4), st.booleans())
def test_dotted_names_and_files_are_paths(parts: list[str], file: bool) -> None:
    assert catalogue.is_path(f"{'/'.join(parts)}.py:Name" if file else f"{'.'.join(parts)}:Name")


# Third parties


def test_entry_points_add_names_but_never_replace_gantlets_own(installed: Callable[..., None]) -> None:
    installed(
        objectives={"vanilla": "elsewhere:Other", "theirs": "gantlet.objectives.alpha:Alpha"},
        data={"moons": "gantlet.data.gaussians:Ring8"},
        penalties={"square": "gantlet.penalties.gradient:GradientPenalty"},
    )
    assert catalogue.names("objective")[-1] == "theirs"
    assert catalogue.find("objective", "theirs").__name__ == "Alpha"
    assert catalogue.find("objective", "vanilla").__name__ == "Vanilla"
    assert "moons" in catalogue.names("data")
    assert "square" in catalogue.names("penalty")


# What a user hands over in Python


def test_a_class_of_ones_own_is_remembered_by_its_path() -> None:
    class Local:
        pass

    path = catalogue.remember(Local)
    assert path == f"{__name__}:test_a_class_of_ones_own_is_remembered_by_its_path.<locals>.Local"
    assert catalogue.find("objective", path) is Local
    assert catalogue.load_path(path) is Local


def test_an_instance_of_ones_own_is_remembered_as_it_is() -> None:
    class Local:
        def __init__(self, weight: float) -> None:
            self.weight = weight

    found: Any = catalogue.load_path(catalogue.remember(Local(3.0)))
    assert found.weight == 3.0


def test_a_class_of_the_main_script_is_remembered_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Mine = type("Mine", (), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "study.py", raising=False)
    assert catalogue.remember(Mine) == f"{Path.cwd()}/study.py:Mine"  # a worker may start elsewhere


def test_an_instance_does_not_stand_for_the_part_of_its_class() -> None:
    from gantlet.objectives.vanilla import Vanilla

    smoothed = Vanilla(smoothing=0.1)
    path = catalogue.remember(smoothed)
    assert catalogue.load_path(path) is smoothed
    assert catalogue.find("objective", "vanilla") is Vanilla
    assert catalogue.load_path(catalogue.remember(Vanilla)) is Vanilla


def test_instances_with_other_values_are_other_parts() -> None:
    from gantlet.objectives.vanilla import Vanilla

    one, other = Vanilla(smoothing=0.1), Vanilla(smoothing=0.2)
    paths = [catalogue.remember(thing) for thing in (one, other, one)]
    assert paths[0] == paths[2] != paths[1]
    assert [catalogue.load_path(path) for path in paths] == [one, other, one]
    assert all(catalogue.only_here(path) for path in paths)
