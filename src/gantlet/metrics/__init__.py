"""Metrics: one file per family of columns, each judges many members at once.

::

    base.py        what a metric is and what it is given
    mixture.py     modes, quality and divergences against a known mixture
    images.py      classes, inception score and Fréchet distance through a classifier's eyes
    points.py      two-sample distances for any data
    two_sample.py  energy and sliced distances, precision and recall of arrays
    decision.py    how often the discriminator is wrong
    distances.py   Fréchet distance and inception score of arrays
    classifier.py  the classifier; lenet.py its network and training, cache.py where it is kept
"""

from typing import Any

from gantlet.families import Family

_FAMILY = Family("metric")
get, names = _FAMILY.get, _FAMILY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _FAMILY.attribute(name)
