"""Constraints by name: what is done to a player's parameters after a step, such as weight clipping.

They are stored among the penalties, whose other half they are; the protocol is in :mod:`gantlet.penalties.base`.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("constraint")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
