"""Preparing: every image of a source is read, decoded, cut to one size and put into shards, once.

The shards are cut by the source's order, not by what turned out readable, so that each can be made by itself: workers
take them side by side, and an interrupted preparation goes on with the shards that are missing. Threads do the work, as
decoding and resizing leave Python's lock to the others. Images that cannot be read are skipped, listed and counted;
too many of them are an error.

Legend: ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gantlet.cpu import cores
from gantlet.errors import BadData, BadImage, FolderInUse, StoreError
from gantlet.files import file_digest, replace_whole, sealed, write_whole

from .classes import classes_of
from .decode import Decoding
from .prepared import FORMAT, PAGE, PARTS, PreparedSet, ShardRecord
from .readers.base import Entry, Fault, Part, Reader, open_reader
from .resize import Resize
from .shards import Pixels, write_shard

__all__ = ["PrepareRecipe", "prepare_images"]

_SHARD_BYTES, _SHARD_PICTURES = 1 << 28, 10_000
_SHARDS, _FEWEST = 64, 250  # small sets are cut, too, so that many workers have work, and little is lost by a stop
_PROGRESS = "progress"
_BETWEEN_COUNTS = 256  # images of a shard between two reports of progress
_SHOWN = 3


class _Stopped(Exception):
    """Told to a worker whose shard nobody wants any more."""


@dataclass(frozen=True)
class PrepareRecipe:
    """What is prepared, and how.

    Attributes:
        reader: The kind of source, a name of the catalogue's family ``reader``.
        path: Where it is stored.
        decoding: From files to pixels.
        resize: From pixels to one size.
        per_shard: Images per shard; 0 for a 64th of all, but 250 to 10,000, and not more than 256 MiB.
    """

    reader: str
    path: str
    decoding: Decoding
    resize: Resize
    per_shard: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a prepared image."""
        return (1 if self.decoding.colour == "grey" else 3, self.resize.height, self.resize.width)


@dataclass(frozen=True)
class _Piece:
    """The entries of one shard."""

    file: str
    part: Part
    places: Sequence[int]


@dataclass
class _Bench:
    """What the workers share."""

    reader: Reader
    recipe: PrepareRecipe
    classes: dict[str, int]
    folder: Path
    notify: Callable[[int, int], None]
    total: int
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0

    def count(self, pictures: int) -> None:
        with self.lock:
            self.done += pictures
            self.notify(self.done, self.total)

    def too_many(self, bad: int, max_corrupt: float) -> bool:
        """Whether so many images are bad that the set is not to be had."""
        everything = self.total + len(self.reader.faults)
        return bad > max_corrupt * everything or bad == everything


def prepare_images(
    recipe: PrepareRecipe,
    folder: Path,
    *,
    workers: int = 0,
    max_corrupt: float = 0.01,
    notify: Callable[[int, int], None] = lambda done, total: None,
) -> PreparedSet:
    """Prepare a source into ``folder``; a set that is whole is opened, one that was interrupted is finished.

    Arguments:
        recipe: What, and how.
        folder: Where the shards go; missing folders are made.
        workers: Threads; 0 for one per core that this process may use.
        max_corrupt: The share of images that may be unreadable, in [0, 1].
        notify: Called with (images done, images in all) now and then.

    Raises:
        BadData: The source is missing or of another layout, holds no images, or too many of them cannot be read.
        FolderInUse: ``folder`` holds something else.
        StoreError: The disk is full, or the folder cannot be written.
    """
    if (folder / PAGE).exists():
        found = PreparedSet.open(folder)
        if found.page["recipe"] != _said(recipe):
            raise FolderInUse(f"{folder} holds a set that was prepared otherwise; give another folder, or delete it.")
        _check_share(found, recipe, max_corrupt)
        return found
    with closing(open_reader(recipe.reader, recipe.path)) as reader:
        entries = reader.entries
        if not len(entries):
            raise BadData(f"{recipe.path} holds no images. {_first(reader.faults)}".rstrip())
        classes = {name: number for number, name in enumerate(classes_of(reader))}
        pieces = _pieces(entries, recipe)
        _begin(recipe, folder, entries, list(classes))
        bench = _Bench(reader, recipe, classes, folder, notify, len(entries))
        records = _work(bench, pieces, workers or cores(), max_corrupt)
        return _finish(bench, pieces, records, max_corrupt)


def _pieces(entries: Sequence[Entry], recipe: PrepareRecipe) -> list[_Piece]:
    even = max(_FEWEST, -(-len(entries) // _SHARDS))
    per_shard = recipe.per_shard or max(1, min(even, _SHARD_PICTURES, _SHARD_BYTES // math.prod(recipe.shape)))
    places: dict[Part, list[int]] = {part: [] for part in PARTS}
    for place, entry in enumerate(entries):
        places[entry.part].append(place)
    return [
        _Piece(f"{PARTS[part]}-{number:05d}.npy", part, mine[first : first + per_shard])
        for part, mine in places.items()
        for number, first in enumerate(range(0, len(mine), per_shard))
    ]


def _check_share(found: PreparedSet, recipe: PrepareRecipe, max_corrupt: float) -> None:
    """A set that was prepared when more was allowed is held to what is allowed now."""
    bad, everything = int(found.page["bad"]), int(found.page["bad"]) + len(found)
    if bad > max_corrupt * everything:
        raise BadData(
            f"{bad} of {everything} images of {recipe.path} cannot be read, more than max_corrupt={max_corrupt:g} allows. All are "
            f"listed in {found.folder / 'bad.csv'}; repair or remove them, or raise max_corrupt."
        )


def _begin(recipe: PrepareRecipe, folder: Path, entries: Sequence[Entry], classes: Sequence[str]) -> None:
    """See that the folder is free, or begun with the same plan, and that the disk can hold the set."""
    listing = hashlib.sha256()
    for entry in entries:
        listing.update(f"{entry.part}\0{entry.label}\0{entry.name}\n".encode(errors="surrogateescape"))
    said = {"format": FORMAT, "recipe": _said(recipe), "listing": listing.hexdigest(), "classes": classes}
    plan = json.dumps(said).encode()
    begun = folder / _PROGRESS / "plan.json"
    # A stop before the plan was written leaves the folder of progress alone.
    if begun.is_file() or (folder.is_dir() and any(path.name != _PROGRESS for path in folder.iterdir())):
        if not begun.is_file() or begun.read_bytes() != plan:
            raise FolderInUse(
                f"{folder} is not empty, and what is stored there was not begun with this source and these settings; "
                "give another folder, or delete it."
            )
        return
    write_whole(begun, plan, advice="Give a folder on a disk that can be written with --out.")
    needed, free = len(entries) * math.prod(recipe.shape), shutil.disk_usage(folder).free
    if needed > free:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreError(
            f"The prepared images take {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free. "
            "Give a folder on another disk with --out, or a smaller size."
        )


def _work(bench: _Bench, pieces: list[_Piece], workers: int, max_corrupt: float) -> dict[int, dict[str, Any]]:
    """The records of the shards by place; stops early when more images are bad than are allowed."""
    records: dict[int, dict[str, Any]] = {}
    bad = len(bench.reader.faults)
    with ThreadPoolExecutor(workers, thread_name_prefix="prepare") as pool:
        waiting = {pool.submit(_shard, bench, piece): place for place, piece in enumerate(pieces)}
        try:
            while waiting and not bench.too_many(bad, max_corrupt):
                for future in _next(waiting):
                    records[waiting.pop(future)] = record = future.result()
                    bad += len(record["bad"])
        finally:
            bench.stop.set()
            for future in waiting:
                future.cancel()
    return dict(sorted(records.items()))


def _next(waiting: dict[Future[dict[str, Any]], int]) -> set[Future[dict[str, Any]]]:
    return wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED).done


def _shard(bench: _Bench, piece: _Piece) -> dict[str, Any]:
    """Make one shard, or take it as it stands from an interrupted preparation."""
    kept = _kept(bench.folder, piece)
    path = bench.folder / piece.file
    if kept.exists() and path.exists():
        with suppress(ValueError, RecursionError):  # a note that was damaged: the shard is made again
            found = json.loads(kept.read_bytes())
            bench.count(len(piece.places))
            return found
    record: dict[str, Any] = {}
    try:
        replace_whole(path, lambda fresh: record.update(_fill(bench, piece, fresh)))
        write_whole(kept, json.dumps(record).encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}. Free some space and go on.") from error
    return record


def _kept(folder: Path, piece: _Piece) -> Path:
    return folder / _PROGRESS / f"{piece.file}.json"


def _fill(bench: _Bench, piece: _Piece, path: Path) -> dict[str, Any]:
    labels: list[int] = []
    bad: list[tuple[str, str]] = []

    def images() -> Iterator[Pixels]:
        for seen, place in enumerate(piece.places):
            if bench.stop.is_set():
                raise _Stopped
            if seen and seen % _BETWEEN_COUNTS == 0:
                bench.count(_BETWEEN_COUNTS)
            entry = bench.reader.entries[place]
            try:
                pixels = bench.recipe.resize(bench.recipe.decoding(bench.reader.read(place)))
            except BadImage as error:
                bad.append((entry.name, str(error)))
            else:
                labels.append(bench.classes.get(entry.label, -1))
                yield pixels
        bench.count((len(piece.places) - 1) % _BETWEEN_COUNTS + 1)

    count, sha256 = write_shard(path, bench.recipe.shape, images())
    return {"count": count, "sha256": sha256, "labels": labels, "bad": bad}


def _finish(bench: _Bench, pieces: list[_Piece], found: dict[int, dict[str, Any]], max_corrupt: float) -> PreparedSet:
    folder, faults, records = bench.folder, bench.reader.faults, list(found.values())
    bad = [(fault.name, fault.reason) for fault in faults] + [tuple(row) for record in records for row in record["bad"]]
    write_whole(folder / "bad.csv", _table(bad))
    if bench.too_many(len(bad), max_corrupt):
        for place, record in found.items():
            if record["bad"]:  # so that what is repaired is read again
                _kept(folder, pieces[place]).unlink(missing_ok=True)
        seen = "" if len(records) == len(pieces) else f" after {bench.done} of them"
        raise BadData(
            f"{len(bad)} of {bench.total + len(faults)} images of {bench.recipe.path} cannot be read{seen}, more than max_corrupt={max_corrupt:g} "
            f"allows. {_first([Fault(*row) for row in bad])} All are listed in {folder / 'bad.csv'}; repair or remove them, "
            "or raise max_corrupt."
        )
    labels = np.asarray([label for record in records for label in record["labels"]], dtype=np.int32)
    stream = io.BytesIO()
    np.save(stream, labels)
    write_whole(folder / "labels.npy", stream.getvalue())
    shards = [
        ShardRecord(piece.file, piece.part, record["count"], record["sha256"])
        for piece, record in zip(pieces, records, strict=True)
    ]
    page = {
        "format": FORMAT,
        "shape": list(bench.recipe.shape),
        "pictures": len(labels),
        "bad": len(bad),
        "classes": list(bench.classes),
        "recipe": _said(bench.recipe),
        "source": dict(bench.reader.facts),
        "shards": [asdict(shard) for shard in shards],
        "labels_sha256": file_digest(folder / "labels.npy"),
    }
    write_whole(folder / PAGE, json.dumps(sealed(json.loads(json.dumps(page))), indent=1).encode())
    shutil.rmtree(folder / _PROGRESS, ignore_errors=True)
    return PreparedSet.open(folder)


def _said(recipe: PrepareRecipe) -> dict[str, Any]:
    """A recipe as JSON gives it back."""
    return json.loads(json.dumps(asdict(recipe)))


def _first(faults: Sequence[Fault]) -> str:
    shown = "; ".join(f"{fault.name}: {fault.reason}" for fault in faults[:_SHOWN])
    return f"The first: {shown}." if faults else ""


def _table(rows: Sequence[tuple[str, ...]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([("image", "reason"), *rows])
    return stream.getvalue().encode(errors="surrogateescape")
