"""Readers: where images are stored, one file per layout. None of them imports torch, so that worker processes start quickly.

``get("folder")`` is a class that is made from a path; the protocol is in :mod:`gantlet.data.readers.base`.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("reader")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
