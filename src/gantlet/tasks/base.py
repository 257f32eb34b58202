"""What a task is: a data set, the networks offered for its sample shape, a budget, and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gantlet.data.base import Source
from gantlet.networks.base import Family
from gantlet.settings import Scalar

__all__ = ["CLASSIFIERS", "Task", "rows_for"]

CLASSIFIERS = ("vanilla", "vanilla-saturating", "least-squares", "alpha")
"""The methods whose discriminator tells real from fake, and which the experiments train alike."""


@dataclass(frozen=True)
class Task:
    """An experiment.

    Attributes:
        name: As on the command line.
        summary: One line for ``gantlet list``.
        paper: Where the experiment comes from.
        source: The data set; its settings are keys.
        networks: The network families offered, the default first; one of them has no batch statistics.
        metrics: The metrics by name, or by ``package.module:Name``; the key ``metrics`` chooses others.
        pictures: How samples are drawn.
        headline: The column by which the best and worst member are named.
        shape: The shape of a sample, as the task's own settings have it.
        extent: Half the side of the window in which points in the plane are drawn; 0: from the data.
        defaults: Budget and sizes.
        rows: Settings of this task for particular methods.
        presets: Named sets of settings.
        bad_arms: Sets of samples that no rule of success may accept, of :data:`~gantlet.tasks.bad_arms.BAD_ARMS`.
    """

    name: str
    summary: str
    paper: str
    source: Source
    networks: Mapping[str, Family]
    metrics: tuple[str, ...]
    pictures: Literal["points", "images", "none"]
    headline: str
    shape: tuple[int, ...] = (1, 28, 28)
    extent: float = 0.0
    defaults: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    rows: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict[str, Mapping[str, Scalar]])
    presets: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict[str, Mapping[str, Scalar]])
    bad_arms: tuple[str, ...] = ()


def rows_for(settings: Mapping[str, Scalar], methods: Sequence[str]) -> dict[str, Mapping[str, Scalar]]:
    """The same row for several methods."""
    return dict.fromkeys(methods, settings)
