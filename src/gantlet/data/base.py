"""What a data set is: a fixed training pool, a test set, and (where it exists) the exact distribution behind them.

Legend: ``N`` samples, ``*x`` sample shape, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .gaussians import Mixture

__all__ = ["Dataset", "Source"]


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    Attributes:
        train: The training pool, ``[N, *x]`` float32; images are channels first, in [-1, 1].
        test: Held-out samples, ``[N', *x]`` float32.
        train_labels: Class of each training sample, ``[N]`` int64, or None.
        test_labels: Class of each test sample, ``[N']`` int64, or None.
        mixture: The exact distribution, where it is known.
        endless: Draws ``n`` fresh training samples from a ``torch.Generator``, or None where only the pool exists.
        facts: What a reader of the report should know (source, counts, hash).
    """

    train: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    mixture: Mixture | None = None
    endless: Callable[[int, torch.Generator], Tensor] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train.shape[1:])


@runtime_checkable
class Source(Protocol):
    """Where a data set comes from: a frozen dataclass of settings."""

    def load(self) -> Dataset:
        """Read or draw the data set.

        Raises:
            BadData: The files are missing, truncated, corrupt, too small or not finite.
            MissingExtra: A package that carries the data is not installed.
        """
        ...
