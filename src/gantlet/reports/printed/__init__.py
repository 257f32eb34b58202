"""Figures for papers and slides: ``gantlet figure`` and ``gantlet.figure``; one file and one line in the catalogue each."""

from gantlet.families import Registry

__all__ = ["get", "names"]

_REGISTRY = Registry("figure")
names, get = _REGISTRY.names, _REGISTRY.get


def __getattr__(name: str) -> object:
    return _REGISTRY.attribute(name)
