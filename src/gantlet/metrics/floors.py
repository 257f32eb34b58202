"""The floor of each column: what real samples score in the place of generated ones.

A metric that measures its floor itself says so in its facts (``real_against_real``, ``real_images``). Of any other one the
floor is what training samples score, as many as it wants of fakes. Metrics that need a discriminator's scores have none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # reports want the names alone
    from gantlet.data.base import Dataset

    from .base import Metric
    from .compose import Composed

__all__ = ["FLOORS", "floors_of"]

FLOORS = ("real_against_real", "real_images")
"""The facts in which metrics state floors of their own, by column."""

_RULES = ("success", "failure")  # of real samples they say nothing that a reader would compare


def floors_of(metrics: Composed, dataset: Dataset, samples: int = 0) -> dict[str, float]:
    """The floor of every column that has a finite one.

    A metric of a user's own that cannot read real samples has none.

    Arguments:
        metrics: The metrics of a study.
        dataset: Its data.
        samples: How many real samples stand for a member's; 0 for as many as each metric wants of fakes.
    """
    found: dict[str, float] = {}
    for metric in metrics.metrics.values():
        stated = [metric.facts[name] for name in FLOORS if isinstance(metric.facts.get(name), Mapping)]
        known: Mapping[str, Any] = stated[0] if stated else _measured(metric, dataset, samples or metric.samples)
        found |= {
            column.name: float(known[column.name])
            for column in metric.columns
            if column.name not in _RULES and _is_number(known.get(column.name))
        }
    return found


def _measured(metric: Metric, dataset: Dataset, samples: int) -> Mapping[str, Any]:
    from .base import NEEDS, MetricInput

    if "scores" in getattr(metric, "needs", NEEDS):
        return {}
    reals = dataset.train[:samples][None].float()  # [1, N, *x]
    try:
        return {name: values[0] for name, values in metric(MetricInput(fake=reals)).items()}
    except Exception:  # whatever a user's class does with samples that no generator made
        return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
