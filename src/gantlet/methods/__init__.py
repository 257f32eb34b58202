"""Methods: one file per paper, each a recipe of objective, penalties, constraint, optimiser and schedule."""

from typing import Any

from gantlet.families import Family

_FAMILY = Family("method")
get, names = _FAMILY.get, _FAMILY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _FAMILY.attribute(name)
