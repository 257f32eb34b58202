"""Tables in files, by groups of rows: Parquet, and the Arrow streams of ``datasets``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, final

import pyarrow as pa  # ships no types: schemas, types and columns are Any
import pyarrow.parquet as pq

from gantlet.data.files import check_file
from gantlet.errors import BadData

from .layout import Consecutive

__all__ = ["ArrowTable", "ParquetTable", "TableFile"]

_MOST_GROWTH = 1032  # bytes that a byte of a compressed column can become, by deflate
_MOST_VALUES = 2**16  # values that a byte can stand for: runs of equal ones are stored once
_FAULTS = (pa.ArrowException, ValueError, OSError, TypeError, KeyError, MemoryError, OverflowError)


class TableFile(Protocol):
    """A table whose rows come in groups.

    Attributes:
        schema: Its columns.
        groups: The rows of each group.
    """

    schema: Any
    groups: Consecutive

    def read_group(self, group: int, column: str) -> Any:
        """A column of one group, checked; raises what PyArrow raises."""
        ...

    def read_labels(self, column: str) -> Any:
        """A small column of all groups.

        Raises:
            BadData: It cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@final
class ParquetTable:
    """A Parquet file.

    Raises:
        BadData: It is missing, empty, truncated, corrupt, or not a Parquet file.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self._path = path
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            metadata = self._file.metadata
            counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            self.schema = self._file.schema_arrow
            rows = metadata.num_rows
        except _FAULTS as error:
            raise BadData(f"{path} is truncated, corrupt, or not a Parquet file ({_short(error)}).") from error
        if min(counts, default=0) < 0 or sum(counts) != rows:
            raise BadData(f"{path} is corrupt: it states {rows} rows, its groups {sum(counts)}.")
        self.groups = Consecutive(counts)
        self._size = path.stat().st_size

    def read_group(self, group: int, column: str) -> Any:
        """A column of one row group."""
        self._check_sizes(group, column)
        found = self._file.read_row_group(group, columns=[column], use_threads=False).column(column)
        if len(found) != self.groups.lengths[group]:
            raise ValueError("other rows than stated")
        found.validate(full=True)
        return found

    def read_labels(self, column: str) -> Any:
        """A column of all row groups."""
        try:
            groups = [self.read_group(group, column) for group in range(len(self.groups.lengths))]
            return pa.chunked_array(
                [chunk for group in groups for chunk in group.chunks], self.schema.field(column).type
            )
        except _FAULTS as error:
            raise BadData(
                f"{self._path} is corrupt: its column '{column}' cannot be read ({_short(error)})."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_sizes(self, group: int, column: str) -> None:
        """No column may claim more bytes than the file can hold, so that a false number takes no memory."""
        metadata = self._file.metadata.row_group(group)
        for index in range(metadata.num_columns):
            part = metadata.column(index)
            if part.path_in_schema.split(".")[0] != column:
                continue
            packed, whole = part.total_compressed_size, part.total_uncompressed_size
            if not 0 <= packed <= self._size or not 0 <= whole <= _MOST_GROWTH * (packed + 64):
                raise ValueError(f"{packed} bytes that unpack to {whole}")
            if part.num_values > _MOST_VALUES * (packed + 64):
                raise ValueError(f"{part.num_values} values in {packed} bytes")


@final
class ArrowTable:
    """An Arrow stream, mapped into memory: nothing is read before it is asked for.

    Raises:
        BadData: It is missing, empty, truncated, corrupt, or not an Arrow stream.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self._path = path
        try:
            self._map = pa.memory_map(str(path))
            with pa.ipc.open_stream(self._map) as stream:
                self.schema = stream.schema
                self._batches = list(stream)
            for batch in self._batches:
                batch.validate(full=True)
        except _FAULTS as error:
            raise BadData(f"{path} is truncated, corrupt, or not an Arrow stream ({_short(error)}).") from error
        self.groups = Consecutive(batch.num_rows for batch in self._batches)

    def read_group(self, group: int, column: str) -> Any:
        """A column of one batch, a view of the file."""
        return pa.chunked_array([self._batches[group].column(column)])

    def read_labels(self, column: str) -> Any:
        """A column of all batches."""
        chunks = [batch.column(column) for batch in self._batches]
        return pa.chunked_array(chunks, self.schema.field(column).type)

    def close(self) -> None:
        """Let go of the file."""
        self._batches = []
        self._map.close()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:150]
