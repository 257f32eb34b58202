"""What a published table is: settings, the numbers that were published for them, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["PublishedCell", "PublishedTable"]


@dataclass(frozen=True)
class PublishedCell:
    """One published number.

    Attributes:
        setting: The label that the setting has in a study.
        column: The column of a study's runs that measures the same.
        kind: ``rate``: a share of runs; ``mean``: a mean over runs.
        value: The number.
        deviation: The standard deviation over runs, where it was published.
    """

    setting: str
    column: str
    kind: Literal["rate", "mean"]
    value: float
    deviation: float | None = None


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper that can be trained again.

    Attributes:
        name: Its name on the command line.
        title: What it shows, in a line.
        source: The paper, and the table or records the numbers are from.
        task: The task.
        methods: The methods.
        settings: Keys and values, as in ``gantlet.run``.
        presets: Named sets of settings.
        seeds: How many runs a published number is of.
        cells: The numbers.
        notes: What differs from the paper, or is not known.
    """

    name: str
    title: str
    source: str
    task: str
    methods: tuple[str, ...]
    settings: Mapping[str, object]
    seeds: int
    cells: tuple[PublishedCell, ...]
    presets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
