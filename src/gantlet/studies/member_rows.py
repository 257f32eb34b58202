"""The rows of members as the columns of one table: for who reads it a data frame, for its Parquet file an Arrow table.

A table has a hundred columns and often few rows. A data frame of it, sorted and converted, takes fifteen times as long as the
arrays alone; and the tables are written anew whenever a fleet ends. So the file is written from the lists, with the note on
pandas' types that :meth:`pyarrow.Table.from_pandas` would have put beside the columns: it is asked once for each kind of column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

__all__ = ["MemberRows"]

_NOTE = b"pandas"  # where a schema keeps pandas' types


class MemberRows:
    """Rows of a table, kept by column: those of a hundred thousand members would take a gigabyte as mappings.

    Whole numbers and truth values stay such in columns that not every row has. Where one method's key is a number and another's
    of that name a word, a list or a truth value, the column is one of words.

    Example:
        >>> rows = MemberRows()
        >>> rows.add([{"run": 1, "lr": 0.1}, {"run": 0, "depth": 3}])
        >>> rows.frame()["depth"].tolist(), rows.table().column("depth").to_pylist()
        ([3, <NA>], [3, None])
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._count = 0
        self._words: dict[str, str] = {}  # each text once

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take in rows; what one lacks is missing."""
        for row in rows:
            for name, value in row.items():
                column = self._columns.setdefault(name, [])
                column += [None] * (self._count - len(column))
                column.append(self._words.setdefault(value, value) if isinstance(value, str) else value)
            self._count += 1

    def frame(self) -> pd.DataFrame:
        """The table, by run."""
        frame = pd.DataFrame({name: _for_pandas(*column) for name, column in self._whole().items()})
        return frame if self._in_order() else frame.sort_values("run", ignore_index=True)

    def table(self) -> Any:
        """The same as an Arrow table, as :meth:`pyarrow.Table.from_pandas` makes it, without the index."""
        arrays: list[Any] = []
        notes: list[dict[str, Any]] = []
        for name, (values, kind) in self._whole().items():
            array, note = _for_arrow(values, kind)
            arrays.append(array)
            notes.append(note | {"name": name, "field_name": name})
        text = json.dumps(_example("int")[1] | {"columns": notes})
        schema = pa.schema(list(zip(self._columns, [array.type for array in arrays], strict=True)))
        made = pa.Table.from_arrays(arrays, schema=schema.with_metadata({_NOTE: text.encode()}))
        return made if self._in_order() else made.take(np.argsort(self._columns["run"]))

    def _in_order(self) -> bool:
        runs = self._columns["run"]
        return all(before < after for before, after in pairwise(runs))

    def _whole(self) -> dict[str, tuple[list[Any], str]]:
        """The columns, each as long as the table, and their kinds."""
        found: dict[str, tuple[list[Any], str]] = {}
        for name, known in self._columns.items():
            values: list[Any] = known + [None] * (self._count - len(known))
            kinds = set(map(type, values)) - {type(None)}
            if len(kinds) > 1 and kinds != {int, float}:
                values, kinds = [value if value is None else str(value) for value in values], {str}
            found[name] = values, "float" if len(kinds) > 1 else "".join(kind.__name__ for kind in kinds)
        return found


def _for_pandas(values: list[Any], kind: str) -> Any:
    if kind in ("int", "bool"):
        return pd.array(values, dtype="Int64" if kind == "int" else "boolean")
    return np.array(values, np.float64) if kind == "float" else values


_EXAMPLES: dict[str, Any] = {"int": 1, "bool": True, "float": 1.0, "str": "a", "": None}


def _for_arrow(values: list[Any], kind: str) -> tuple[Any, dict[str, Any]]:
    """The array of a column, and what pandas notes of it."""
    if kind not in _EXAMPLES:  # lists
        made = _by_pandas(values)
        return made.column(0), _note(made)["columns"][0]
    dtype, note = _example(kind)
    if kind == "float":
        return pa.array(np.array(values, np.float64), dtype, from_pandas=True), note["columns"][0]
    return pa.array(values, dtype), note["columns"][0]


@cache
def _example(kind: str) -> tuple[Any, dict[str, Any]]:
    """The type of a column of this kind, and what pandas notes of a table that has no other."""
    made = _by_pandas(_for_pandas([_EXAMPLES[kind]], kind))
    return made.schema.field(0).type, _note(made)


def _by_pandas(values: Any) -> Any:
    return pa.Table.from_pandas(pd.DataFrame({"a": values}), preserve_index=False)


def _note(table: Any) -> dict[str, Any]:
    return json.loads(table.schema.metadata[_NOTE])
