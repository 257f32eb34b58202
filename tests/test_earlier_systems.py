"""The page for users of earlier systems: every value in its tables is what the command above them resolves to."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import shlex
import struct
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import terminal
from gantlet.metrics.lenet import ClassifierRecipe
from gantlet.settings import Scalar
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


def test_what_a_key_does_is_held_by_a_test_that_knows_it(script: ModuleType) -> None:
    """A row of keys is only resolved here; [effects] names the test of what each key changes."""
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
    for key, path in effects.items():
        short = re.sub(r"^(penalty|team|which|lr)_|_[gd]$", "", key)
        assert re.search(rf"(?<![a-z]){short}", (ROOT / path).read_text(encoding="utf-8")), (key, path)


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
