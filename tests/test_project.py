"""Guards on the guard-rails: exports, doctests, catalogue, links, README commands, version, pins, leaks."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import gantlet
from gantlet.catalogue import find
from gantlet.names import FAMILIES

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "gantlet"
MODULES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted({*ROOT.glob("*.md"), *(p for d in ("docs", "examples", "benchmarks") for p in (ROOT / d).rglob("*.md"))})
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Exports


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at import, also inside if, try and with; TYPE_CHECKING is false then."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING":
            yield from statements(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            branches = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            yield from statements([entry for branch in branches for entry in branch])


def defined(tree: ast.Module) -> set[str]:
    """The names that a module defines itself."""
    found: set[str] = set()
    for node in statements(tree.body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            found |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return found


def reexported(tree: ast.Module, package: str) -> set[str]:
    """The names that a package takes over from modules of its own."""
    imports = [node for node in statements(tree.body) if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if node.level == 1 or f"{node.module}.".startswith(f"{package}.")]
    return {alias.asname or alias.name for node in own for alias in node.names}


def exports(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in defined(ast.Module([node], [])):
            return list(ast.literal_eval(node.value)) if node.value else None
    return None


def public(names: set[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_defined_names_are_those_that_importing_the_module_would_define() -> None:
    code = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    A = 1\nelse:\n    B = 2\n"
        "try:\n    C, D = 3, 4\nexcept ImportError:\n    pass\n"
        "E: int = 5\ndef f(): g = 6\nclass H: i = 7\nh.j = 8"
    )
    before: dict[str, Any] = {"__builtins__": __builtins__, "h": type("Anything", (), {})}
    after = dict(before)
    exec(code, after)
    assert public(defined(ast.parse(code))) == public(set(after) - set(before)) - {"TYPE_CHECKING"}


def test_all_lists_exactly_what_a_module_exports() -> None:
    assert {dotted(path): fault for path in MODULES if (fault := fault_of_exports(path, dotted(path)))} == {}


def fault_of_exports(path: Path, name: str) -> str:
    """What is wrong with a module's ``__all__``; empty if nothing is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.name == "__init__.py"
    listed = exports(tree)
    own = public(defined(tree) | (reexported(tree, name) if package else set()))
    if listed is None:
        if not package:
            return "A module needs __all__."
        return f"The package exports {sorted(own)} without __all__." if own else ""
    if len(set(listed)) < len(listed):
        return "__all__ names something twice."
    if not own <= set(listed):
        return f"Missing from __all__: {sorted(own - set(listed))}."
    if package:  # may answer for more through __getattr__
        module = importlib.import_module(name)
        missing = [name for name in listed if not hasattr(module, name)]
    else:
        missing = sorted(set(listed) - defined(tree))
    return f"__all__ names what is not there: {missing}." if missing else ""


def test_faults_of_exports_are_found(tmp_path: Path) -> None:
    module, package = tmp_path / "module.py", tmp_path / "empty" / "__init__.py"
    package.parent.mkdir()
    found: list[str] = []
    for path, text in (
        (module, "x = 1"),
        (package, "x = 1"),
        (module, "__all__ = ['x', 'x']\nx = 1"),
        (module, "__all__ = []\nx = 1"),
        (module, "__all__ = ['x', 'y']\nx = 1"),
        (module, "__all__ = ['x']\nx = 1\n_y = 2"),
        (package, ""),
    ):
        path.write_text(text)
        found.append(fault_of_exports(path, "any"))
    assert found == [
        "A module needs __all__.",
        "The package exports ['x'] without __all__.",
        "__all__ names something twice.",
        "Missing from __all__: ['x'].",
        "__all__ names what is not there: ['y'].",
        "",
        "",
    ]


EXAMPLES = [path for path in MODULES if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=dotted)
def test_doctests_hold(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # doctest has a debugger at hand, which asks the disk about every file that a traceback has shown before
    monkeypatch.setattr("linecache.checkcache", lambda filename=None: None)
    outcome = doctest.testmod(importlib.import_module(dotted(path)), optionflags=doctest.ELLIPSIS)
    assert outcome.attempted > 0, "The examples stand where doctest does not look."
    assert outcome.failed == 0


# Catalogue


@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_of_the_catalogue_resolves(family: str) -> None:
    assert [name for name in FAMILIES[family] if find(family, name) is None] == []


# Markdown

FENCE = re.compile(r"^ {0,3}(```+|~~~+)[^\n]*\n(.*?)^ {0,3}\1", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """Markdown without code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Targets of links and images, inline and reference style; none from code."""
    inline = re.findall(r"\]\(<?([^()<>\s]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)", prose(text))
    return inline + re.findall(r"^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)", prose(text), re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of headings: lower case, punctuation dropped, spaces to hyphens, repetitions numbered."""
    found: set[str] = set()
    for heading in re.findall(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$", FENCE.sub("", text), re.MULTILINE):
        visible = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", visible.lower()).replace(" ", "-")
        repeats = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{repeats}" if slug in found else slug)
    return found | set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))


def broken_links(page: Path, root: Path) -> list[str]:
    """The relative links of a page that lead nowhere, or out of the project."""
    broken: list[str] = []
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        lost = not target.exists() or not target.is_relative_to(root)
        if lost or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "there.md").write_text("# Why `f` is 1/2\n## Why `f` is 1/2\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](docs/there.md#why-f-is-12) [b](docs/there.md#why-f-is-12-1) ![c](docs) [d](#here) [e](https://x.org/y)\n"
        "[f](lost.md) [g](docs/there.md#no-heading) [h](../page.md) [i]\n\n[i]: lost.png\n# Here\n"
        "```\n[j](code.md)\n```\n`[k](code.md)`\n"
    )
    assert broken_links(page, tmp_path) == ["lost.md", "docs/there.md#no-heading", "../page.md", "lost.png"]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_resolve(page: Path) -> None:
    assert broken_links(page, ROOT) == []


# README commands


def commands(text: str) -> list[list[str]]:
    """The words after ``gantlet`` on each such line of a code block; synopses lose their brackets."""
    lines = [line for _, block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    shown = [match[1] for line in lines if (match := re.match(r"\s*(?:[$>] )?gantlet\s+(.*)", line))]
    return [shlex.split(re.sub(r"[\[\]|…]", " ", line), comments=True) for line in shown]


@cache
def program() -> Any:
    """The command line."""
    import typer

    return typer.main.get_command(importlib.import_module("gantlet.cli").app)


def unknown_words(words: list[str]) -> list[str]:
    """The subcommand and the options of a command line that the program does not have."""
    cli = program()
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in cli.commands:
        return [name]
    accepted = {"--help"} | options(cli)
    command = cli.commands[name] if name else None
    if command is not None and hasattr(command, "commands"):  # a group, such as `gantlet data`
        accepted |= options(command)
        inner = next((word for word in words[words.index(name) + 1 :] if not word.startswith("-")), None)
        if inner is not None and inner not in command.commands:
            return [inner]
        command = command.commands[inner] if inner else None
    accepted |= options(command) if command is not None else set()
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in accepted]


def options(command: Any) -> set[str]:
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


def test_commands_are_read_from_code_blocks_only() -> None:
    text = "gantlet none\n```bash\n$ gantlet run ring8 \\\n    a=1,2 --seeds 4  # quick\nother gantlet\n```\n"
    assert commands(text) == [["run", "ring8", "a=1,2", "--seeds", "4"]]
    assert commands("```\ngantlet show DIR [--format table|csv]\n```\n") == [
        ["show", "DIR", "--format", "table", "csv"]
    ]


def test_unknown_words_of_a_command_are_found() -> None:
    assert unknown_words(["fly", "ring8"]) == ["fly"]
    assert unknown_words(["run", "ring8", "--seeds", "3", "--wings"]) == ["--wings"]
    assert unknown_words(["data"]) == unknown_words(["data", "download", "mnist", "--urls", "x"]) == []
    assert unknown_words(["data", "fetch", "mnist"]) == ["fetch"]
    assert unknown_words(["data", "verify", "mnist", "--urls"]) == ["--urls"]


def test_readme_commands_exist() -> None:
    shown = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown, "The README shows no gantlet command."
    assert {" ".join(words): unknown for words in shown if (unknown := unknown_words(words))} == {}


# Import, version, pins


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_importing_gantlet_does_not_import_torch() -> None:
    done = run(
        "-c",
        "import sys, gantlet; print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])",
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_what_show_needs_does_not_import_torch() -> None:
    modules = [
        "cli.look",
        "cli.jobs",
        "reports.pooled",
        "reports.paired",
        "reports.remarks",
        "studies.fleet_states",
        "studies.views",
    ]
    names = ", ".join(f"gantlet.{name}" for name in modules)
    done = run("-c", f"import sys, {names}; print('torch' in sys.modules)")
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_the_version_has_one_source() -> None:
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    holders = [
        path
        for path in MODULES
        if re.search(r"^(__version__|VERSION)\s*=", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert holders == [SOURCE / "_version.py"]
    assert str(Version(gantlet.__version__)) == gantlet.__version__


def test_the_changelog_and_the_citation_name_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*\b{re.escape(gantlet.__version__)}\b", changelog, re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [gantlet.__version__]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
]


@pytest.mark.parametrize("text", [text for text in REQUIREMENTS if not text.startswith("gantlet[")])
def test_every_requirement_is_pinned_within_its_range(text: str) -> None:
    requirement = Requirement(text)
    assert Version(pins()[canonicalize_name(requirement.name)]) in requirement.specifier


def test_pins_are_public_releases_in_order() -> None:
    assert list(pins()) == sorted(pins())
    assert [version for version in pins().values() if Version(version).local] == []


# The settings of the tests themselves

LEAKS = """
import os, torch

def test_dtype():
    torch.set_default_dtype(torch.float64)

def test_dtype_is_put_back(cache, device, dtype):
    assert torch.get_default_dtype() == torch.float32 and dtype == torch.float64 and device.type == "cpu"
    assert os.environ["XDG_CACHE_HOME"] == str(cache) and not list(cache.iterdir())

def test_threads():
    torch.set_num_threads(torch.get_num_threads() + 1)
"""


def test_leaked_torch_state_fails_the_test_that_leaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # Folders of former sessions are not for this one to remove, nor what this process holds to be searched for garbage.
    left = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:unraisableexception", "--basetemp", "made"]
    pytest.main(["-q", *left, "--dtype", "float64", "--rootdir", "."])
    said = capfd.readouterr().out
    assert re.findall(r"^ERROR \S+::(\w+)", said, re.MULTILINE) == ["test_dtype", "test_threads"]
    assert "3 passed, 2 errors" in said


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
