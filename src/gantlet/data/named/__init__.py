"""Named data sets: one card each. A new one is its card and one line in the catalogue.

``get("mnist")`` is a :class:`~gantlet.data.dataset_card.DatasetCard`.
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("card")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
