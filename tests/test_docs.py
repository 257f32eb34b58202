"""The pages are true: tables are those of the code, commands mean something, and the Python in them runs."""

from __future__ import annotations

import contextlib
import doctest
import importlib.machinery
import importlib.util
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gantlet
from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.names import FAMILIES
from gantlet.requests.grid import Axis, axes_from_mapping, parse_axis, parse_seeds
from gantlet.requests.options import Options
from gantlet.requests.resolve import Request, expand
from gantlet.settings import settings_of
from gantlet.studies.launch import start
from gantlet.studies.planning import plan_study
from gantlet.studies.published import TABLES
from gantlet.studies.published.table import PublishedCell, PublishedTable
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from page_desk import SMALL as TINY
from page_desk import WIDTHS, blocks_of, file_named, guides, prepare, words_of
from terminal import gantlet as command
from test_project import FENCE, PAGES, ROOT, commands, program, relative, unknown_words
from thinning import covering

DOCS = ROOT / "docs"


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language that are executed."""
    return [block.text for block in blocks_of(page) if block.language == language and not block.skipped]


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


# Tables


@pytest.fixture(scope="module")
def settings_table() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("settings_table", str(ROOT / "scripts" / "settings-table"))
    spec = importlib.util.spec_from_loader("settings_table", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def networks_of(task: str) -> frozenset[str]:
    """What a task's settings depend on beside the method."""
    found = catalogue.find("task", task)
    return frozenset({*found.networks, *settings_of(found.source)})


def test_the_tables_are_those_of_the_code(settings_table: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings_table.main(["--check"]) == 0, f"{capsys.readouterr().out} Run scripts/settings-table."


def test_a_stale_table_is_found_and_written_afresh(settings_table: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- generated: constraints -->\nold\n<!-- end -->\nafter\n")
    assert settings_table.main([str(tmp_path), "--check"]) == 1
    assert "old" in page.read_text()
    assert settings_table.main([str(tmp_path)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| `weight-clipping` | `clip` | `0.01` | 0 < clip | may differ |" in text
    assert settings_table.main([str(tmp_path), "--check"]) == 0


def test_the_examples_of_the_script_hold(settings_table: ModuleType) -> None:
    outcome = doctest.testmod(settings_table)
    assert (outcome.attempted > 0, outcome.failed) == (True, 0)


def test_counts_of_parameters_are_those_of_the_papers(settings_table: ModuleType) -> None:
    assert "| `mlp` | 483,202 | 121,401 | no |" in settings_table.generated("task ring8")
    assert "| `stackelberg-mixture` | 82 | 133,121 | no |" in settings_table.generated("task mixture8")


@pytest.mark.parametrize(("page", "family"), [("methods.md", "method"), ("tasks.md", "task")], ids=["methods", "tasks"])
def test_every_name_has_its_section(page: str, family: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (\S+)$", text, re.MULTILINE))
    assert headings >= set(FAMILIES[family])
    assert set(re.findall(rf"<!-- generated: {family} (\S+) -->", text)) == set(FAMILIES[family])


@pytest.mark.parametrize("task", covering(list(FAMILIES["task"]), networks_of))
def test_every_setting_is_on_the_page_of_settings(task: str) -> None:
    from gantlet.requests.parts import keys_of

    cells = re.split(r" \| | / |\n", (DOCS / "settings.md").read_text(encoding="utf-8"))
    shown = {cell.strip("| `") for cell in cells}
    keys: set[str] = set()
    for method in FAMILIES["method"]:
        with contextlib.suppress(Refused):  # auto-encoders on points, say
            keys |= set(keys_of(task, method))
    assert "r1_weight" in keys
    assert keys <= shown


# Commands


def files_of(page: Path) -> dict[str, str]:
    """The files that a page shows: blocks that begin with ``# file: NAME``, and ``# study.toml``."""
    return {name: block.text for block in blocks_of(page) if (name := file_named(block))}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the pages show, the package of own.md and the examples; to be read, not changed."""
    tmp_path = tmp_path_factory.mktemp("shown")
    for page in PAGES:
        for name, text in files_of(page).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    package = next(text for text in blocks(DOCS / "own.md", "toml") if "entry-points" in text)
    points = tomllib.loads(package)["project"]["entry-points"]
    lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for group, names in points.items()]
    (tmp_path / "boosted_gans-1.0.dist-info").mkdir()
    (tmp_path / "boosted_gans-1.0.dist-info" / "METADATA").write_text("Name: boosted-gans\nVersion: 1.0\n")
    (tmp_path / "boosted_gans-1.0.dist-info" / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def read_only_desk(shown: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the pages show, as the current folder, and the package of own.md installed."""
    yield from _at(shown, monkeypatch)


@pytest.fixture
def desk(shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, in which studies may be trained."""
    yield from _at(shutil.copytree(shown, tmp_path, dirs_exist_ok=True), monkeypatch)


def _at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    catalogue._tables.cache_clear()
    yield folder
    catalogue._tables.cache_clear()


def parsed(words: list[str]) -> dict[str, Any]:
    """A command line as the program reads it."""
    name, *rest = words
    return program().commands[name].make_context(name, rest).params


def request(words: list[str]) -> Request:
    """What a ``gantlet run`` asks for, from its words or its file."""
    given = parsed(words)
    if given["task"].endswith(".toml"):
        study = tomllib.loads(Path(given["task"]).read_text(encoding="utf-8"))
        methods, seeds = tuple(study["methods"]), parse_seeds(study["seeds"])
        return Request(study["task"], methods, tuple(axes_from_mapping(study["settings"])), seeds)
    axes = tuple(parse_axis(word) for word in given["grid"] or [])
    presets = tuple(given["preset"].split(",")) if given["preset"] else ()
    return Request(given["task"], tuple(given["methods"].split(",")), axes, parse_seeds(given["seeds"]), presets)


def tiny(asked: Request, *more: str) -> Request:
    """The same request on a small scale; ``more`` are widths to narrow."""
    small = TINY | {key: WIDTHS[key] for key in more}
    kept = [axis for axis in asked.axes if not set(axis.keys) & {*small, "epochs"}]
    axes = (*kept, *(Axis((key,), (value,)) for key, value in small.items()))
    return replace(asked, seeds=asked.seeds[:2], axes=axes)


SHOWN = [(page, words) for page in PAGES for words in commands(page.read_text(encoding="utf-8"))]
RUNS = [(page, words) for page, words in SHOWN if words[0] == "run"]


def identity(entry: Any) -> str:
    return relative(entry) if isinstance(entry, Path) else " ".join(entry)[:60]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if FENCE.search(page.read_text(encoding="utf-8"))], ids=relative
)
def test_commands_and_options_exist(page: Path) -> None:
    shown = commands(page.read_text(encoding="utf-8"))
    assert {" ".join(words): unknown for words in shown if (unknown := unknown_words(words))} == {}
    for words in shown:
        if words[0] != "--help" and "--help" not in words:
            parsed(words)


@pytest.mark.parametrize(("page", "words"), RUNS, ids=identity)
def test_runs_mean_something(page: Path, words: list[str], read_only_desk: Path) -> None:
    assert expand(request(words))


def test_the_grammar_of_the_grid_is_as_shown() -> None:
    text = (DOCS / "studies.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| `([\w+=.:,-]+)` \|", text, re.MULTILINE)
    values = {word: parse_axis(word).values for word in words if "=" in word}
    assert values["alpha_d=0.2:1:0.2"] == ("0.2", "0.4", "0.6", "0.8", "1")
    assert values["alpha_d=0.2:1:0.4,inf"] == ("0.2", "0.6", "1", "inf")
    assert parse_axis("g-width=64") == parse_axis("g_width=64")
    for word in values:
        assert expand(Request("ring8", ("alpha",), (parse_axis(word),)))
    tied = expand(Request("ring8", ("alpha",), (parse_axis("alpha_d+alpha_g=0.5,1"),)))
    assert [(each.values["alpha_d"], each.values["alpha_g"]) for each in tied] == [(0.5, 0.5), (1.0, 1.0)]


def test_the_sources_of_values_are_as_shown(read_only_desk: Path) -> None:
    (resolved,) = expand(request(["run", "ring8", "wgan-gp", "epochs=12"]))
    sources = {name: resolved.sources[name] for name in ("epochs", "batch_size", "n_critic", "latent")}
    assert sources == {"epochs": "user", "batch_size": "task", "n_critic": "method", "latent": "default"}
    (vanilla,) = expand(request(["run", "ring8", "vanilla", "--preset", "seed"]))
    assert (vanilla.sources["lr_g"], vanilla.sources["latent"]) == ("task × method", "preset seed")


@pytest.mark.parametrize("words", [words for page, words in RUNS if page.name == "own.md"], ids=identity)
def test_own_parts_are_played(words: list[str], desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = () if "generator=sines.py:Sines" in words else ("g_width", "d_width")
    study = start(plan_study(tiny(request(words), *more), Options(out=desk / "study")))
    assert set(Study(study.folder).runs["status"]) == {"finished"}


# Pictures


def test_pictures_are_there_and_small() -> None:
    shown: set[Path] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        names = re.findall(r"<img src=\"([^\"]+)\"", text) + re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
        shown |= {(page.parent / name).resolve() for name in names}
    assert {path for path in shown if not path.exists()} == set()
    assert shown == set((DOCS / "images").rglob("*.png")), "a picture that no page shows"
    assert max(path.stat().st_size for path in shown) < 300_000


# Python


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """``gantlet.run``, ``gantlet.tune`` and ``gantlet.GAN`` on a small scale, whatever the pages ask for."""
    whole, network, searching, repeating = gantlet.run, gantlet.GAN, gantlet.tune, gantlet.reproduce

    def run(task: str, methods: Any, **given: Any) -> Study:
        given.pop("epochs", None)
        return whole(task, methods, **given | TINY | WIDTHS | {"seeds": 2})

    def gan(method: Any = "vanilla", **given: Any) -> Any:
        return network(method, **given | {"steps": 2})

    def tune(task: str, method: Any, **given: Any) -> Any:
        return searching(task, method, **given | TINY | WIDTHS | {"trials": 2, "seeds": 2, "fresh_seeds": 1})

    def reproduce(name: str, **given: Any) -> Any:
        table = PublishedTable(
            name,
            "",
            "",
            "ring8",
            ("vanilla",),
            {**TINY, **WIDTHS},
            2,
            (PublishedCell("vanilla", "jsd", "mean", 0.5),),
        )
        monkeypatch.setitem(TABLES, name, table)
        return repeating(name, **given | {"budget": "paper"})

    monkeypatch.setattr(gantlet, "tune", tune)
    monkeypatch.setattr(gantlet, "reproduce", reproduce)
    gan.load = network.load  # type: ignore[attr-defined]
    monkeypatch.setattr(gantlet, "run", run)
    monkeypatch.setattr(gantlet, "GAN", gan)


def runnable(page: Path) -> str:
    """The Python of a page that is no file, one block after another."""
    return "\n".join(text for text in blocks(page, "python") if not text.startswith("# file:"))


SERVED = ("export.md", "images.md")
LONG = {*SERVED, "from-earlier-systems.md", "search.md", "studies.md"}
"""Exporting imports all of Dynamo, the others train several studies; their calls are those of shorter pages."""

EXECUTED = [
    pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG))
    for page in pages_with("python")
    if runnable(page)
]


@pytest.mark.parametrize("page", EXECUTED, ids=relative)
def test_the_python_of_a_page_runs(
    page: Path, desk: Path, small_runs: None, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name == "export.md":  # latents and images of the reader's
        prepare(page.name, desk, monkeypatch)
    if page.name in SERVED:  # what its commands write
        gantlet.export(finished.folder, 0, out=desk / "generator.onnx")
    runs = pd.DataFrame({"task": "ring8", "seed": [1, 2, 1, 2], "status": "finished", "modes": [8.0, 7.0, 5.0, 6.0]})
    runs["method"] = runs["setting"] = ["vanilla", "vanilla", "least-squares", "least-squares"]
    names: dict[str, Any] = {"study": type("Study", (), {"runs": runs}), "points": np.zeros((100, 2), "float32")}
    exec(compile(runnable(page), relative(page), "exec"), names)


def test_the_numbers_on_the_page_of_statistics_hold() -> None:
    from gantlet.statistics import wilson

    text = (DOCS / "statistics.md").read_text(encoding="utf-8")
    eight, some = wilson(8, 8), wilson(81, 263)
    assert f"8 of 8 is 100 % [{100 * eight.low:.1f}, {100 * eight.high:.1f}]" in text
    assert f"Interval(estimate={some.estimate:.3f}, low={some.low:.3f}, high={some.high:.3f}" in text


# The commands of Start and Guides

STATUS = {
    "conform examples/classic_mistakes.py:norm_over_the_batch --as gradient": 1,
    "doctor runs/ring8-20261127-101500": 1,
}
"""Commands that end with another exit status than 0, as their page says."""

PLAYED = [page for page in guides() if any(block.commands and not block.skipped for block in blocks_of(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED, ids=relative)
def test_the_commands_of_a_page_run(
    page: Path, desk: Path, short_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(page.name, desk, monkeypatch)
    for block in blocks_of(page):
        for words in block.commands if not block.skipped else []:
            done = command(*words_of(words))
            assert (done.status, done.err if done.status else "") == (STATUS.get(" ".join(words), 0), ""), words
