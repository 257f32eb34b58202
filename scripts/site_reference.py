"""The reference: every command with its options, every public object by its docstring, and the schemas of the two files."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["command_pages", "plain_markup", "python_pages", "schemas"]

ROOMS = {
    "api": "What `import gantlet` offers",
    "objectives": "Objectives",
    "penalties": "Penalties and constraints",
    "methods": "Methods",
    "networks": "Networks",
    "data": "Data",
    "tasks": "Tasks",
    "metrics": "Metrics",
    "statistics": "Statistics",
    "training": "Training",
    "requests": "Requests",
    "figures": "Figures",
    "studies": "Studies",
    "exports": "Exports",
    "reports": "Reports",
    "conformance": "Conformance",
}


def command_pages() -> Iterator[tuple[str, str]]:
    """One page for each command, from the command line's own declarations."""
    from typer.main import get_command

    from gantlet.cli.app import app

    commands: dict[str, Any] = dict(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    for name, command in commands.items():
        if command.hidden:
            continue
        inner: dict[str, Any] = getattr(command, "commands", None) or {}
        parts = [f"# gantlet {name}\n", _command(f"gantlet {name}", command)]
        parts += [
            f"## gantlet {name} {sub}\n\n{_command(f'gantlet {name} {sub}', each)}" for sub, each in inner.items()
        ]
        yield f"reference/cli/{name}.md", "\n".join(parts)


def _command(name: str, command: Any) -> str:
    import inspect

    said = inspect.cleandoc(command.help or "")
    said = re.sub(r"(?m)^(Examples?): (.+)$", lambda match: f"{match[1]}:\n\n```text\n{_commands(match[2])}\n```", said)
    rows: list[str] = []
    usage = [name]
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        option = parameter.param_type_name == "option"
        called = str(parameter.metavar or parameter.name.upper())
        words = ", ".join(f"`{word}`" for word in parameter.opts) if option else f"`{called}`"
        default = parameter.default
        shown = "" if default in (None, "", False) or callable(default) else f"`{default}`"
        rows.append(f"| {words} | {_cell(getattr(parameter, 'help', '') or '')} | {shown} |")
        if not option:
            usage.append(called if parameter.required or called.startswith("[") else f"[{called}]")
    table = "\n".join(["| argument or option | what | default |", "| --- | --- | --- |", *rows]) if rows else ""
    line = " ".join([*usage, "[OPTIONS]"] if rows else usage)
    return f"```text\n{line}\n```\n\n{said}\n\n{table}\n"


def _commands(text: str) -> str:
    return "\n".join(part.strip() for part in re.split(r",? (?=gantlet )", text))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def python_pages(root: Path) -> Iterator[tuple[str, str]]:
    """One page for each room of the package: its modules by their docstrings."""
    package = root / "src" / "gantlet"
    for room, title in ROOMS.items():
        modules = [path for path in sorted((package / room).rglob("*.py")) if _public(path)]
        if not modules:
            continue
        names = [".".join(("gantlet", *path.relative_to(package).with_suffix("").parts)) for path in modules]
        blocks = [f"::: {name.removesuffix('.__init__')}" for name in names]
        yield f"reference/python/{room}.md", f"# {title}\n\n" + "\n\n".join(blocks) + "\n"
    yield "reference/python/errors.md", "# Errors\n\n::: gantlet.errors\n\n::: gantlet.settings\n"


def _public(path: Path) -> bool:
    """Whether a module defines a public name of its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    return any(not name.startswith("_") for name in defined)


def plain_markup(source: str) -> str:
    """A module whose docstrings' reStructuredText has become Markdown: formulas as code, roles as the names they mean.

    Example:
        >>> plain_markup('def f():\\n    "See :class:`~gantlet.a.B` and :math:`x^2`."')
        'def f():\\n    "See `B` and `x^2`."'
    """
    lines = source.split("\n")
    texts = [
        (node.lineno - 1, node.end_lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    for first, end in sorted(texts, reverse=True):
        lines[first:end] = _formulas(_roles("\n".join(lines[first:end]))).split("\n")
    return "\n".join(lines)


def _roles(text: str) -> str:
    text = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", text)  # the name that makes it a section
    text = re.sub(r"(:class:`[^`]+`) s\b", r"\1s", text)
    text = re.sub(r":\w+:`([^`<]+?) ?<[^`]+>`", r"`\1`", text)
    text = re.sub(r":(?:class|func|meth|mod|attr|data|exc|obj):`~(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r":(?:class|func|meth|mod|attr|data|exc|obj|math):`([^`]+)`", r"`\1`", text)


def _formulas(text: str) -> str:
    """Displayed formulas as blocks of code, and lines that begin with a bar as a list."""
    lines, out = text.split("\n"), list[str]()
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if line.strip() != ".. math::":
            out.append(re.sub(r"^(\s*)\| (?=\S)", r"\1- ", line))
            continue
        margin = line[: len(line) - len(line.lstrip())]
        out.append(f"{margin}```text")
        while place < len(lines) and (not lines[place].strip() or lines[place].startswith(f"{margin}   ")):
            if lines[place].strip():
                out.append(margin + lines[place].strip())
            place += 1
        out += [f"{margin}```", ""]
    return "\n".join(out)


def schemas(docs: Path) -> Iterator[tuple[str, str]]:
    """The JSON schemas of ``study.toml`` and ``study.json``, as files and as a page."""
    from gantlet.api.schema import SCHEMAS, schema

    folder = docs / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        "# Schemas\n\nEditors complete and check these files by their schema. `gantlet schema > study.toml.schema.json` writes it; in "
        "`study.toml` put as the first line\n\n```toml\n#:schema ./study.toml.schema.json\n```\n\nwith the file beside it.\n"
    ]
    for name in SCHEMAS:
        found = schema(name)
        (folder / f"{name}.schema.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        rows = [
            f"| `{key}` | {_kind(value)} | {_cell(str(value.get('description', '')))} |"
            for key, value in found["properties"].items()
        ]
        parts.append(f"## {name}\n\n[{name}.schema.json](schema/{name}.schema.json)\n")
        parts.append("\n".join(["| key | holds | what |", "| --- | --- | --- |", *rows]) + "\n")
    yield "reference/schemas.md", "\n".join(parts)


def _kind(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(each) for each in value["anyOf"]))
    if "enum" in value:
        return "string"
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    return str(value.get("type", "any value"))
