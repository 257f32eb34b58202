"""Slips of the command line: words in another order or with blanks in between, told what was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from gantlet import catalogue
from gantlet.errors import BadGrid
from gantlet.requests.options import Options

__all__ = ["check_order"]


def check_order(task: str, methods: str, grid: Sequence[str]) -> None:
    """See that the words of ``gantlet run`` are a task, methods in one word, and settings in one word each.

    Raises:
        BadGrid: They are not, as far as that can be told from the words alone.

    Example:
        >>> check_order("ring8", "vanilla", ["steps", "20"])
        Traceback (most recent call last):
        gantlet.errors.BadGrid: A setting is one word: write steps=20.
    """
    tasks, known = catalogue.names("task"), catalogue.names("method")
    named = methods.split(",")
    if task in known and named[0] in tasks:
        raise BadGrid(f"The task comes first: gantlet run {methods} {task}.")
    if named[0] in tasks and named[0] not in known:
        after = next((word for word in grid if word in known), "METHOD")
        raise BadGrid(
            f"'{named[0]}' is a task, and a study has one: gantlet run {task} {after}, or gantlet run {named[0]} {after}."
        )
    for place, word in enumerate(grid):
        if word in known:
            raise BadGrid(f"Several methods are one word, with commas: gantlet run {task} {methods},{word}.")
        _check_setting(word, grid[place + 1 : place + 3])


def _options() -> set[str]:
    """Options of ``gantlet run``; ``width`` is a setting of many networks, too."""
    return {"seeds", "preset", *(field.name for field in fields(Options))} - {"width", "command"}


def _check_setting(word: str, after: Sequence[str]) -> None:
    """See that a word is a setting, if it is one of which the rest stands in the next words or behind a colon."""
    key, cut, value = word.partition("=") if "=" in word else word.partition(":")
    if not key.isidentifier():
        return
    if cut == "=" and key in _options():
        raise BadGrid(f"'{key}' is an option, no setting: write --{key}{' ' if value else ''}{value}.")
    if cut == "=" and value:
        return
    if cut == ":":
        raise BadGrid(f"'{word}' has no =. Write {key}={value}.")
    apart = bool(cut) or after[:1] == ["="]
    rest = "".join(after[: 2 if after[:1] == ["="] else 1])
    if rest and (apart or rest.startswith("=") or "=" not in rest):
        raise BadGrid(f"A setting is one word: write {key}={rest.removeprefix('=')}.")
