"""The history of one fleet: a few Parquet files, each of a stretch of its training.

A chunk is committed by the checkpoint written right after it, which names it with its SHA-256: chunks that reach beyond
the good checkpoint are dropped on resume.

Each checkpoint brings one new file. Where there would be too many, that file takes in the rows of the last ones before it, so
that the checkpoint names it in their place. They stay as long as the checkpoint before that one names them: whichever of the two
is the good one finds its own files. The lengths of files at least halve from one to the next, so that a row is rewritten about
as many times as there are halvings: four times on average, eight at most, in a fleet of 600 checkpoints.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gantlet.errors import Damaged, StoreError
from gantlet.files import clear_away, file_digest, inside, read_regular, write_whole
from gantlet.training import checkpoint

from .history_table import SCHEMA, read_rows, rows_table

if TYPE_CHECKING:
    from gantlet.training.history import Rows

__all__ = ["LOST", "FleetHistory"]

LOST = ".lost"
"""What is appended to the name of a chunk of history that ``repair`` set aside: it counts as known to be lost."""

_CHUNK = re.compile(r"history-(\d{1,18})-(\d{1,18})\.parquet")
_MOST_FILES = 6
"""So many files a fleet's history has at most, beside those of a full file's size and those that are too long to be joined."""
_FULL = 1 << 25
"""Bytes, from which on a file is not rewritten any more: about four million rows."""
_MOST_JOINED = 1 << 24
"""Rows that are held in memory to be joined: files of a former version may be many, and large."""
_LOOKS = 3
"""So often the files of a fleet are looked at that is being trained, whose checkpoint may replace them in the middle."""
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

    def add(
        self, chunks: Mapping[str, str], begin: int, end: int, rows: Rows, runs: Mapping[int, int]
    ) -> dict[str, str]:
        """Write the history of steps begin+1 … end, together with that of files that it takes in; they stay where they are.

        Arguments:
            chunks: The files that the last checkpoint names, with their SHA-256.
            begin: The step of that checkpoint.
            end: The step of the next one.
            rows: What happened in between.
            runs: The runs of slots; pads are left out.

        Returns:
            The files that the next checkpoint is to name, with their SHA-256.

        Raises:
            StoreError: The file cannot be written.
        """
        taken, parts, held = list[_Span](), list[Any](), 0
        for span in reversed(_to_join(self._last(chunks), end) if begin < end else ()):
            part = self._part(span.name, chunks[span.name])
            if part is None:  # damage is noticed where it is read, and must not get a checksum that fits
                break
            held += len(part)
            if held > _MOST_JOINED:
                break
            taken.insert(0, span)
            parts.insert(0, part)
        name, digest = self._write(taken[0].begin if taken else begin, end, [*parts, rows_table(rows, dict(runs))])
        gone = {span.name for span in taken}
        return {known: sha for known, sha in chunks.items() if known not in gone} | {name: digest}

    def tidy(self, chunks: Mapping[str, str]) -> None:
        """Delete files that no checkpoint names, as far as that can be done: what is left goes after the next checkpoint.

        Arguments:
            chunks: The files that the checkpoint just written names, with their SHA-256.
        """
        try:
            named = set(chunks)
            for place in checkpoint.places(inside(self.folder, "checkpoint")):
                state = checkpoint.read_state(inside(self.folder, place.name))
                if "chunks" not in state:  # from before checkpoints named their history: what is there is theirs
                    return
                named |= _named(state["chunks"]).keys()
            for span in self._spans():
                if span.name not in named:
                    clear_away(self.folder / span.name)
                    clear_away(self.folder / (span.name + LOST))
        except (OSError, StoreError) as error:
            _LOG.warning("note: history that is needed no more stays in %s for now: %s", self.folder, error)

    def found(self) -> dict[str, str]:
        """The chunks that are there, with their SHA-256: those of a checkpoint of before checkpoints named them."""
        paths = [self.folder / span.name for span in self._spans()]
        return {path.name: file_digest(path) for path in paths if path.is_file() and not path.is_symlink()}

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
        for span in self._spans():
            if span.end > step:
                clear_away(self.folder / span.name)
                clear_away(self.folder / (span.name + LOST))

    def tables(self, *, finished: bool) -> list[Any]:
        """The chunks that are as they were written, as :func:`read_rows` gives them; the others are left out, with a warning.

        Arguments:
            finished: Whether the fleet's training has ended: else its next checkpoint may be on its way.
        """
        notes, tables = list[str](), list[Any]()
        for _ in range(1 if finished else _LOOKS):
            names, notes = self._vouched(finished=finished)
            tables = [table for name in names if (table := _chunk(self.folder / name, notes)) is not None]
            if not notes:
                break
        for note in notes:
            _LOG.warning("note: %s", note)
        return tables

    def _vouched(self, *, finished: bool) -> tuple[list[str], list[str]]:
        """The chunks that are those of a checkpoint, and a sentence for each that is left out.

        No two of them are of one stretch: those of the newest checkpoint count first. Where there is no checkpoint, or one that
        does not name them, it is the longest that are there.
        """
        known, notes = dict[str, str](), list[str]()
        for place in checkpoint.places(inside(self.folder, "checkpoint")):
            try:
                chunks = checkpoint.read_state(inside(self.folder, place.name)).get("chunks")
                if chunks is None:
                    return _longest(self._spans()), notes
                known |= {name: digest for name, digest in _named(chunks).items() if name not in known}
            except StoreError as error:
                notes.append(str(error))
        there = self._spans()
        if not known:
            return _longest(there), notes
        good = _disjoint(map(_span, known), lambda span: _is_as_written(self.folder / span.name, known[span.name]))
        others = [*map(_span, known), *(there if finished else ())]
        lacking = {span.name for span in others if span not in good and not _covered(span, good)}
        notes += [
            f"the history {self.folder / name} is left out: it is missing, damaged or of no checkpoint"
            for name in sorted(lacking)
        ]
        return [span.name for span in good], notes

    def _last(self, chunks: Mapping[str, str]) -> list[_Span]:
        """The last of some chunks, up to one that is not to be joined: of full size, known to be lost, or of no step of its own."""
        last = list[_Span]()
        for span in sorted(map(_span, chunks), reverse=True):
            try:
                full = inside(self.folder, span.name).stat().st_size >= _FULL
            except (OSError, StoreError):
                break
            if full or span.begin == span.end or (last and span.end > last[0].begin):
                break
            last.insert(0, span)
        return last

    def _part(self, name: str, digest: str) -> Any:
        """The rows of a chunk; None where it cannot be read, or is not as it was written."""
        try:
            content = read_regular(inside(self.folder, name), most=_FULL)
            if hashlib.sha256(content).hexdigest() != digest:
                return None
            return read_rows(content).cast(SCHEMA)
        except (StoreError, MemoryError):
            return None

    def _write(self, begin: int, end: int, parts: Sequence[Any]) -> tuple[str, str]:
        name = f"history-{begin:09d}-{end:09d}.parquet"
        self.folder.joinpath(name + LOST).unlink(missing_ok=True)
        write = partial(pq.write_table, pa.concat_tables(parts))
        write_whole(self.folder / name, write, advice=self.advice)
        return name, file_digest(self.folder / name)

    def _spans(self) -> list[_Span]:
        """The chunks that are there, in the order of their steps."""
        names = [path.name for path in self.folder.glob("history-*.parquet")]
        return sorted(_span(name) for name in names if _CHUNK.fullmatch(name))


class _Span(NamedTuple):
    """A chunk, by the steps begin+1 … end of which it is."""

    begin: int
    end: int
    name: str


def _span(name: str) -> _Span:
    begin, end = _CHUNK.fullmatch(name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return _Span(int(begin), int(end), name)


def _to_join(spans: Sequence[_Span], end: int) -> list[_Span]:
    """The last files, which the one that ends at a step is to take in: none as long as there are few.

    As many as it needs for the file before to be at least twice as long as what becomes of them.

    Example:
        >>> files = [_Span(0, 20, ""), _Span(20, 22, ""), *(_Span(step, step + 1, "") for step in range(22, 26))]
        >>> [span.begin for span in _to_join(files, 27)]
        [20, 22, 23, 24, 25]
        >>> _to_join(files[1:], 27)
        []
    """
    if len(spans) < _MOST_FILES:
        return []
    place = len(spans) - 1
    while place and spans[place - 1].end - spans[place - 1].begin < 2 * (end - spans[place].begin):
        place -= 1
    return list(spans[place:])


def _disjoint(spans: Iterable[_Span], fits: Callable[[_Span], bool] = lambda span: True) -> list[_Span]:
    """Of chunks, those that fit and share no step with one that came before them, in the order of their steps.

    Example:
        >>> [span.name for span in _disjoint([_Span(0, 9, "joined"), _Span(0, 4, "a"), _Span(4, 9, "b"), _Span(9, 9, "c")])]
        ['joined', 'c']
    """
    chosen = list[_Span]()
    for span in spans:
        if not any(max(span.begin, other.begin) < min(span.end, other.end) for other in chosen) and fits(span):
            chosen.append(span)
    return sorted(chosen)


def _longest(spans: Iterable[_Span]) -> list[str]:
    return [span.name for span in _disjoint(sorted(spans, key=lambda span: (span.begin - span.end, span)))]


def _covered(span: _Span, by: Iterable[_Span]) -> bool:
    """Whether every step of a chunk is in others, in the order of their steps."""
    reached = span.begin
    for other in by:
        if other.begin <= reached:
            reached = max(reached, other.end)
    return span.begin < span.end <= reached


def _chunk(path: Path, notes: list[str]) -> Any:
    """The rows of a chunk; where it cannot be read None, and a sentence is added."""
    try:
        return read_rows(path)
    except StoreError as error:
        notes.append(f"the history {path} is left out: {error}")
        return None


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
    except FileNotFoundError:  # deleted in between, by who trains here
        return False
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
