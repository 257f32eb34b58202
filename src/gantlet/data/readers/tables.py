"""Tables with a column of images: Parquet, and the folders of Hugging Face's ``datasets``; by PyArrow alone.

Reference:
    | Apache Parquet, https://parquet.apache.org/docs/file-format/
    | Datasets: a community library for natural language processing (Lhoest et al., 2021),
      https://arxiv.org/abs/2109.02846
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData, BadImage

from .base import Entry, Fault, Part, Raw
from .layout import Consecutive, LazyEntries, Said, check_folder, part_of, read_text, settled
from .stacks import Labels, named_labels

if TYPE_CHECKING:
    from .table_columns import Columns
    from .table_files import TableFile

__all__ = ["TableReader"]

_MOST_GROUPS = 4  # row groups that stay in memory
_WANTED = "Parquet files, or a folder that Hugging Face's save_to_disk wrote"


@dataclass(frozen=True)
class _File:
    """A table, where its images and labels stand, and to which part it belongs."""

    name: str
    table: TableFile
    columns: Columns
    labels: Labels | None
    part: Part


class TableReader:
    """A Parquet file, a folder of them (as on the hub), or a folder written by ``save_to_disk`` of ``datasets``.

    Images: the column that the schema calls an Image, else the only one of the usual names or forms: encoded bytes,
    a struct of ``bytes`` and ``path``, or nested lists of pixels [H, W] or [H, W, C]. Part: from the split's, file's
    or folder's name; validation is the test part where there is no other, else it is left out. Label: the column
    ``label`` (or ``labels``, ``fine_label``, ``class``, …), by its class names where the schema has them.
    Rows are read by row group, of which four stay in memory.

    Raises:
        BadData: No table there, one that is truncated or corrupt, without images, or with labels that have no name.
    """

    endings: ClassVar[tuple[str, ...]] = (".parquet",)

    def __init__(self, path: str) -> None:
        found = _found(Path(path).expanduser())
        parts = settled([said for _, said, _ in found])
        kept: list[tuple[Path, Part, bool]] = [
            (file, part, stream) for (file, _, stream), part in zip(found, parts, strict=True) if part is not None
        ]
        root = Path(path).expanduser()
        self._files = [_opened(file, root, part, stream=stream) for file, part, stream in kept]
        self._turns = Consecutive(len(file.table.groups) for file in self._files)
        if not len(self._turns):
            raise BadData(f"{path}: the tables hold no rows.")
        self._groups: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._lock = threading.Lock()
        self.entries: Sequence[Entry] = LazyEntries(len(self._turns), self._entry)
        self.faults: Sequence[Fault] = ()
        self.facts: Mapping[str, Any] = {
            "format": "tables",
            "files": len(self._files),
            "files_left_out": len(found) - len(kept),
            "images": len(self._turns),
            "column": self._files[0].columns.picture,
        }

    def read(self, place: int) -> Raw:
        """The encoded file or the pixels in the row of ``entries[place]``.

        Raises:
            BadImage: The row is empty, holds only a path, or its group cannot be read.
        """
        import pyarrow as pa  # ships no types: columns and schemas are Any

        number, row = self._turns.find(place)
        with self._lock:
            group, within = self._files[number].table.groups.find(row)
            column = self._group(number, group)
            try:
                value = column[within].as_py()
            except (pa.ArrowException, ValueError, OSError, UnicodeDecodeError, IndexError) as error:
                raise BadImage(f"its row cannot be read ({_short(error)})") from error
        return _raw(value)

    def close(self) -> None:
        """Let go of the tables."""
        with self._lock:
            self._groups.clear()
            for file in self._files:
                file.table.close()

    def _group(self, number: int, group: int) -> Any:
        """The images of a row group, from the few that were read last."""
        import pyarrow as pa

        key = (number, group)
        if key not in self._groups:
            file = self._files[number]
            try:
                self._groups[key] = file.table.read_group(group, file.columns.picture)
            except (pa.ArrowException, ValueError, OSError, MemoryError) as error:
                raise BadImage(f"its row group cannot be read ({_short(error)})") from error
            while len(self._groups) > _MOST_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]

    def _entry(self, place: int) -> Entry:
        number, row = self._turns.find(place)
        file = self._files[number]
        label = "" if file.labels is None else file.labels[row]
        return Entry(f"{file.name}/{row}" if len(self._files) > 1 else str(row), label, file.part)


def _found(path: Path) -> list[tuple[Path, Said, bool]]:
    """Files of tables, what their names say of the part, and whether each is an Arrow stream."""
    if path.is_file():
        return [(path, part_of(path.stem), path.suffix == ".arrow")]
    check_folder(path, wanted=_WANTED)
    if (path / "dataset_dict.json").is_file():
        splits = _json(path / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or not splits:
            raise BadData(f"{path / 'dataset_dict.json'} names no splits.")
        return [file for split in splits for file in _saved(path / str(split), part_of(str(split)))]
    if (path / "state.json").is_file():
        return _saved(path, "")
    files = sorted(file for file in path.rglob("*.parquet") if file.is_file())
    if not files:
        raise BadData(f"{path} holds no tables; expected {_WANTED}.")
    return [(file, part_of(file.stem, file.parent.name if file.parent != path else ""), False) for file in files]


def _saved(folder: Path, said: Said) -> list[tuple[Path, Said, bool]]:
    """The streams of one split, as its ``state.json`` lists them."""
    state = _json(folder / "state.json")
    listed = state.get("_data_files")
    names: list[Any] = (
        [entry.get("filename") if isinstance(entry, dict) else None for entry in listed]
        if isinstance(listed, list)
        else []
    )
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise BadData(f"{folder / 'state.json'} lists no data files.")
    if state.get("_indices_data_files"):
        raise BadData(f"{folder} holds a selection by indices; call flatten_indices() before save_to_disk().")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadData(f"{folder}: {len(missing)} of {len(names)} data files are missing, the first is {missing[0]}.")
    split = state.get("_split")
    return [(folder / name, said or part_of(split if isinstance(split, str) else ""), True) for name in names]


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise BadData(f"{file} is not JSON ({error}).") from None
    if not isinstance(found, dict):
        raise BadData(f"{file} holds a {type(found).__name__}; expected an object.")
    return found


def _opened(file: Path, root: Path, part: Part, *, stream: bool) -> _File:
    from .table_columns import columns_of
    from .table_files import ArrowTable, ParquetTable

    table = ArrowTable(file) if stream else ParquetTable(file)
    columns = columns_of(table.schema, str(file))
    labels = None
    if columns.label:
        labels = _labels(table.read_labels(columns.label), columns.classes, f"{file}: the column '{columns.label}'")
    name = file.relative_to(root).as_posix() if file != root else file.name
    return _File(name, table, columns, labels, part)


def _labels(column: Any, classes: Sequence[str], source: str) -> Labels:
    """Codes of a column of whole numbers or of words."""
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        codes: NDArray[Any] = column.cast(pa.int64()).fill_null(-1).to_numpy()
        return named_labels(codes, classes, count=len(column), source=source)
    table: dict[str, int] = {}
    words = (word.as_py() for word in column)
    coded = np.fromiter((table.setdefault(word, len(table)) if word else -1 for word in words), np.int64, len(column))
    return Labels(coded, list(table))


def _raw(value: Any) -> Raw:
    """A cell as an encoded file or as pixels."""
    if isinstance(value, dict):
        if value.get("bytes") is None and value.get("path"):
            raise BadImage("its row holds a path, but not the image itself")
        value = value.get("bytes")
    if value is None or not len(value):
        raise BadImage("its row is empty")
    if isinstance(value, bytes):
        return value
    try:
        pixels = np.array(value, dtype=np.uint8)
    except (ValueError, TypeError, OverflowError):
        raise BadImage("its rows of pixels are not equally long, or are not 0 to 255") from None
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, 2))
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))):
        raise BadImage(f"its pixels have the shape {list(pixels.shape)}; expected [H, W], [H, W, C] or [C, H, W]")
    return pixels


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:150]
