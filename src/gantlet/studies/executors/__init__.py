"""Executors: who trains the fleets of a study; one file each, by name in the catalogue.

The protocol is in :mod:`gantlet.studies.executors.base`; :mod:`gantlet.studies.executors.fake` is for tests of what runs
executors.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("executor")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
