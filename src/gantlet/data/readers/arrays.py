"""Arrays of pixels: the idx files of MNIST and its kin, and NumPy's ``.npy`` and ``.npz``.

Legend: ``N`` images, ``H`` x ``W`` pixels, ``C`` channels.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
    | EMNIST: an extension of MNIST to handwritten letters (Cohen, Afshar, Tapson, van Schaik, 2017),
      https://arxiv.org/abs/1702.05373
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.array_files import NpzFile, map_array
from gantlet.data.files import check_file
from gantlet.data.idx_files import bytes_of_rank
from gantlet.errors import BadData

from .base import Part
from .float_pixels import FloatPixels, float_pixels
from .layout import check_folder, part_of, read_text, settled
from .stacks import ArrayStack, Labels, StackReader, as_pixels, channels_last, layout_of, named_labels

__all__ = ["ArrayReader", "IdxReader", "image_keys", "label_key"]

_IDX = re.compile(r"(?P<prefix>.*?)-?(?P<part>train|t10k|test)-(?P<what>images|labels)[-.]idx[13]-ubyte(\.gz)?")
_WANTED = "train-images-idx3-ubyte and its kin (plain or .gz)"


class IdxReader(StackReader):
    """A folder of idx files: grey images ``[H, W]``.

    Part: ``train-…`` is train, ``t10k-…`` and ``test-…`` are test; one of the two may be missing.
    Label: the number in the labels file, or its character where a ``…-mapping.txt`` of EMNIST is beside it; none
    without a labels file. EMNIST's files are stored transposed and are turned upright. A folder of several sets
    (``emnist-balanced-…``, ``emnist-letters-…``) is given with the set's name, as ``FOLDER/emnist-balanced``.

    Raises:
        BadData: No such files, files of several sets, or files that are wrong or disagree with each other.
    """

    marks = ("*idx3-ubyte*",)

    def __init__(self, path: str) -> None:
        folder, prefix = _folder_and_prefix(Path(path).expanduser())
        files = _idx_files(folder)
        found = {key[0] for key in files} if prefix is None else {prefix}
        if len(found) != 1:
            several = ", ".join(sorted(found))
            raise BadData(f"{folder} holds several sets of idx files ({several}); name one, as {folder}/{max(found)}.")
        (name,) = found
        stacks = [_idx_stack(files, name, part) for part in _idx_parts(files, name, folder)]
        self.hold(stacks, "idx files", title=f"idx files in {path}")

    @staticmethod
    def files_of(path: str) -> list[str]:
        """A folder, or the files of the set that a path names in one."""
        named = [] if os.path.isdir(path) else sorted(glob.glob(f"{glob.escape(path)}-*"))
        return named or [path]


def _folder_and_prefix(path: Path) -> tuple[Path, str | None]:
    """The folder, and the set in it that the path names, if it names one."""
    if not path.is_dir() and path.parent.is_dir() and any(path.parent.glob(f"{path.name}-*idx*")):
        return path.parent, path.name
    check_folder(path, wanted=_WANTED)
    return path, None


def _idx_files(folder: Path) -> dict[tuple[str, str, str], Path]:
    """Files by (set, part, images or labels); a plain file goes before a packed one."""
    found: dict[tuple[str, str, str], Path] = {}
    for file in sorted(folder.iterdir(), key=lambda file: (len(file.name), file.name)):
        match = _IDX.fullmatch(file.name)
        if match:
            found.setdefault((match["prefix"], match["part"], match["what"]), file)
    if not any(what == "images" for _, _, what in found):
        raise BadData(f"The folder {folder} holds no {_WANTED}.")
    return found


def _idx_parts(files: Mapping[tuple[str, str, str], Path], name: str, folder: Path) -> list[str]:
    parts = [part for part in ("train", "t10k", "test") if (name, part, "images") in files]
    if not parts:
        raise BadData(f"The folder {folder} holds labels of '{name}', but no images: {name}-train-images-idx3-ubyte.")
    for part in ("train", "t10k", "test"):
        if (name, part, "labels") in files and part not in parts:
            wanted = f"{name}-{part}-images-idx3-ubyte".removeprefix("-")
            raise BadData(f"The folder {folder} holds the labels of '{part}', but not its images, {wanted}.")
    return parts


def _idx_stack(files: Mapping[tuple[str, str, str], Path], name: str, part: str) -> ArrayStack:
    file = files[name, part, "images"]
    pixels = bytes_of_rank(file, 3, "images, number × height × width")
    if name.startswith("emnist"):
        pixels = pixels.transpose(0, 2, 1)
    labels = None
    if (name, part, "labels") in files:
        beside = files[name, part, "labels"]
        mapping = file.parent / f"{name}-mapping.txt"
        characters = _characters(mapping) if mapping.exists() else []
        labels = named_labels(bytes_of_rank(beside, 1, "labels"), characters, count=len(pixels), source=str(beside))
    return ArrayStack("train" if part == "train" else "test", pixels, labels, "train" if part == "train" else "test")


def _characters(mapping: Path) -> list[str]:
    """EMNIST's classes by label: each line gives the label and the code of one or two characters."""
    names: dict[int, str] = {}
    try:
        for line in read_text(mapping).splitlines():
            label, *codes = (int(word) for word in line.split()) if line.strip() else (-1,)
            names[label] = "".join(chr(code) for code in codes)
    except (ValueError, OverflowError):
        raise BadData(
            f"{mapping} is not a mapping of EMNIST; expected lines of a label and codes of characters."
        ) from None
    if max(names, default=0) > 255:
        raise BadData(f"{mapping} maps the label {max(names)}; labels are bytes, at most 255.")
    return [names.get(label) or str(label) for label in range(max(names, default=-1) + 1)]


class ArrayReader(StackReader):
    """A ``.npy`` or ``.npz`` file of images, ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]``, C = 1, 3 or 4.

    Pixels are uint8, or floating point in [0, 1] or [-1, 1] (a value below 0 means the latter). A ``.npy`` file of uint8
    is mapped, not loaded. An ``.npz`` file holds one array, or one called ``x``, ``X``, ``images`` or
    ``data``, or one for each part, called ``x_train`` or ``train_images``, and so on.
    Part: from the array's or the file's name (``x_train``, ``faces-test.npy``); validation is the test part where there
    is no other, else it is left out. Label: the number in the array ``y``,
    ``labels`` or ``label`` of the same part (``y_train``, ``train_labels``); none in a ``.npy`` file.

    Raises:
        BadData: A file that is missing, wrong, of another type or shape, or labels that are not as many as images.
    """

    def __init__(self, path: str) -> None:
        file = Path(path).expanduser()
        check_file(file)
        makers = {".npy": _npy_stacks, ".npz": _npz_stacks}
        make = makers.get(file.suffix.lower())
        if make is None:
            raise BadData(f"{file} has the ending '{file.suffix}'; expected .npy or .npz.")
        stacks = make(file)
        name = f"{file.suffix.lower()} file"
        self.hold(stacks, name, title=f"images in {file}", scaled_from=_scale(stacks[0]))


def _npy_stacks(file: Path) -> list[ArrayStack]:
    values = map_array(file)
    part = settled([part_of(file.stem)])[0] or ""
    return [ArrayStack("", _images(values, str(file)), None, part, layout_of(values))]


def _npz_stacks(file: Path) -> list[ArrayStack]:
    arrays = NpzFile(file)
    images = image_keys(arrays.keys, str(file))
    parts = zip(images, settled([part_of(key) or part_of(file.stem) for key in images]), strict=True)
    return [_npz_stack(arrays, key, "" if len(images) == 1 else key, part) for key, part in parts if part is not None]


def _npz_stack(arrays: NpzFile, key: str, name: str, part: Part) -> ArrayStack:
    source = f"{arrays.path}: the array '{key}'"
    values = arrays[key]
    pixels = _images(values, source)
    beside = label_key(arrays.keys, key)
    labels: Labels | None = None
    if beside is not None:
        where = f"{arrays.path}: the array '{beside}'"
        labels = named_labels(arrays[beside], (), count=len(pixels), source=where)
    return ArrayStack(name, pixels, labels, part, layout_of(values))


def _images(values: NDArray[Any], source: str) -> NDArray[np.uint8] | FloatPixels:
    """An array as images ``[N, H, W]`` or ``[N, H, W, C]``, with a hint for what else it may be."""
    shape = list(values.shape)
    hint = {2: " For points use the task 'points'."}.get(values.ndim, "")
    if values.ndim == 3 and shape[2] <= 4 and min(shape[:2]) >= 8:
        hint = " One image alone is not a data set."
    if hint or values.ndim not in (3, 4):
        raise BadData(
            f"{source} has the shape {shape}; images are [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1, 3 or 4.{hint}"
        )
    if values.dtype.kind == "f":
        return float_pixels(channels_last(values, source), source)
    pixels = as_pixels(values, source)
    if all(image.max() <= 1 for image in pixels):
        raise BadData(f"{source} has 8-bit pixels up to {pixels.max()}, not 255; save 0 and 1 as floating point.")
    return pixels


def _scale(stack: ArrayStack) -> str:
    return f"floating point, {stack.pixels.scale}" if isinstance(stack.pixels, FloatPixels) else "8-bit, 0..255"


_IMAGES, _LABELS = ("x", "images", "image", "data"), ("y", "labels", "label", "targets")


def image_keys(keys: Sequence[str], source: str) -> list[str]:
    """Which of an archive's arrays hold images: the only one, or those of the usual names.

    Example:
        >>> image_keys(["y_train", "x_train", "x_test", "y_test"], "mnist.npz")
        ['x_train', 'x_test']

    Raises:
        BadData: None has a usual name, or several would mean the same.
    """
    if len(keys) == 1:
        return list(keys)
    usual = [key for key in keys if _stem(key) in _IMAGES]
    parts = [_words(key)[1] for key in usual]
    if usual and len(set(parts)) == len(parts) and (len(usual) == 1 or all(parts)):
        return usual
    raise BadData(
        f"{source} must hold one array, one called {', '.join(_IMAGES)}, or one for each part, as x_train and x_test; "
        f"it holds: {', '.join(keys)[:200] or 'none'}."
    )


def label_key(keys: Sequence[str], images: str) -> str | None:
    """The array with the labels of the images in ``images``: of a usual name and the same part.

    Example:
        >>> label_key(["y_train", "x_train", "x_test", "y_test"], "x_test")
        'y_test'
    """
    part = _words(images)[1]
    return next((key for wanted in _LABELS for key in keys if _words(key) == (wanted, part)), None)


def _stem(key: str) -> str:
    return _words(key)[0]


def _words(key: str) -> tuple[str, str]:
    """``x_train`` and ``train_images`` as (what, which part)."""
    words = key.lower().split("_")
    part = next((word for word in words if part_of(word)), "")
    return "_".join(word for word in words if word != part), part
