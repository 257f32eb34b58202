"""Figures: samples and decision maps as images, recorded during training, and joined to animations.

``get`` and ``names`` are of the figures for print, which :mod:`gantlet.reports.printed` draws.
"""

from gantlet.families import Registry

_REGISTRY = Registry("figure")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]
