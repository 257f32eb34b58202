"""The page for users of earlier systems: every value in its tables is what the command above them resolves to."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import shlex
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import terminal
from gantlet.metrics.lenet import ClassifierRecipe
from gantlet.settings import Scalar
from gantlet.studies.plan import plan_of
from gantlet.studies.store import Store
from gantlet.studies.views import read_runs
from test_project import ROOT

PAGE = (ROOT / "docs" / "from-earlier-systems.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))
KEY = re.compile(r"`([a-z_0-9]+)=([^`]*)`")


def resolved(command: str) -> dict[str, Scalar]:
    """What a ``gantlet run`` of one setting resolves to."""
    _, _, task, method, *rest = shlex.split(command)
    preset = rest[rest.index("--preset") + 1] if "--preset" in rest else ""
    (found,) = terminal.resolve(task, method, *[word for word in rest if "=" in word], preset=preset)
    return found.values


def commands(body: str) -> list[str]:
    (block,) = re.findall(r"```bash\n(.*?)```", body, re.DOTALL)
    return block.replace("\\\n", " ").strip().splitlines()


def rows(body: str) -> list[list[str]]:
    """The cells of all rows of all tables, heads apart."""
    lines = [line.strip().removeprefix("|").removesuffix("|") for line in body.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def differing(cell: str, values: dict[str, Scalar]) -> dict[str, tuple[str, Scalar | None]]:
    """The keys of a cell that resolve to something else: what the page says, and what came."""
    said = dict(KEY.findall(cell))
    return {key: (value, values.get(key)) for key, value in said.items() if not same(value, values.get(key))}


def same(text: str, value: Scalar | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text == str(value).lower()
    return float(text) == value


WITH_COMMAND = [title for title, body in SECTIONS.items() if "```bash" in body]


SOURCE = tomllib.loads((ROOT / "scripts" / "earlier-systems.toml").read_text(encoding="utf-8"))
ROWS = [(block.get("section", ""), row) for block in SOURCE["block"] for row in block.get("rows", [])]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("earlier_page", str(ROOT / "scripts" / "earlier-page"))
    spec = importlib.util.spec_from_loader("earlier_page", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_page_is_that_of_its_table_and_at_least_95_of_100_rows_work(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--check"]) == 0, capsys.readouterr().out
    kinds = [script.kind_of(row) for _, row in ROWS]
    working = len(kinds) - kinds.count("reason")
    assert len(kinds) >= 90
    assert working >= 0.95 * len(kinds)
    assert f"Of the {len(kinds)} rows below {working} work" in PAGE
    with pytest.raises(ValueError, match="expected one of"):
        script.kind_of({"cells": ["nothing", "", "—", ""]})


def named(test: str) -> str:
    """The source of a test, and of everything of its file that it names: fixtures, cases, helpers.

    Raises:
        KeyError: The file has no such test.
    """
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    parts: dict[str, ast.stmt] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            parts[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            parts |= {each.id: statement for each in targets if isinstance(each, ast.Name)}
    if not (name.startswith("test_") and isinstance(parts[name], ast.FunctionDef)):
        raise KeyError(name)
    wanted, seen = [name], set[str]()
    while wanted:
        seen.add(wanted[-1])
        used = {
            each.arg if isinstance(each, ast.arg) else getattr(each, "id", "") for each in ast.walk(parts[wanted.pop()])
        }
        wanted += sorted(used & set(parts) - seen)
    lines = text.splitlines()
    return "\n".join("\n".join(lines[_first(parts[each]) - 1 : parts[each].end_lineno]) for each in sorted(seen))


def _first(statement: ast.stmt) -> int:
    return min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])


def says(test: str, key: str) -> bool:
    """Whether a test, or what it is made of, names a key."""
    return re.search(rf"(?<![a-z_]){key}(?![a-z_])", named(test)) is not None


def test_what_a_key_does_is_held_by_a_test_that_there_is_and_that_names_it(script: ModuleType) -> None:
    """A row of keys is resolved and trained here; [effects] names the test of what each key changes."""
    effects: dict[str, str] = SOURCE["effects"]
    used = {
        key
        for _, row in ROWS
        if script.kind_of(row) == "keys"
        for cell in row["cells"][:3]
        for key, value in KEY.findall(cell)
        if value
    }
    assert used <= set(effects)
    assert [key for key in effects if f"{key}=" not in PAGE] == []
    assert [key for key, test in effects.items() if not says(test, key)] == []


def test_a_test_that_is_not_there_or_is_of_something_else_is_found() -> None:
    here = "tests/networks/test_mlp.py"
    assert says(f"{here}::test_depths_count_hidden_layers", "d_depth")
    assert not says(f"{here}::test_depths_count_hidden_layers", "bn_eps")
    for missing in ("test_depths", "widths", "MLP"):
        with pytest.raises(KeyError):
            named(f"{here}::{missing}")
    with pytest.raises(FileNotFoundError):
        named("tests/networks/test_nothing.py::test_depths")


@pytest.mark.slow
def test_the_tests_of_effects_are_collected() -> None:
    """By pytest itself, so that none is switched off by a mark or a name."""
    tests = set(SOURCE["effects"].values())
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *sorted(tests)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert tests == {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}


def frames(*records: bytes) -> bytes:
    """TFRecord frames of these records, with their checksums."""

    def crc(data: bytes) -> int:
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = (value >> 1) ^ (0x82F63B78 & -(value & 1))
        value ^= 0xFFFFFFFF
        return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF

    parts: list[bytes] = []
    for record in records:
        head = struct.pack("<Q", len(record))
        parts += [head, struct.pack("<I", crc(head)), record, struct.pack("<I", crc(record))]
    return b"".join(parts)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes of a protobuf message, below 16,384 of them."""
    size = bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7])
    return bytes([number << 3 | 2]) + size + content


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A finished study of a team with weights of every evaluation, and a folder as convert.py wrote them."""
    folder = tmp_path_factory.mktemp("earlier")
    small = ("d_hidden=8", "batch_size=32", "steps=6", "evaluations=2", "train_size=64", "test_size=64", "samples=50")
    asked = ("run", "mixture8", "vanilla", "generators=2", "checkpoints=all", *small, "--executor", "inline", "--quiet")
    assert terminal.gantlet(*asked, "--out", folder / "study").status == 0
    (folder / "tfrecord").mkdir()
    image = field(1, field(1, field(1, b"image") + field(2, field(1, field(1, bytes(16 * 16 * 3))))))
    (folder / "tfrecord" / "celebA_0.tfrecord").write_bytes(frames(*[image] * 3))
    return {"STUDY": str(folder / "study"), "TFRECORD": str(folder / "tfrecord")}


RUNS = [(row["run"], row.get("status", 0)) for _, row in ROWS if "run" in row]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "status"), sorted(set(RUNS)))
def test_the_command_of_a_row_runs(command: str, status: int, places: dict[str, str], tmp_path: Path) -> None:
    """Dry runs are resolved only: what they would measure is tested elsewhere."""
    name, verb, *words = shlex.split(command)
    assert name == "gantlet"
    if "--dry-run" in words:
        task, methods, *rest = words
        settings = [word for word in rest if re.match(r"[a-z_0-9]+=", word)]
        seeds = rest[rest.index("--seeds") + 1] if "--seeds" in rest else "1"
        asked = terminal.request(task, methods, *settings, seeds=seeds)
        assert asked.seeds
        assert terminal.resolve(task, methods, *settings)
        return
    known = {**places, "OUT": str(tmp_path / "out")}
    changed = [re.sub("|".join(known), lambda match: known[match[0]], word) for word in words]
    done = terminal.gantlet(verb, *changed)
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    if "OUT" in command:
        assert any(tmp_path.iterdir())


# The programs themselves, on little

LITTLE = {
    **dict.fromkeys(("width", "g_width", "d_width"), "2"),
    **dict.fromkeys(("hidden", "g_hidden", "d_hidden"), "4"),
    "batch_size": "4",
    "steps": "2",
    "evaluations": "1",
    "samples": "16",
    "train_size": "40",
    "test_size": "16",
}
"""What of a program is made small; all its other values are the page's."""

PROGRAMS = [
    command
    for title in WITH_COMMAND
    for command in commands(SECTIONS[title])
    if command.startswith("gantlet run") and "slurm" not in command
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tasks of images, each with the folder that stands for its data."""
    folder, numbers = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    (folder / "idx").mkdir()
    for part, count in (("train", 40), ("t10k", 16)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            values = numbers.integers(0, 256 if len(shape) > 1 else 10, shape, dtype=np.uint8)
            head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
            (folder / "idx" / f"{part}-{kind}-ubyte").write_bytes(head + values.tobytes())
    (folder / "faces").mkdir()
    for place in range(60):
        face = Image.fromarray(numbers.integers(0, 256, (218, 178, 3), dtype=np.uint8))
        face.save(folder / "faces" / f"{place:02d}.png")
    digits, colours = ("mnist", "fashion-mnist", "stacked-mnist"), ("cifar10", "celeba64")
    return {name: str(folder / ("idx" if name in digits else "faces")) for name in (*digits, *colours)}


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize("command", PROGRAMS)
def test_a_program_trains(command: str, data: dict[str, str], tmp_path: Path) -> None:
    """The command as it stands on the page, on little data and with narrow networks; the study has the page's values."""
    _, _, task, *words = shlex.split(command)
    known, kind = resolved(command), task.partition(":")[0]
    apart = {*LITTLE, "epochs", "data_path"}
    kept = [word for word in words if word.partition("=")[0] not in apart]
    asked = [f"{key}={value}" for key, value in LITTLE.items() if key in known]
    place = f"{kind}:{data[kind]}" if kind in data else kind
    seeds = () if "--seeds" in words else ("--seeds", "1")
    where = ("--executor", "inline", "--quiet", "--out", tmp_path / "study")
    done = terminal.gantlet("run", place, *kept, *asked, *seeds, *where)
    assert done.status == 0, done.err
    store = Store(tmp_path / "study")
    assert set(read_runs(store)["status"]) == {"finished"}
    assert set(read_runs(store)["generator_steps"]) == {2}
    (trained,) = plan_of(store.record()).settings
    differs = {key for key, value in trained.values.items() if known.get(key) != value}
    assert differs <= apart


@pytest.mark.parametrize("options", [row["recipe"] for _, row in ROWS if "recipe" in row], ids=str)
def test_the_options_of_the_classifier_are_those_of_its_recipe(options: dict[str, Any]) -> None:
    recipe = ClassifierRecipe(**options)
    assert all(getattr(recipe, name) == value for name, value in options.items())


def test_every_program_has_its_section() -> None:
    assert len(WITH_COMMAND) == 11


@pytest.mark.parametrize("title", WITH_COMMAND)
def test_the_third_column_is_what_the_first_command_resolves_to(title: str) -> None:
    first, checked = commands(SECTIONS[title])[0], 0
    for row in rows(SECTIONS[title]):
        if row[1].startswith("`") and "--preset" in row[1]:
            continue  # the table of models, below
        assert differing(row[2], resolved(first)) == {}, row
        checked += len(KEY.findall(row[2]))
    assert checked


def test_every_model_of_the_comparison_is_its_own_command() -> None:
    body = SECTIONS["The TensorFlow comparison"]
    models = [row for row in rows(body) if "--preset" in row[1]]
    assert len(models) == len(commands(body)) == 8
    for row, command in zip(models, commands(body), strict=True):
        assert row[1] == f"`{shlex.split(command)[3]} --preset seed`"
        assert differing(row[2], resolved(command)) == {}, row
