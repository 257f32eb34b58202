"""Tables of numbers in Parquet files, as pandas, Polars and R's arrow write them; by PyArrow alone.

The index of a pandas data frame is left out. What is not a number is named by row and column, never guessed.

Reference:
    | Apache Parquet, https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

from .array_files import EXACT, check_whole
from .csv_files import NumberTable
from .files import read_bytes

__all__ = ["only_numbers", "read_parquet"]


def read_parquet(path: Path) -> NumberTable:
    """Read a table of numbers ``[N, d]`` and the names of its columns.

    Raises:
        BadData: The file is missing, empty, truncated or corrupt; it has no rows or no columns, or one whose values are
            missing, not finite or not numbers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_bytes(path)
    try:
        table: Any = pq.ParquetFile(pa.BufferReader(pa.py_buffer(content))).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadData(f"{path} is truncated, corrupt, or not a Parquet file ({error}).") from error
    index = _index(table.schema.metadata)
    names = [name for name in table.column_names if name not in index]
    if not table.num_rows or not names:
        raise BadData(f"{path} holds no row of numbers.")
    columns = [_numbers(table.column(name), f"{path}, column '{name}'") for name in names]
    return NumberTable(np.stack(columns, axis=1), tuple(names))


def only_numbers(path: Path) -> bool:
    """Whether the columns of a Parquet file are numbers, by its schema; False for what is no such file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema: Any = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError):
        return False
    index = _index(schema.metadata)
    return all(_is_number(schema.field(name).type) for name in schema.names if name not in index)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _index(metadata: dict[bytes, bytes] | None) -> set[str]:
    """The columns that pandas says are the index of its data frame."""
    try:
        said = json.loads((metadata or {}).get(b"pandas", b"{}"))
        return {name for name in said.get("index_columns", ()) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return set()


def _numbers(column: Any, source: str) -> NDArray[np.float64]:
    import pyarrow as pa

    kind = column.type
    if not _is_number(kind):
        raise BadData(f"{source} holds {kind}, which is not a number; leave the column out, or encode it as numbers.")
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)  # null becomes nan
    if missing := np.flatnonzero(np.isnan(values)).tolist():
        which = "value is" if len(values) == 1 else "values is" if len(missing) == 1 else "values are"
        raise BadData(
            f"{source}: {len(missing)} of {len(values)} {which} missing, the first in row {missing[0] + 1}; "
            "fill in or leave out what is missing."
        )
    if infinite := np.flatnonzero(np.isinf(values)).tolist():
        row = infinite[0]
        raise BadData(f"{source}: {values[row]} in row {row + 1} is not finite; remove or replace it.")
    check_whole(column.take(np.flatnonzero(abs(values) >= EXACT)).to_pylist(), source)
    return values
