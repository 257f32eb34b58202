"""Metrics: one file per family of columns, each evaluates many members at once.

::

    base.py        what a metric is and what it is given
    compose.py     several metrics as one
    mixture.py     modes, quality and divergences against a known mixture
    images.py      classes, inception score and Fréchet distance by a classifier
    stacked.py     modes of Stacked MNIST by a classifier
    points.py      two-sample distances for any data; thumbnails.py for large images
    classification_error.py  how often the discriminator is wrong
    two_sample.py  energy and sliced distances, precision and recall of arrays
    distances.py   Fréchet distance and inception score of arrays
    divergences.py distances between distributions over modes; teams.py who of a team has which mode
    classifier.py  the classifier; lenet.py its network and training, cache.py where it is kept

``get("mixture").of(dataset)`` makes one for a data set. Importing this package does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gantlet import catalogue
from gantlet.errors import BadValue
from gantlet.families import Registry

if TYPE_CHECKING:
    from .base import MetricFactory

__all__ = ["chosen", "get", "names"]

_REGISTRY = Registry("metric")
names = _REGISTRY.names


def get(name: str) -> MetricFactory:
    """The class of a metric by its name, ``package.module:Name`` or ``file.py:Name``.

    Raises:
        UnknownName: No such metric.
        BadValue: Something else than a metric.
    """
    from .base import MetricFactory

    found = catalogue.find("metric", name)
    if not isinstance(found, MetricFactory):
        raise BadValue(
            f"'{name}' is not a metric: expected a class with columns, samples, facts, a classmethod of(dataset), and "
            "__call__(inputs)."
        )
    return found


def chosen(asked: str, default: Sequence[str] = ()) -> tuple[str, ...]:
    """The names in the key ``metrics``: joined by ``+``, ``none``, or empty for the task's own.

    Raises:
        UnknownName: No such metric.
        BadValue: A metric named twice.

    Example:
        >>> chosen("mixture + two-sample"), chosen("none", ["mixture"]), chosen("", ["mixture"])
        (('mixture', 'two-sample'), (), ('mixture',))
    """
    if not asked or asked == "none":
        return tuple(default) if not asked else ()
    named = tuple(name.strip() for name in asked.split("+"))
    if len(set(named)) < len(named):
        raise BadValue(f"metrics={asked} names a metric twice.")
    for name in named:
        get(name)
    return named


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
