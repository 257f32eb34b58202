"""Methods: one file per paper, each a recipe of objective, penalties, constraint, optimiser and schedule."""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("method")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
