"""The user's own points, of any dimension, from arrays or tables.

Legend: ``N`` samples, ``d`` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import BadData
from gantlet.settings import setting

from .array_files import as_float32, check_rounding, read_array
from .base import Dataset
from .csv_files import NumberTable, read_csv
from .files import check_file, named_path
from .own_files import TABLES
from .parquet_files import read_parquet
from .pool import split, with_facts

__all__ = ["Points"]

_ARRAYS = (".npy", ".npz")
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


@dataclass(frozen=True)
class Points:
    """Points ``[N, d]`` of the user's own, from an array, a text of numbers or a Parquet file; ``[N]`` is read as ``[N, 1]``."""

    data_path: str = setting("", "the file: .npy, .npz, .csv, .tsv, .txt or .parquet, one row per point", path=True)
    test_share: float = setting(0.2, "share of the points that is held out", above=0, below=1)
    data_seed: int = setting(1, "seed of the split; the same for every member", low=0)
    standardise: bool = setting(False, "shift and scale each column to mean 0 and variance 1")

    def load(self) -> Dataset:
        """Read and split the file.

        Raises:
            BadData: No file was given, it is missing or wrong, it holds no points, or too few of them.
        """
        path = named_path(self.data_path, task="points", form="FILE.npy (or .npz, .csv, .tsv, .txt, .parquet)")
        table = _table(path)
        values = table.values
        if values.ndim > 2:
            raise BadData(
                f"{path} has the shape {list(values.shape)}, but points are [N, d]; "
                "for images use the task named 'images' instead of 'points'."
            )
        narrow = as_float32(values.reshape(len(values), -1), str(path))
        check_rounding(values, narrow, str(path), table.columns)
        points = torch.from_numpy(narrow)
        parts = split(len(points), test_share=self.test_share, data_seed=self.data_seed, source=str(path))
        train, test = points[parts.train], points[parts.test]
        data = Dataset(train=train, test=test, columns=table.columns)
        moments: dict[str, Any] = {}
        if self.standardise:
            mean, deviation = _moments(train, str(path))  # [d], [d]
            train, test = ((part - mean).div(deviation).float() for part in (train, test))
            moments = {"mean": mean.tolist(), "standard_deviation": deviation.tolist()}
            data = replace(data, train=train, test=test, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))
        return with_facts(data, source=f"points in {path}", **moments)


def _table(path: Path) -> NumberTable:
    """What a file holds, by its ending."""
    check_file(path)
    ending = path.suffix.lower()
    if ending in TABLES:
        return read_csv(path)
    if ending == ".parquet":
        return read_parquet(path)
    if ending in _ARRAYS:
        return NumberTable(read_array(path))
    *others, last = (*_ARRAYS, *TABLES, ".parquet")
    remedy = "save the sheet as 'CSV UTF-8'" if ending in _SHEETS else "write it as one of them"
    raise BadData(
        f"{path} has the ending '{path.suffix}'; points are read from {', '.join(others)} and {last}: {remedy}."
    )


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
