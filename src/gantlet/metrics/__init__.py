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
    features/      networks that turn images into vectors
    feature_metric.py  every score on such vectors; read_features.py reads real images once
    feature_scores.py  the scores with their intervals: gaussian_fit.py, kernels.py, manifolds.py, memorisation.py, neighbours.py

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

__all__ = ["chosen", "get", "names", "split_argument"]

_REGISTRY = Registry("metric")
names = _REGISTRY.names
_WITH_ARGUMENT = ("features",)


def get(name: str) -> MetricFactory:
    """The class of a metric by its name, ``package.module:Name`` or ``file.py:Name``; ``NAME:ARGUMENT`` where it takes one.

    Raises:
        UnknownName: No such metric.
        BadValue: Something else than a metric.
    """
    from .base import MetricFactory

    metric, argument = split_argument(name)
    found = catalogue.find("metric", metric)
    found = found.on(argument) if argument else found
    if not isinstance(found, MetricFactory):
        raise BadValue(
            f"'{name}' is not a metric: expected a class with columns, samples, facts, a classmethod of(dataset), and "
            "__call__(inputs)."
        )
    return found


def split_argument(name: str) -> tuple[str, str]:
    """A metric's name and what follows its colon: an extractor of ``features``, which may be a part of the user's own.

    Example:
        >>> split_argument("features:nets.py:Net"), split_argument("gaps.py:MeanGap"), split_argument("features")
        (('features', 'nets.py:Net'), ('gaps.py:MeanGap', ''), ('features', ''))
    """
    metric, colon, argument = name.partition(":")
    return (metric.strip(), argument.strip()) if colon and metric.strip() in _WITH_ARGUMENT else (name, "")


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
