"""The page for users of earlier systems: every value in its tables is what the command above them resolves to."""

from __future__ import annotations

import re
import shlex

import pytest

import terminal
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
