"""Network families: one file per kind of architecture, each builds both players for a sample shape.

The protocol is in :mod:`gantlet.networks.base`.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("network")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
