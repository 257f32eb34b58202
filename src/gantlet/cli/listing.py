"""``gantlet list``: what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from gantlet.errors import UnknownName

__all__ = ["list_command"]


def list_command(
    family: Annotated[
        str, typer.Argument(help="tasks, methods, objectives, penalties, networks, data, metrics or keys.")
    ] = "",
    name: Annotated[str, typer.Argument(help="With `keys`: a task and a method, such as ring8:alpha.")] = "",
) -> None:
    """List tasks, methods, objectives, networks, data and metrics, with paper and one line each."""
    from rich.console import Console
    from rich.table import Table

    from gantlet import catalogue

    plural = {catalogue.plural(entry): entry for entry in catalogue.FAMILIES}
    console = Console()
    if family == "keys":
        _print_keys(console, name)
        return
    chosen = plural.get(family, family)
    if family and chosen not in catalogue.FAMILIES:
        raise UnknownName("family", family, [*plural, "keys"])
    for title, entry in plural.items():
        if family and entry != chosen:
            continue
        table = Table("name", "what", "paper or source", title=title, title_justify="left", box=None, pad_edge=False)
        for known in catalogue.names(entry):
            what, paper = _words(catalogue.find(entry, known))
            table.add_row(known, what, paper)
        console.print(table)
        console.print()


def _words(found: object) -> tuple[str, str]:
    summary, paper = getattr(found, "summary", None), getattr(found, "paper", None)
    if isinstance(summary, str) and isinstance(paper, str):
        return summary, paper
    lines = (found.__doc__ or "").strip().splitlines()
    import sys

    module = sys.modules[getattr(found, "__module__", type(found).__module__)].__doc__ or ""
    references = [line.strip(" |") for line in module.splitlines() if line.strip().startswith("|")]
    return (lines[0] if lines else ""), (references[0] if references else "")


def _print_keys(console: object, name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from gantlet.requests.resolve import keys_of

    assert isinstance(console, Console)
    task, _, method = name.partition(":")
    table = Table("key", "default", "range", "what", "in a fleet", box=None, pad_edge=False)
    for key, known in keys_of(task or "ring8", method or "vanilla").items():
        declared = known.setting
        varies = "varies" if declared.varies else "cuts"
        table.add_row(key, str(declared.default), declared.range(), declared.help, varies)
    console.print(table)
