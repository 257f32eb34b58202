"""The long table of a study's history, and its Parquet files: run, step, name, value.

The history of a large study has millions of rows and a dozen names. So while files are read and merged a name is a number, and
becomes a word in the table that is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gantlet.errors import StoreError
from gantlet.files import check_regular

if TYPE_CHECKING:
    from gantlet.training.history import Rows

__all__ = ["SCHEMA", "joined_history", "read_arrow", "read_rows", "read_table", "rows_table", "write_table"]

SCHEMA = pa.schema({"run": pa.int64(), "step": pa.int64(), "name": pa.string(), "value": pa.float64()})
"""The columns of a file of history."""

_CODED = pa.schema(
    [field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name == "name" else field for field in SCHEMA]
)
_Table = TypeVar("_Table")
_MOST_ROWS = 50_000_000  # of a table
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    MemoryError,
    pa.ArrowException,
)  # a Parquet file


def joined_history(tables: Sequence[Any]) -> pd.DataFrame:
    """One long table of the rows of many files, sorted by run, name and step.

    Arguments:
        tables: What :func:`read_rows` gave.
    """
    if not any(map(len, tables)):
        return pd.DataFrame({name: [] for name in SCHEMA.names})
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    coded = whole.column("name").chunk(0)
    names = pd.Index(coded.dictionary.to_pylist())
    place = np.empty(len(names), np.int32)  # of each name in the order of the alphabet
    place[names.argsort()] = np.arange(len(names), dtype=np.int32)
    codes = place[coded.indices.to_numpy()]
    order = np.lexsort([whole.column("step").to_numpy(), codes, whole.column("run").to_numpy()])
    merged: dict[str, Any] = {name: whole.column(name).to_numpy()[order] for name in ("run", "step", "value")}
    del whole, coded
    merged["name"] = names.sort_values().take(codes[order])
    return pd.DataFrame(merged, columns=SCHEMA.names, copy=False)


def rows_table(rows: Rows, runs: dict[int, int]) -> Any:
    """Rows of slots as an Arrow table of runs; slots that are not in ``runs``, pads, are left out."""
    kept = [place for place, slot in enumerate(rows.slot) if slot in runs]
    columns: dict[str, Any] = {
        "run": [runs[rows.slot[place]] for place in kept],
        "step": [rows.step[place] for place in kept],
        "name": [rows.name[place] for place in kept],
        "value": pa.array([rows.value[place] for place in kept], SCHEMA.field("value").type, from_pandas=True),
    }
    return pa.table(columns, schema=SCHEMA)


def read_rows(source: Path | bytes) -> Any:
    """A file of history, or its content, as an Arrow table whose names are dictionary-encoded.

    Raises:
        StoreError: It cannot be read, is too long, or has other columns.
    """
    what = source if isinstance(source, Path) else "it"
    if isinstance(source, Path):
        check_regular(source)
    try:
        file = str(source) if isinstance(source, Path) else pa.BufferReader(source)
        known = pq.read_metadata(file)
        _check_length(known.num_rows, what)
        if not set(SCHEMA.names) <= set(known.schema.names):
            raise StoreError("columns are missing.")
        with pq.ParquetFile(file, metadata=known, read_dictionary=["name"]) as rows:
            table = rows.read(columns=SCHEMA.names).cast(_CODED).replace_schema_metadata()
        if any(table.column(name).null_count for name in ("run", "step", "name")):
            raise StoreError("it lacks a run, a step or a name.")
        return table
    except _UNREADABLE as error:
        raise StoreError(f"{what} cannot be read: {' '.join(str(error).split())[:300]}.") from error


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file of a study as it is, or some of its columns.

    Raises:
        StoreError: It is missing, unreadable, not a plain file or too long.
    """
    return _read(path, lambda: pd.read_parquet(path, columns=None if columns is None else list(columns)))


def read_arrow(path: Path) -> Any:
    """The same as an Arrow table."""
    made: Any = _read(path, partial(pq.read_table, path))
    return made


def _read(path: Path, read: Callable[[], _Table]) -> _Table:
    check_regular(path)
    try:
        _check_length(pq.read_metadata(path).num_rows, path)
        return read()
    except _UNREADABLE as error:
        raise StoreError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}.") from error


def write_table(path: Path, *, table: Any) -> None:
    """Write a Parquet file of a data frame, or of the Arrow table that pandas would make of it."""
    if isinstance(table, pd.DataFrame):
        table.to_parquet(path, index=False)
    else:
        pq.write_table(table, path)


def _check_length(rows: int, what: object) -> None:
    if rows > _MOST_ROWS:
        raise StoreError(f"{what} has {rows:,} rows; more than {_MOST_ROWS:,} are not read.")
