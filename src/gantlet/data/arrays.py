"""The user's own arrays: points of any dimension, and images of any size, grey or colour.

Legend: ``N`` samples, ``d`` dimensions, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.errors import BadData
from gantlet.settings import setting

from .array_files import read_array
from .base import Dataset
from .files import named_path
from .pool import split, to_unit_range, with_facts

__all__ = ["Images", "Points"]

_ROUNDING = 1e-4  # how far beyond its range a floating-point image may lie, as resizing leaves it


@dataclass(frozen=True)
class Points:
    """Points ``[N, d]`` of the user's own, from a .npy, .npz or .csv file; ``[N]`` is read as ``[N, 1]``."""

    data_path: str = setting("", "the file: .npy, .npz or .csv, one row per point")
    test_share: float = setting(0.2, "share of the points that is held out", above=0, below=1)
    data_seed: int = setting(1, "seed of the split; the same for every member", low=0)
    standardise: bool = setting(False, "shift and scale each column to mean 0 and variance 1")

    def load(self) -> Dataset:
        """Read and split the file.

        Raises:
            BadData: No file was given, it is missing or wrong, it holds no points, or too few of them.
        """
        path = named_path(self.data_path, data="points", wanted="FILE (.npy, .npz or .csv)")
        values = read_array(path)
        if values.ndim > 2:
            raise BadData(
                f"{path} has the shape {list(values.shape)}, but points are [N, d]; "
                "for images use the task named 'images' instead of 'points'."
            )
        points = _as_float32(values.reshape(len(values), -1), str(path))
        parts = split(len(points), test_share=self.test_share, data_seed=self.data_seed, source=str(path))
        train, test = points[parts.train], points[parts.test]
        moments: dict[str, Any] = {}
        if self.standardise:
            mean, deviation = _moments(train, str(path))  # [d], [d]
            train, test = ((part - mean).div(deviation).float() for part in (train, test))
            moments = {"mean": mean.tolist(), "standard_deviation": deviation.tolist()}
        made = Dataset(
            train=train,
            test=test,
            mean=tuple(moments.get("mean", ())),
            deviation=tuple(moments.get("standard_deviation", ())),
        )
        return with_facts(made, source=f"points in {path}", **moments)


@dataclass(frozen=True)
class Images:
    """Images of the user's own from a .npy or .npz file, as ``[N, C, H, W]`` in [-1, 1].

    The file holds ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]`` with one or three channels, H and W may
    differ; the pixels are uint8 in 0..255, or floating point in [0, 1] or [-1, 1] (a value below 0 means the
    latter). The facts state what was found.
    """

    data_path: str = setting("", "the file: .npy or .npz")
    test_share: float = setting(0.2, "share of the images that is held out", above=0, below=1)
    data_seed: int = setting(1, "seed of the split; the same for every member", low=0)

    def load(self) -> Dataset:
        """Read and split the file.

        Raises:
            BadData: No file was given, it is missing or wrong, it holds no images, or too few of them.
        """
        path = named_path(self.data_path, data="images", wanted="FILE (.npy or .npz)")
        values, layout = _channels_first(read_array(path), str(path))
        images, scale = _scaled(values, str(path))
        parts = split(len(images), test_share=self.test_share, data_seed=self.data_seed, source=str(path))
        data = Dataset(train=images[parts.train], test=images[parts.test])
        return with_facts(data, source=f"images in {path}", layout=layout, scaled_from=scale)


def _as_float32(values: NDArray[Any], source: str) -> Tensor:
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, dtype=np.float32, order="C")
    if not np.isfinite(narrow).all():
        raise BadData(f"{source} holds values beyond ±3.4e38, the range of float32; rescale them.")
    return torch.from_numpy(narrow)


def _moments(train: Tensor, source: str) -> tuple[Tensor, Tensor]:  # [N, d] -> [d], [d] float64
    wide = train.double()
    deviation = wide.std(0, correction=0)
    constant = (train == train[0]).all(0).nonzero()
    if len(constant):
        raise BadData(
            f"{source}: column {int(constant[0])}, counted from 0, is {float(train[0, constant[0]]):g} in "
            "every training point and cannot be standardised; leave it out."
        )
    return wide.mean(0), deviation


def _channels_first(values: NDArray[Any], source: str) -> tuple[NDArray[Any], str]:
    """The images as ``[N, C, H, W]``, and the layout that was found."""
    shape = list(values.shape)
    if values.ndim == 3 and shape[2] > 4:
        return values[:, None], "[N, H, W]"
    if values.ndim != 4:
        hint = {2: " For points use the task 'points'.", 3: " One image alone is not a data set."}
        raise BadData(
            f"{source} has the shape {shape}; images are [N, H, W], [N, C, H, W] or [N, H, W, C] "
            f"with 1 or 3 channels.{hint.get(values.ndim, '')}"
        )
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise BadData(f"{source} has the shape {shape}, with channels first or last; pad the images.")
    if first:
        return values, "[N, C, H, W]"
    if last:
        return np.moveaxis(values, 3, 1), "[N, H, W, C]"
    if 4 in (shape[1], shape[3]):
        raise BadData(
            f"{source} has four channels ({shape}): transparency is no colour that a generator could show. "
            "Blend the images onto a background and save three."
        )
    raise BadData(f"{source} has the shape {shape}; expected [N, C, H, W] or [N, H, W, C], C = 1 or 3.")


def _scaled(values: NDArray[Any], source: str) -> tuple[Tensor, str]:
    """The images as float32 in [-1, 1], and the scale that was found."""
    low, high = values.min(), values.max()
    if values.dtype == np.uint8:
        if high <= 1:
            raise BadData(f"{source} has 8-bit pixels up to {high}, not 255; save 0 and 1 as floating point.")
        return to_unit_range(torch.from_numpy(np.ascontiguousarray(values))), "8-bit, 0..255"
    if values.dtype.kind != "f":
        raise BadData(f"{source} holds pixels of the type {values.dtype}; expected uint8 or floating point.")
    if low < -1 - _ROUNDING or high > 1 + _ROUNDING:
        hint = " Divide by 255, or save as uint8." if low >= 0 and high <= 255 else ""
        raise BadData(f"{source} has pixels from {low:g} to {high:g}; expected [0, 1] or [-1, 1].{hint}")
    pixels = _as_float32(values, source)
    if low < -_ROUNDING:
        return pixels.clamp(-1, 1), "floating point, [-1, 1]"
    return pixels.clamp(0, 1).mul(2).sub(1), "floating point, [0, 1]"
