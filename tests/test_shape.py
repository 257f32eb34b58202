"""scripts/shape on small trees: each limit is met, then passed by one; every figure is counted by hand."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "shape"
EIGHT = "a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int"
DOC = '"""Documented."""\n'
PLACES = (
    "data networks objectives penalties training metrics methods tasks statistics requests figures studies exports "
    "reports api cli"
)
ENOUGH = "x = 1\n" * 999
MOST = {
    name: int(limit)
    for name, limit in re.findall(r'^    "([a-z ]+)": (\d+),$', SCRIPT.read_text("utf-8"), re.MULTILINE)
}
"""What is counted across files -> how much of it is let be today."""

Shape = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """The script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        patch.setattr(sys, "dont_write_bytecode", True)
        loader = importlib.machinery.SourceFileLoader("shape_script", str(SCRIPT))
        spec = importlib.util.spec_from_loader("shape_script", loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "shape_script", module)
        loader.exec_module(module)
        yield module


@pytest.fixture
def shape(tmp_path: Path, script: ModuleType) -> Shape:
    """Writes a package (path -> text) and its tests, and runs the script's ``main`` on them."""

    def run(files: dict[str, str], *options: str, tests: str = ENOUGH) -> subprocess.CompletedProcess[str]:
        packages = {f"src/gantlet/{place}/__init__.py": DOC for place in PLACES.split()}
        sources = {f"src/gantlet/{name}": text for name, text in files.items()}
        for name, text in {**packages, **sources, "tests/test_x.py": tests}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = script.main([str(tmp_path), *options])
        return subprocess.CompletedProcess([], status, out.getvalue(), err.getvalue())

    return run


@pytest.mark.parametrize("text", [DOC, "x = 1\n"])
def test_the_script_is_its_main(shape: Shape, tmp_path: Path, text: str) -> None:
    here = shape({"errors.py": text}, "--check")
    command = [sys.executable, "-X", "utf8", str(SCRIPT), str(tmp_path), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def complaints(done: subprocess.CompletedProcess[str], kind: str = "error") -> list[str]:
    assert "Traceback" not in done.stderr
    lines = [line.partition(": ") for line in done.stderr.splitlines()]
    return [text.removeprefix("src/gantlet/") for label, _, text in lines if label == kind]


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The rows that were printed: name -> figure."""
    return {name: figure.strip() for name, figure in (line.split("  ", 1) for line in done.stdout.splitlines())}


def function(lines: int) -> str:
    """A documented function of so many lines."""
    return "def f() -> None:\n    " + DOC + "    pass\n" * (lines - 2)


# Each row: what is within the limit, what passes it, and the complaint about the latter.
LIMITS = {
    "file": (
        DOC + "x = 1\n" * 399,
        DOC + "x = 1\n" * 400,
        "1: file of 401 lines, more than 400",
    ),
    "function": (DOC + function(80), DOC + function(81), "2: f has 81 lines, more than 80"),
    "nested function": (
        DOC + "def f() -> None:\n    " + DOC + "    def g() -> None:\n" + "        pass\n" * 77,
        DOC + "class _C:\n    def f(self) -> None:\n" + "        pass\n" * 80,
        "3: f has 81 lines, more than 80",
    ),
    "arguments": (
        DOC + "def _f(a: int, b: int, /, c: int, d: int, *e: int, f: int, g: int, **h: int) -> None: ...\n",
        DOC + f"def _f({EIGHT}, **i: int) -> None: ...\n",
        "2: _f takes 9 arguments, more than 8",
    ),
    "self": (
        DOC + f"class _C:\n    def f(self, {EIGHT}) -> None: ...\n",
        DOC + f"class _C:\n    @staticmethod\n    def f(i: int, {EIGHT}) -> None: ...\n",
        "4: f takes 9 arguments, more than 8",
    ),
    "leave": (
        DOC + "def _f(  # noqa: PLR0913\n" + "".join(f"    a{i}: int,\n" for i in range(9)) + ") -> None: ...\n",
        DOC + "def _f(\n" + "".join(f"    a{i}: int,  # noqa: PLR0913\n" for i in range(9)) + ") -> None: ...\n",
        "2: _f takes 9 arguments, more than 8",
    ),
    "argument type": (
        DOC + "class _C:\n    @classmethod\n    def f(cls, a: int, *b: int) -> None: ...\n",
        DOC + "class _C:\n    def f(self, a, *b, c=0, **d) -> None: ...\n",
        "3: f is untyped in a, c, b, d",
    ),
    "return type": (
        DOC + "class _C:\n    def __init__(self) -> None: ...\n",
        DOC + "class _C:\n    def __init__(self): ...\n",
        "3: __init__ is untyped in return",
    ),
    "nested type": (
        DOC + "_f = lambda a: a\n",
        DOC + "def _f() -> None:\n    def g(a) -> None: ...\n",
        "3: g is untyped in a",
    ),
    "module docstring": (DOC + "x = 1\n", "x = 1\n" + DOC, "1: module without docstring"),
    "function docstring": (
        DOC + "def _f() -> None:\n    def g() -> None: ...\n",
        DOC + "async def f() -> None:\n    pass\n",
        "2: f without docstring",
    ),
    "class docstring": (DOC + "class C:\n    " + DOC, DOC + "class C: ...\n", "2: C without docstring"),
    "exported docstring": (
        DOC + '__all__ = ["C"]\nclass _C: ...\n',
        DOC + '__all__ = ["_C"]\nclass _C: ...\n',
        "3: _C without docstring",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_may_be_met_and_not_passed(shape: Shape, name: str) -> None:
    within, beyond, complaint = LIMITS[name]
    done = shape({"errors.py": within}, "--check")
    assert (done.returncode, complaints(done)) == (0, [])
    done = shape({"errors.py": beyond}, "--check")
    assert (done.returncode, complaints(done)) == (1, [f"errors.py:{complaint}"])


ALLOWED = {
    "data/x.py": "import gantlet.errors\nfrom ..settings import setting\nfrom .base import Source",
    "networks/x.py": "from gantlet.objectives.base import DiscriminatorOutput",
    "penalties/x.py": "from ..objectives import base",
    "catalogue.py": "from .errors import BadValue",
    "training/x.py": "import gantlet.data.base as base, numpy",
    "reports/x.py": "from gantlet import studies",
    "requests/x.py": "from gantlet.tasks.base import Task\nfrom gantlet import statistics",
    "figures/x.py": "from ..requests import grid",
    "studies/x.py": "from ..figures import draw\nfrom gantlet.cpu import threads_set",
    "api/x.py": "from ..reports import page\nfrom ..exports import onnx",
    "cli/x.py": "from gantlet._version import VERSION\nfrom ..api import run",
    "metrics/x.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..training import stack",
    "objectives/x.py": "import typing\nif typing.TYPE_CHECKING:\n    from gantlet.penalties import base",
    "__init__.py": "def run() -> None:\n    " + DOC + "    from .studies import run",
    "__main__.py": "from gantlet.cli import main",
}

STUBS = {f"{name}.py": DOC + "x = 1\n" for name in ("errors", "settings", "files", "cpu", "_version")}

REFUSED = {
    ("data/x.py", "from gantlet.networks import mlp"): "2: data imports networks, against the import order",
    (
        "objectives/x.py",
        "from ..penalties.base import Draw",
    ): "2: objectives imports penalties, against the import order",
    ("errors.py", "from .settings import setting"): "2: errors imports settings, against the import order",
    ("metrics/x.py", "from .. import methods"): "2: metrics imports methods, against the import order",
    ("metrics/__init__.py", "from ..tasks import x"): "2: metrics imports tasks, against the import order",
    (
        "statistics/x.py",
        "import gantlet.studies.store",
    ): "2: statistics imports studies, against the import order",
    ("methods/x.py", "from gantlet import tasks"): "2: methods imports tasks, against the import order",
    ("requests/x.py", "from ..figures import draw"): "2: requests imports figures, against the import order",
    ("figures/x.py", "from ..studies import store"): "2: figures imports studies, against the import order",
    ("studies/x.py", "import gantlet.api"): "2: studies imports api, against the import order",
    ("exports/x.py", "from gantlet import reports"): "2: exports imports reports, against the import order",
    ("cpu.py", "from . import files"): "2: cpu imports files, against the import order",
    (
        "data/x.py",
        "def _f() -> None:\n    import gantlet.cli",
    ): "3: data imports cli, against the import order",
    (
        "data/x.py",
        "if TYPE_CHECKING:\n    from ..training import x",
    ): "3: data imports training, against the import order",
    ("data/x.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from ..networks import x"): (
        "5: data imports networks, against the import order"
    ),
    (
        "extra.py",
        "from .errors import BadData",
    ): "2: 'extra' has no place in the import order (ORDER in scripts/shape_graph.py)",
}


def test_imports_along_the_architecture_are_allowed(shape: Shape) -> None:
    files = {name: DOC + text for name, text in ALLOWED.items()}
    assert complaints(shape(STUBS | files, "--check")) == []


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_imports_against_the_architecture_are_refused(shape: Shape, name: str, text: str) -> None:
    done = shape(STUBS | {name: DOC + text}, "--check")
    assert (done.returncode, complaints(done)) == (1, [f"{name}:{REFUSED[name, text]}"])


def test_every_offender_is_named_and_only_under_check(shape: Shape) -> None:
    files = {"errors.py": "def f(a): ...\n", "data/x.py": DOC + "import gantlet.cli\n"}
    plain, checked = shape(files), shape(files, "--check")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert plain.stdout == checked.stdout
    assert sorted(complaints(checked)) == [
        "data/x.py:2: data imports cli, against the import order",
        "errors.py:1: f is untyped in a, return",
        "errors.py:1: f without docstring",
        "errors.py:1: module without docstring",
    ]


def test_figures_are_those_counted_by_hand(shape: Shape) -> None:
    typed = "def f(a: int, *, b: int) -> int:\n    " + DOC + "    return a\n"  # 3 lines, 3 slots
    # Two of these three slots are bare.
    bare = "\n\nclass C:\n    def g(self, a):\n        return a\n\n    def _h(self) -> None: ...\n"
    files = {
        "errors.py": DOC + typed,  # 4 lines, 2 of code
        "settings.py": DOC + "# why\n" + bare,  # 9 lines, 4 of code
        "catalogue.py": DOC + 'x = """a\n\nb"""\n',  # 4 lines, 3 of code
    }
    assert figures(shape(files, tests=f"{DOC}\n# why\nx = 1\ny = 2\n...\n")) == {
        "lines": "17",
        "files": "3",
        "file, median": "4 lines (limit 120)",
        "file, 90th percentile": "9 lines",
        "file, longest": "9 lines, settings.py (limit 400)",
        "functions": "3",
        "function, median": "2 lines (limit 8)",
        "function, longest": "3 lines, f (limit 80)",
        "arguments, most": "2, f (limit 8)",
        "typed": "66 % (4 of 6) of arguments and returns",
        "documented": "50 % (1 of 2) of public names",
        "documented methods": "0 % (0 of 1) of public methods",
        "tests ÷ code": "0.33 (least 0.8)",
        **{name: f"0 (limit {limit})" for name, limit in MOST.items()},
    }


# What is counted across files. Each row: the files of one offence, numbered, and what is said of it.
COUNTED: dict[str, tuple[dict[str, str], str]] = {
    "imports upward": (
        {"data/x{n}.py": "import gantlet.cli\n"},
        "data/x{n}.py:2: data imports cli, against the import order",
    ),
    "imports of the face": (
        {"studies/x{n}.py": "from gantlet import __version__\n"},
        "studies/x{n}.py:2: imports the face of gantlet; import the module that has the name",
    ),
    "circles of imports": (
        {
            "data/a{n}.py": "from .b{n} import B\n",
            "data/b{n}.py": "if TYPE_CHECKING:\n    from gantlet.data import c{n}\n",
            "data/c{n}.py": "def _f() -> None:\n    from . import a{n}\n",
        },
        "data/a{n}.py:1: modules import each other: data/a{n}.py ↔ data/b{n}.py ↔ data/c{n}.py",
    ),
    "names defined twice": (
        {
            "data/x{n}.py": f"class F{{n}}:\n    {DOC}",
            "metrics/x{n}.py": f"def F{{n}}() -> None:\n    {DOC}",
        },
        "metrics/x{n}.py:2: F{n} is defined in data/x{n}.py, too",
    ),
    "settings by string": (
        {"requests/x{n}.py": 'def _f(values: dict[str, int]) -> int:\n    return values["width"]\n'},
        "requests/x{n}.py:3: values['width'] looks a setting up by a string",
    ),
}
WIDTH = {"networks/mlp.py": DOC + "class _MLP:\n    width: int = setting(8)\n"}


def offences(name: str, count: int) -> tuple[dict[str, str], list[str]]:
    """So many offences of a kind: the files, and the complaints about them."""
    files, complaint = COUNTED[name]
    numbers = [f"{number:03d}" for number in range(count)]
    written = {path.format(n=n): DOC + text.format(n=n) for n in numbers for path, text in files.items()}
    return WIDTH | written, [complaint.format(n=n) for n in numbers]


def test_every_limit_across_files_is_tested() -> None:
    assert list(COUNTED) == list(MOST)


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_counted_may_meet_its_limit_and_not_pass_it(shape: Shape, name: str) -> None:
    within, beyond = offences(name, MOST[name]), offences(name, MOST[name] + 1)
    done = shape(within[0], "--check")
    assert (done.returncode, complaints(done)) == (0, [])
    assert figures(done)[name] == f"{MOST[name]} (limit {MOST[name]})"
    done = shape(beyond[0], "--check")
    assert (done.returncode, complaints(done)) == (1, beyond[1])


INNOCENT = {
    "data/a.py": "from .b import B\nimport gantlet.data.base\n",  # a chain is no circle
    "data/b.py": "from .base import C\n",
    "data/base.py": f"class C:\n    {DOC}class _D: ...\ndef _f(values: dict[str, int]) -> int:\n    return values['width']\n",
    "metrics/a.py": "class _D: ...\n\n\nclass _E:\n    class C: ...\n",
    "requests/a.py": "import os\n\n\ndef _f(values: dict[str, int]) -> int:\n    return values['height'] + values.get('x')\n",
    "cli/a.py": "import gantlet.data.base\n",
}


def test_chains_private_names_and_other_strings_are_not_counted(shape: Shape) -> None:
    done = shape(WIDTH | {name: DOC + text for name, text in INNOCENT.items()}, "--check")
    assert (done.returncode, complaints(done)) == (0, [])
    assert {name: figures(done)[name].split()[0] for name in MOST} == dict.fromkeys(MOST, "0")


@pytest.mark.parametrize(
    ("text", "found"),
    [("values['width']", 1), ("a.b.values.get('width', 0)", 1), ("values.pop('width')", 1), ("width", 0)],
)
def test_each_way_of_looking_a_setting_up_is_found(shape: Shape, text: str, found: int) -> None:
    done = shape(WIDTH | {"studies/x.py": f"{DOC}y = {text}\n"})
    assert figures(done)["settings by string"].split()[0] == str(found)


@pytest.mark.parametrize(
    ("text", "tests", "warning"),
    [
        pytest.param(
            "x = 1\n" * 10,
            "x = 1\n" * 7,
            "tests: 0.70 lines for each line of code, fewer than 0.8",
            id="tests",
        ),
        pytest.param("x = 1\n" * 120, ENOUGH, "files: median of 121 lines, more than 120", id="files"),
        pytest.param(function(9), ENOUGH, "functions: median of 9 lines, more than 8", id="functions"),
    ],
)
def test_warnings_fail_only_under_strict(shape: Shape, text: str, tests: str, warning: str) -> None:
    done = shape({"errors.py": DOC + text}, "--check", tests=tests)
    assert (done.returncode, complaints(done), complaints(done, "warning")) == (0, [], [warning])
    assert shape({"errors.py": DOC + text}, "--strict", tests=tests).returncode == 1


def test_a_tree_at_every_limit_passes_strict(shape: Shape) -> None:
    files = {"errors.py": DOC + function(8) + "x = 1\n" * 111}
    done = shape(files, "--check", "--strict", tests="x = 1\n" * 95)  # 118 lines of code: 95 / 118 = 0.805
    assert (done.returncode, done.stderr) == (0, "")
