"""Tasks: experiments, one file per data family."""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("task")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
