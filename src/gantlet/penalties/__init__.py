"""Penalties join a player's loss, constraints act on its parameters after a step; one file each.

The protocols are in :mod:`gantlet.penalties.base`.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("penalty")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
