"""Published tables that ``gantlet reproduce`` trains again: what was run, what came out, and how one's own results compare.

A table is a :class:`~gantlet.studies.published.table.PublishedTable` in a file of its own, and a line here.
"""

from __future__ import annotations

from gantlet.errors import UnknownName

from .alpha import ALPHA_RING, ALPHA_RING_NONSATURATING, ALPHA_STACKED
from .table import PublishedTable

__all__ = [
    "ALPHA_RING",
    "ALPHA_RING_NONSATURATING",
    "ALPHA_STACKED",
    "TABLES",
    "PublishedTable",
    "find_table",
]

TABLES: dict[str, PublishedTable] = {
    table.name: table for table in (ALPHA_RING, ALPHA_RING_NONSATURATING, ALPHA_STACKED)
}
"""Every table by its name."""


def find_table(name: str) -> PublishedTable:
    """A table by its name.

    Raises:
        UnknownName: There is none.
    """
    if name not in TABLES:
        raise UnknownName("published table", name, TABLES)
    return TABLES[name]
