"""Penalties join a player's loss, constraints act on its parameters after a step; one file each.

The protocols are in :mod:`gantlet.penalties.base`.
"""

from typing import Any

from gantlet.families import Family

_FAMILY = Family("penalty")
get, names = _FAMILY.get, _FAMILY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _FAMILY.attribute(name)
