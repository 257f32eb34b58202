"""The history of one fleet: a Parquet file for each stretch of its training.

A chunk is committed by the checkpoint written right after it, which names it with its SHA-256: chunks that reach beyond
the good checkpoint are dropped on resume.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gantlet.errors import Damaged, StoreError
from gantlet.files import check_regular, clear_away, file_digest, inside, write_whole
from gantlet.training import checkpoint
from gantlet.training.history import Rows

__all__ = ["LOST", "FleetHistory", "joined_history", "read_table", "write_table"]

LOST = ".lost"
"""What is appended to the name of a chunk of history that ``repair`` set aside: it counts as known to be lost."""

_CHUNK = re.compile(r"history-(\d+)-(\d+)\.parquet")
_COLUMNS = ("run", "step", "name", "value")
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
_LOG = logging.getLogger("gantlet")


@dataclass(frozen=True)
class FleetHistory:
    """The chunks of one fleet.

    Attributes:
        folder: The fleet's folder, with its checkpoint beside the chunks.
        advice: What to do where a chunk cannot be written.
    """

    folder: Path
    advice: str = "Make room or fix the permissions."

    def write(self, begin: int, end: int, rows: Rows, runs: Mapping[int, int]) -> tuple[str, str]:
        """Write the history of steps begin+1 … end; ``runs`` maps slots to runs, pads are left out.

        Returns:
            The file's name and SHA-256.
        """
        frame = pd.DataFrame(
            {"slot": rows.slot, "step": rows.step, "name": rows.name, "value": rows.value},
        )
        frame = frame[frame["slot"].isin(list(runs))]
        frame.insert(0, "run", frame["slot"].map(dict(runs)).astype("int64"))
        name = f"history-{begin:09d}-{end:09d}.parquet"
        self.folder.joinpath(name + LOST).unlink(missing_ok=True)
        write = partial(write_table, table=frame.drop(columns="slot"))
        write_whole(self.folder / name, write, advice=self.advice)
        return name, file_digest(self.folder / name)

    def check(self, chunks: Mapping[str, str]) -> None:
        """Make sure that the history is as it was written: ``chunks`` has each file's SHA-256.

        Raises:
            Damaged: A chunk is missing, or has another content.
        """
        for _, sentence in self.damaged(chunks):
            raise Damaged(sentence)

    def damaged(self, chunks: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
        """The chunks that are not as they were written, each with a sentence; ``chunks`` has each file's SHA-256.

        Raises:
            Damaged: They are not named as a fleet names them.
        """
        for name, digest in _named(chunks).items():
            path = inside(self.folder, name)
            if not path.is_file() and path.with_name(name + LOST).is_file():
                continue
            if not _is_as_written(path, digest):
                what = "is damaged" if path.is_file() else "is missing"
                yield path, f"The history {path} {what}."

    def drop_after(self, step: int) -> None:
        """Drop chunks that the good checkpoint does not vouch for."""
        for path, end in self._chunks():
            if end > step:
                clear_away(path)
                clear_away(path.with_name(path.name + LOST))

    def tables(self, *, finished: bool) -> list[pd.DataFrame]:
        """The chunks that are as they were written; the others are left out, with a warning.

        Arguments:
            finished: Whether the fleet's training has ended: else its next checkpoint may be on its way.
        """
        return [table for path in self._vouched(finished=finished) if (table := _chunk(path)) is not None]

    def _vouched(self, *, finished: bool) -> list[Path]:
        """The chunks that are those of a checkpoint; all where there is none, or where it does not name them."""
        found = [path for path, _ in self._chunks()]
        known: dict[str, str] = {}
        for place in checkpoint.places(inside(self.folder, "checkpoint")):
            try:
                chunks = checkpoint.read_state(inside(self.folder, place.name)).get("chunks")
                if chunks is None:
                    return found
                known |= _named(chunks)
            except StoreError as error:
                _LOG.warning("note: %s", error)
        if not known:
            return found
        good = [path for path in found if path.name in known and _is_as_written(path, known[path.name])]
        lacking = known.keys() - {path.name for path in good}
        if finished:
            lacking |= {path.name for path in found} - known.keys()
        for name in sorted(lacking):
            _LOG.warning(
                "note: the history %s is left out: it is missing, damaged or of no checkpoint", self.folder / name
            )
        return good

    def _chunks(self) -> list[tuple[Path, int]]:
        found = [(path, _CHUNK.fullmatch(path.name)) for path in sorted(self.folder.glob("history-*.parquet"))]
        return [(path, int(match.group(2))) for path, match in found if match]


def joined_history(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One long table of many chunks, sorted by run, name and step."""
    empty = pd.DataFrame({name: [] for name in _COLUMNS})
    filled = [table for table in tables if len(table)]
    merged = pd.concat(filled, ignore_index=True) if filled else empty
    return merged.sort_values(["run", "name", "step"], kind="stable", ignore_index=True)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file of a study as it is, or some of its columns.

    Raises:
        StoreError: It is missing, unreadable, not a plain file or too long.
    """
    check_regular(path)
    try:
        rows = pq.read_metadata(path).num_rows
        if rows > _MOST_ROWS:
            raise StoreError(f"{path} has {rows:,} rows; more than {_MOST_ROWS:,} are not read.")
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except _UNREADABLE as error:
        raise StoreError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}.") from error


def write_table(path: Path, *, table: pd.DataFrame) -> None:
    """Write a Parquet file."""
    table.to_parquet(path, index=False)


def _chunk(path: Path) -> pd.DataFrame | None:
    try:
        table = read_table(path)
        if not set(_COLUMNS) <= set(table):
            raise StoreError("columns are missing.")
    except StoreError as error:
        _LOG.warning("note: the history %s is left out: %s", path, error)
        return None
    return table[list(_COLUMNS)]


def _named(chunks: object) -> dict[str, str]:
    """The history files of a checkpoint, with their SHA-256.

    Raises:
        Damaged: They are not what a fleet writes.
    """
    if not isinstance(chunks, dict) or not all(_CHUNK.fullmatch(str(name)) for name in chunks):
        raise Damaged("A checkpoint does not name its history as a fleet does.")
    return {str(name): str(digest) for name, digest in chunks.items()}


def _is_as_written(path: Path, digest: str) -> bool:
    """Whether a plain file has this SHA-256.

    Raises:
        StoreError: It cannot be read at the moment.
    """
    try:
        return path.is_file() and not path.is_symlink() and file_digest(path) == digest
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
