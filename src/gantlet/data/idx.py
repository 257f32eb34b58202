"""Images in idx files, the format of MNIST and its kin (:mod:`gantlet.data.idx_files` says what that is).

Legend: ``N`` images, ``H`` x ``W`` pixels.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.errors import BadData
from gantlet.settings import setting

from . import idx_files
from .base import Dataset
from .data_dir import find_raw
from .files import named_path
from .pool import LEAST, to_unit_range, with_facts

__all__ = ["IdxImages", "read_idx"]

read_idx = idx_files.read_idx


@dataclass(frozen=True)
class IdxImages:
    """Grey images from a folder with the four usual files, scaled to [-1, 1]: ``[N, 1, H, W]``.

    The files are ``train-images-idx3-ubyte``, ``t10k-images-idx3-ubyte`` and, if there are labels,
    ``train-labels-idx1-ubyte``, ``t10k-labels-idx1-ubyte``. ``.idx`` for ``-idx`` and ``.gz`` at the end
    are accepted. Train and test are split as in the files. ``card`` is the task's, not the user's: the named data set
    that is taken from the data home where no path is given.
    """

    data_path: str = setting("", "the folder that holds the idx files")
    train_size: int = setting(0, "how many training images to keep, from the first on; 0 keeps all", low=0)
    test_size: int = setting(0, "how many test images to keep, from the first on; 0 keeps all", low=0)
    card: str = ""

    def load(self) -> Dataset:
        """Read the files.

        Raises:
            BadData: No folder was given and the data home has none; a file is missing or wrong; files disagree.
        """
        at_home = self.card and not self.data_path.strip()
        folder = find_raw(self.card) if at_home else named_path(self.data_path, data="mnist", wanted="FOLDER")
        if not folder.is_dir():
            reason = "is a file" if folder.exists() else "does not exist"
            raise BadData(f"The folder {folder} {reason}; data_path=FOLDER wants a folder of idx files.")
        train, train_labels = _part(folder, "train", self.train_size)
        test, test_labels = _part(folder, "t10k", self.test_size)
        if train.shape[1:] != test.shape[1:]:
            shapes = " and ".join("×".join(map(str, part.shape[1:])) for part in (train, test))
            raise BadData(f"{folder}: training and test images have different sizes, {shapes} pixels.")
        data = Dataset(
            train=train[:, None].contiguous(),
            test=to_unit_range(test[:, None]),
            train_labels=train_labels,
            test_labels=test_labels,
        )
        return with_facts(data, source=f"idx files in {folder}", scaled_from="8-bit, 0..255")


def _part(folder: Path, part: str, keep: int) -> tuple[Tensor, Tensor | None]:
    """Images ``[N, H, W]`` uint8 and labels ``[N]`` int64 (or None) of ``train`` or ``t10k``."""
    found = _find(folder, f"{part}-images", "idx3-ubyte")
    if found is None:
        raise BadData(f"The folder {folder} holds no {part}-images-idx3-ubyte (nor .gz of it).")
    images = idx_files.bytes_of_rank(found, 3, "images, number × height × width")
    if len(images) < max(LEAST, keep):
        raise BadData(f"{found} holds {len(images)} images; at least {max(LEAST, keep)} were asked for.")
    labels = _labels(folder, part, count=len(images))
    kept = keep or len(images)
    return torch.from_numpy(images[:kept]), None if labels is None else torch.from_numpy(labels[:kept]).long()


def _labels(folder: Path, part: str, *, count: int) -> NDArray[np.uint8] | None:
    found = _find(folder, f"{part}-labels", "idx1-ubyte")
    if found is None:
        return None
    labels = idx_files.bytes_of_rank(found, 1, "labels")
    if len(labels) != count:
        raise BadData(f"{found} holds {len(labels)} labels for {count} images.")
    return labels


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{joint}{kind}{suffix}" for suffix in ("", ".gz") for joint in ("-", ".")]
    return next((folder / name for name in names if (folder / name).exists()), None)
