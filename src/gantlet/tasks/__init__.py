"""Tasks: experiments, one file per data family."""

from typing import Any

from gantlet.families import Family

_FAMILY = Family("task")
get, names = _FAMILY.get, _FAMILY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _FAMILY.attribute(name)
