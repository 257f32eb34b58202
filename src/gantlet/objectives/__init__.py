"""Objectives: the losses of both players, one file per objective.

``get("alpha", alpha_d=0.3)`` builds one by its name; the protocol is in :mod:`gantlet.objectives.base`. Importing this
package does not import torch; asking for an objective does.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("objective")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
