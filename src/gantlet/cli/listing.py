"""``gantlet list``: all names on one screen; a family with one line each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gantlet.errors import UnknownName
from gantlet.names import FAMILIES

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["list_command"]


def list_command(
    family: Annotated[
        str, typer.Argument(help="tasks, methods, objectives, penalties, networks, data, metrics, … or keys.")
    ] = "",
    name: Annotated[str, typer.Argument(help="With `keys`: a task and a method, such as ring8:alpha.")] = "",
) -> None:
    """List all tasks, methods and other parts by name, or one FAMILY with a line about each."""
    from rich.console import Console

    from gantlet import catalogue

    plural = {catalogue.plural(entry): entry for entry in FAMILIES}
    console, chosen = Console(), plural.get(family, family)
    if family == "keys":
        _print_keys(console, name)
    elif not family:
        _print_names(console, plural)
    elif chosen in FAMILIES:
        _print_family(console, chosen)
    else:
        raise UnknownName("family", family, [*plural, "keys"])


def _print_names(console: Console, plural: dict[str, str]) -> None:
    from rich.table import Table

    from gantlet import catalogue

    table = Table(box=None, pad_edge=False, show_header=False)
    for title, entry in plural.items():
        table.add_row(f"[bold]{title}[/]", ", ".join(catalogue.names(entry)))
    console.print(table)
    console.print(
        "\n`gantlet list FAMILY` has a line about each name, `gantlet list keys TASK:METHOD` every setting.",
        soft_wrap=True,
    )


def _print_family(console: Console, family: str) -> None:
    from rich.table import Table

    from gantlet import catalogue

    table = Table(box=None, pad_edge=False)
    for title in ("name", "what", "paper or source"):
        table.add_column(title, overflow="fold", no_wrap=title == "name")
    for known in catalogue.names(family):
        table.add_row(known, *_words(catalogue.find(family, known)))
    console.print(table)


def _words(part: object) -> tuple[str, str]:
    summary, paper = getattr(part, "summary", None), getattr(part, "paper", None)
    if isinstance(summary, str) and isinstance(paper, str):
        return _plain(summary), _plain(paper)
    lines = (part.__doc__ or "").strip().splitlines()
    module = sys.modules[getattr(part, "__module__", type(part).__module__)].__doc__ or ""
    references = [line.strip(" |") for line in module.splitlines() if line.strip().startswith("|")]
    return _plain(lines[0] if lines else ""), _plain(references[0] if references else "")


def _plain(docstring: str) -> str:
    """A docstring's line without the marks of reStructuredText around names."""
    return docstring.replace("``", "")


def _print_keys(console: Console, name: str) -> None:
    from rich.table import Table

    from gantlet.requests.parts import keys_of

    task, _, method = name.partition(":")
    table = Table(box=None, pad_edge=False)
    for title in ("key", "default", "values", "what", "in a fleet"):
        table.add_column(title, overflow="fold", no_wrap=title == "key")
    for key, known in keys_of(task or "ring8", method or "vanilla").items():
        declared = known.setting
        table.add_row(
            key,
            str(declared.default),
            declared.range(),
            declared.help,
            "may differ" if declared.varies else "new fleet",
        )
    console.print(table)
