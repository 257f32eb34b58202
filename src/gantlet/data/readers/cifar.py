"""CIFAR-10 and CIFAR-100 as their authors publish them: binary, or pickled for Python; a folder or the archive.

Legend: ``N`` images of 3 x 32 x 32 pixels.

Reference:
    | Learning multiple layers of features from tiny images (Krizhevsky, 2009),
      https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gantlet.data.byte_ranges import decompressed
from gantlet.data.files import read_bytes
from gantlet.errors import BadData

from .base import Part
from .layout import check_folder, part_of, settled
from .pickles import load_pickle
from .stacks import ArrayStack, StackReader, as_pixels, named_labels
from .tar_files import tar_members

__all__ = ["CifarReader"]

_SHAPE = (3, 32, 32)
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


@dataclass(frozen=True)
class _Layout:
    """Files that belong together."""

    files: Sequence[str]
    classes: str  # the file that names the classes
    labels: int = 0  # bytes before the pixels of a binary record; the last of them is the label


_LAYOUTS = (
    _Layout([f"{name}.bin" for name in _BATCHES], "batches.meta.txt", 1),
    _Layout(["train.bin", "test.bin"], "fine_label_names.txt", 2),
    _Layout(_BATCHES, "batches.meta"),
    _Layout(["train", "test"], "meta"),
)
_KNOWN = frozenset(name for layout in _LAYOUTS for name in (*layout.files, layout.classes))
_LARGEST, _LARGEST_IN_ALL = 2**29, 2**31  # bytes of one file (CIFAR-100's train has 155 million) and of an archive
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_WANTED = "CIFAR's data_batch_1 … data_batch_5 and test_batch, or train and test (of Python, or .bin)"


class CifarReader(StackReader):
    """A folder or ``.tar.gz`` of CIFAR-10 or CIFAR-100, binary or pickled, or one pickled dictionary with ``data``.

    Part: ``data_batch_…`` and ``train`` are train, ``test_batch`` and ``test`` are test; of one pickle, from its name.
    Label: the class (of CIFAR-100 the fine one), by its name in ``batches.meta``, ``meta`` or
    ``fine_label_names.txt`` if that is beside it, else by its number; none in a pickle without labels.
    Pickles are read by :func:`gantlet.data.readers.pickles.load_pickle`, which runs nothing that a file brings.

    Raises:
        BadData: Files that are missing, wrong, or disagree with each other.
    """

    marks: ClassVar[tuple[str, ...]] = ("data_batch*", "*/data_batch*", "batches.meta*", "*/batches.meta*")

    def __init__(self, path: str) -> None:
        place = Path(path).expanduser()
        if place.is_file() and not place.name.lower().endswith(_ARCHIVES):
            stacks = [_pickled(read_bytes(place).tobytes(), str(place), "", [])]
            layout = "pickle"
        else:
            stacks, layout = _published(_files(place), str(place))
        self.hold(stacks, layout)


def _published(files: Mapping[str, bytes], source: str) -> tuple[list[ArrayStack], str]:
    layout = next((layout for layout in _LAYOUTS if any(name in files for name in layout.files)), None)
    if layout is None:
        raise BadData(f"{source} holds none of {_WANTED}.")
    missing = [name for name in layout.files if name not in files]
    if missing:
        raise BadData(f"{source} lacks {', '.join(missing)}; get the whole set again.")
    classes = _classes(files[layout.classes], f"{source}/{layout.classes}") if layout.classes in files else []
    stacks: list[ArrayStack] = []
    for name in layout.files:
        content, where, short = files[name], f"{source}/{name}", name.removesuffix(".bin")
        made = _binary(content, where, short, classes, layout.labels) if layout.labels else None
        stacks.append(made or _pickled(content, where, short, classes))
    return stacks, f"CIFAR, {'binary' if layout.labels else 'pickled'}"


def _binary(content: bytes, source: str, name: str, classes: Sequence[str], width: int) -> ArrayStack:
    """Records of one or two labels and the pixels, channel by channel."""
    size = width + int(np.prod(_SHAPE))
    if not content or len(content) % size:
        raise BadData(
            f"{source} has {len(content)} bytes, which is not a multiple of {size}: it is truncated or of another layout."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = named_labels(records[:, width - 1], classes, count=len(records), source=source)
    pixels = records[:, width:].reshape(-1, *_SHAPE)
    return ArrayStack(name, np.moveaxis(pixels, 1, 3), labels, _part(source))


def _pickled(content: bytes, source: str, name: str, classes: Sequence[str]) -> ArrayStack:
    """A dictionary of ``data`` ``[N, 3072]`` (or with its sizes) and ``labels`` or ``fine_labels``."""
    batch = load_pickle(content, source)
    data = batch.get("data")
    if not isinstance(data, np.ndarray):
        raise BadData(f"{source} holds no array 'data'; its keys are: {', '.join(batch)[:200] or 'none'}.")
    if data.ndim == 2 and data.shape[1] == np.prod(_SHAPE):
        data = data.reshape(-1, *_SHAPE)
    pixels = as_pixels(data, f"{source}: 'data'")
    codes = next((batch[key] for key in ("fine_labels", "labels", "y") if key in batch), None)
    labels = None
    if codes is not None:
        labels = named_labels(_whole_numbers(codes, source), classes, count=len(pixels), source=source)
    return ArrayStack(name, pixels, labels, _part(source))


def _part(source: str) -> Part:
    name = Path(source).stem
    return "train" if name.startswith("data_batch") else settled([part_of(name)])[0] or ""


def _whole_numbers(codes: Any, source: str) -> NDArray[Any]:
    if isinstance(codes, np.ndarray):
        return codes
    if isinstance(codes, list) and all(type(code) is int and -1 <= code < 2**31 for code in codes):
        return np.array(codes, np.int64)
    raise BadData(f"{source} holds labels that are not a list of whole numbers.")


def _classes(content: bytes, source: str) -> list[str]:
    """The classes in order: lines of text, or ``label_names`` or ``fine_label_names`` of a pickled dictionary."""
    if source.endswith(".txt"):
        return [line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    meta = load_pickle(content, source)
    names = next((meta[key] for key in ("fine_label_names", "label_names") if key in meta), None)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise BadData(f"{source} holds no list 'label_names'; its keys are: {', '.join(meta)[:200] or 'none'}.")
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]


def _files(place: Path) -> dict[str, bytes]:
    """The content of CIFAR's files by name, from an archive, a folder, or the folder in it that the archive makes."""
    if place.is_file():
        return _unpacked(place)
    check_folder(place, wanted=_WANTED)
    folders = [place, *(folder for folder in sorted(place.iterdir()) if folder.name.startswith("cifar"))]
    for folder in folders:
        found = [name for name in sorted(_KNOWN) if (folder / name).is_file()]
        if found:
            return {name: read_bytes(folder / name).tobytes() for name in found}
    return {}


def _unpacked(archive: Path) -> dict[str, bytes]:
    """CIFAR's files in an archive, read into memory; whatever else it holds is skipped."""
    found: dict[str, bytes] = {}
    packed, _, damage = decompressed(archive, most=_LARGEST_IN_ALL)
    if damage:
        raise BadData(f"{archive} is truncated or damaged ({damage}); get it again.")
    for member in tar_members(packed):
        name = member.name.decode("utf-8", "backslashreplace").rpartition("/")[2]
        if name not in _KNOWN or member.fault:
            continue
        if member.length > _LARGEST or name in found:
            raise BadData(f"{archive}: {name} is there twice, or larger than {_LARGEST} bytes.")
        found[name] = packed.read(member.offset, member.length)
    return found
