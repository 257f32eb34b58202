"""What ``GAN`` is given: arrays, whole numbers, and folders to write to; whatever is wrong with them is said in one sentence.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

import json
import logging
import operator
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gantlet.data.array_files import as_float32, check_rounding
from gantlet.errors import BadData, BadValue, FolderInUse

__all__ = ["as_samples", "check_place", "earlier_name", "sklearn_tags", "whole_number"]

_LOG = logging.getLogger("gantlet")

_F = TypeVar("_F", bound=Callable[..., Any])
_ROUNDING = 1e-4  # how far beyond [-1, 1] a pixel may lie, as resizing leaves it
_DARK = -0.5  # a quarter of the way from black to white
_KINDS = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}
"""Types of numbers by the kind that NumPy and pandas call them by."""
_NAMES = {"tensors.safetensors", "state.json"}
_BESIDE = (".old", ".new", ".gone")  # behind the folder's name: what writing a checkpoint deletes
_LARGEST = 1 << 28  # bytes of a state


def as_samples(x: npt.ArrayLike | Tensor, caller: str) -> Tensor:
    """Points ``[N, d]`` or images ``[N, C, H, W]`` as float32, checked; ``[N]`` and ``[N, H, W]`` get the axis that they lack.

    Example:
        >>> as_samples([1, 2, 3], "fit").tolist()
        [[1.0], [2.0], [3.0]]

    Raises:
        BadData: The wrong rank, range or type, no samples, values that are masked, complex or not finite, images of one value, or numbers of
            which float32 keeps too few digits to train on.
    """
    if hasattr(x, "iloc") and hasattr(x, "items") and getattr(x, "ndim", 0) == 2:
        return _frame(x, caller)
    values = _array(x, caller)
    shape = list(values.shape)
    if values.ndim not in (1, 2, 3, 4):
        raise BadData(f"{caller} wants points [N, d] or images [N, C, H, W]; this is {shape}.")
    if not values.size:
        raise BadData(f"{caller} was given no samples: {shape}.")
    if not bool(np.isfinite(values).all()):
        raise BadData(f"{caller} was given values that are not finite. Remove or fill them first.")
    narrow = as_float32(values, f"The array that {caller} was given")
    if caller == "fit" and values.ndim <= 2:
        check_rounding(values, narrow, "The array that fit was given")
    samples = torch.from_numpy(narrow.copy() if narrow is x or not narrow.flags.writeable else narrow)
    if samples.dim() in (1, 3):
        samples = samples.unsqueeze(1)  # one column, or grey images
    if samples.dim() == 4 and samples.shape[1] not in (1, 3):
        raise BadData(f"{caller} was given images with {samples.shape[1]} channels; expected 1 or 3, as [N, C, H, W].")
    low, high = (float(end) for end in samples.aminmax())
    if samples.dim() == 4 and max(-low, high) > 1 + _ROUNDING:
        scale = "Give x / 127.5 - 1" if low >= 0 and high <= 255 else "Scale them first"
        sequences = " A sequence [N, T, F] is not an image: flatten it to [N, T·F]." if len(shape) == 3 else ""
        raise BadData(f"{caller} was given pixels from {low:g} to {high:g}; expected [-1, 1]. {scale}.{sequences}")
    if samples.dim() == 4 and caller == "fit":
        _check_light(low, high)
    return samples


def _frame(x: Any, caller: str) -> Tensor:  # -> [N, d]
    """The columns of a pandas data frame, each of a type of its own, side by side."""
    columns: list[Tensor] = []
    for name, column in x.items():
        try:
            kind = _KINDS.get(getattr(column.dtype, "kind", ""))
            if kind is not None and bool(column.isna().any()):
                raise BadData("it has missing values. Fill in or leave out what is missing.")
            # By the kind: NumPy gets objects of columns that can have missing values, as Int64.
            columns.append(as_samples(np.asarray(column) if kind is None else column.to_numpy(dtype=kind), caller))
        except BadData as error:
            raise BadData(f"Column '{name}' of the data frame: {error}") from error
    if not columns:
        raise BadData(f"{caller} was given no samples: {list(x.shape)}.")
    return torch.cat(columns, dim=1)


def _check_light(low: float, high: float) -> None:
    """Say of images in [-1, 1] that they seem to be in [0, 1], or that they are nearly black.

    Raises:
        BadData: All pixels are equal.
    """
    if low == high:
        raise BadData(f"fit was given images of which every pixel is {low:g}: there is nothing to learn.")
    seen = f"note: fit was given pixels from {low:g} to {high:g} and takes them as they are."
    if low >= 0:
        _LOG.warning("%s If they are in [0, 1], give 2 * x - 1, in which samples come back, too.", seen)
    elif high < _DARK:
        _LOG.warning("%s In [-1, 1] they look black, and so will samples: scale them to fill it.", seen)


def _array(x: npt.ArrayLike | Tensor, caller: str) -> npt.NDArray[Any]:
    """Real numbers, of any precision."""
    parts: Any = x if isinstance(x, (list, tuple)) else (x,)
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise BadData(
            f"{caller} was given a masked array. Fill or drop what is masked first, or it would be taken for data."
        )
    try:
        if isinstance(x, Tensor) and x.is_complex():
            values = np.zeros(0, dtype=complex)
        elif isinstance(x, Tensor):  # NumPy knows no bfloat16
            values = (
                (x.detach().float() if x.is_floating_point() and x.dtype != torch.float64 else x.detach()).cpu().numpy()
            )
        else:
            values = np.asarray(x)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # ragged lists; tensors that are sparse, nested or without data
        reason = " ".join(str(error).split()).rstrip(".")
        raise BadData(f"{caller} wants an array of numbers: {reason}.") from error
    if values.dtype.kind == "c":
        raise BadData(
            f"{caller} was given complex numbers. Give real ones, such as real and imaginary part as two columns."
        )
    if values.dtype.kind in "OU" and not values.ndim:
        hint = " Give its toarray()." if hasattr(x, "toarray") else ""
        raise BadData(
            f"{caller} wants an array of numbers: a NumPy array, a tensor, or a data frame; a {type(x).__name__} came.{hint} Files "
            "are read by gantlet.run('points:FILE', …) or gantlet.run('folder:PATH', …)."
        )
    if values.dtype.kind not in "biuf":
        raise BadData(
            f"{caller} wants an array of numbers; values of the type {values.dtype} came. Leave out or encode what is no number, "
            "then convert the rest, as with .astype(float)."
        )
    return values


def sklearn_tags() -> Any:
    """What scikit-learn (from 1.6 on), which alone asks, wants to know of an estimator: one of densities, without targets."""
    from sklearn.utils import InputTags, Tags, TargetTags

    # Arrays of more than two dimensions are images.
    inputs = InputTags(two_d_array=True, three_d_array=True)
    return Tags("density_estimator", TargetTags(required=False), input_tags=inputs)


def whole_number(name: str, value: object, *, low: int | None = 0, below: int = 1 << 63) -> int:
    """A whole number that an argument of Python gave: 3, or NumPy's.

    ``low=None`` takes what 64 bits with a sign hold, as seeds.

    Example:
        >>> whole_number("n", np.int64(3))
        3

    Raises:
        BadValue: It is none, or out of its range.
    """
    try:
        number = operator.index(value)  # pyright: ignore[reportArgumentType] - that is the question
    except TypeError:
        raise BadValue(f"{name}={value!r} is not a whole number.") from None
    low = -(1 << 63) if low is None else low
    if not low <= number < below:
        raise BadValue(f"{name}={number} is out of range: expected {low} ≤ {name} < {below}.")
    return number


def earlier_name(old: str, new: str) -> Callable[[_F], _F]:
    """Let a function take an argument by its earlier name, too, with a note of the new one.

    Example:
        >>> earlier_name("count", "n")(lambda n=1: 2 * n)(n=3)
        6
    """

    def wrapped(function: _F) -> _F:
        @wraps(function)
        def called(*args: Any, **given: Any) -> Any:
            if old in given:
                if new in given:
                    raise BadValue(f"{old}= and {new}= are one argument, given twice. Keep {new}=.")
                _LOG.warning("note: %s= is read as %s=", old, new)
                given[new] = given.pop(old)
            return function(*args, **given)

        return cast(_F, called)

    return wrapped


def check_place(folder: Path) -> None:
    """See that a GAN may be saved here: nothing is here, an empty folder, or a GAN that was saved, which is replaced.

    Raises:
        BadValue: It has no name of its own.
        FolderInUse: Something else would be replaced, here or under the names that a checkpoint's older states have beside it.
    """
    if folder.name in ("", ".."):
        raise BadValue(f"save wants the name of a folder; {str(folder)!r} was given. Write for example 'my-gan'.")
    beside = [folder.with_name(folder.name + ending) for ending in _BESIDE]
    for place in (folder, *beside):
        if not _replaceable(place, whole=place == folder):
            raise FolderInUse(
                f"{place} is something else than a GAN that was saved; nothing was written. Give save the name of a folder that is "
                "not there yet."
            )


def _replaceable(place: Path, *, whole: bool) -> bool:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return False
    names = {entry.name for entry in place.iterdir()} if place.exists() else set[str]()
    if not names or not whole:
        return names <= _NAMES
    state = place / "state.json"
    try:
        held = json.loads(state.read_bytes()) if state.is_file() and state.stat().st_size <= _LARGEST else {}
    except (ValueError, RecursionError):
        return names <= _NAMES  # a GAN whose state is damaged
    return names <= _NAMES and isinstance(held, dict) and "gan" in held
