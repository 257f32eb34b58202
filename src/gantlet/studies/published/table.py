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
        value: The number; nan where the paper prints none, and only shows a figure.
        deviation: The standard deviation over runs, where it was published.
        n: Of how many runs the number is; None: of as many as the table has seeds.
    """

    setting: str
    column: str
    kind: Literal["rate", "mean"]
    value: float
    deviation: float | None = None
    n: int | None = None


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
        seeds: How many runs of each setting there are in full; a published number is of as many unless its cell says otherwise.
        cells: The numbers.
        notes: What differs from the paper, or is not known.
        departs: Which settings the paper does not give, so that these are gantlet's own; a published number can then be
            neither confirmed nor refuted. Empty where all are the published ones.
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
    departs: str = ""

    def runs_of(self, cell: PublishedCell) -> int:
        """Of how many runs a published number is."""
        return self.seeds if cell.n is None else cell.n
