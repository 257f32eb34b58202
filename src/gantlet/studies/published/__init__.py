"""Published tables that ``gantlet reproduce`` trains again: what was run, what came out, and how one's own results compare.

A table is a :class:`~gantlet.studies.published.table.PublishedTable` in a file of its own, and a line here.
"""

from __future__ import annotations

from dataclasses import replace

from gantlet.errors import UnknownName

from .alpha import ALPHA_RING, ALPHA_RING_NONSATURATING, ALPHA_STACKED, ALPHA_STACKED_100, LEAST_SQUARES_STACKED
from .pacgan import PACGAN_STACKED
from .r3gan import R3GAN_STACKED
from .stackelberg import STACKELBERG_CIFAR10, STACKELBERG_MIXTURE8
from .table import PublishedTable

__all__ = [
    "ALPHA_RING",
    "ALPHA_RING_NONSATURATING",
    "ALPHA_STACKED",
    "ALPHA_STACKED_100",
    "LEAST_SQUARES_STACKED",
    "PACGAN_STACKED",
    "R3GAN_STACKED",
    "STACKELBERG_CIFAR10",
    "STACKELBERG_MIXTURE8",
    "TABLES",
    "PublishedTable",
    "find_table",
]

TABLES: dict[str, PublishedTable] = {
    table.name: table
    for table in (
        ALPHA_RING,
        ALPHA_RING_NONSATURATING,
        ALPHA_STACKED,
        ALPHA_STACKED_100,
        LEAST_SQUARES_STACKED,
        PACGAN_STACKED,
        R3GAN_STACKED,
        STACKELBERG_CIFAR10,
        STACKELBERG_MIXTURE8,
    )
}
"""Every table by its name."""


def find_table(name: str) -> PublishedTable:
    """A table by its name; ``NAME:FOLDER`` takes the data from there, like a task.

    Raises:
        UnknownName: There is none.
    """
    known, colon, path = name.partition(":")
    if known not in TABLES:
        raise UnknownName("published table", known, TABLES)
    table = TABLES[known]
    return replace(table, settings={**table.settings, "data_path": path}) if colon else table
