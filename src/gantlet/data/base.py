"""What a data set is: a training pool, a test set, and (where it exists) the exact distribution behind them.

8-bit images stay 8-bit as long as they can: a pool that lies in memory is indexed where it lies, all members of a fleet
share it, and only the batch at hand becomes floating point (arrays of floating point are that from the start). A pool that
does not fit is streamed; both give the same batches.

Legend: ``N`` samples, ``*x`` sample shape, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .specification import SampleSpec

if TYPE_CHECKING:
    from .mixture import Mixture

__all__ = ["Dataset", "Pool", "Range", "Source", "rescaled", "to_floats"]

Range = tuple[float, float]
"""What black and white are, such as (-1, 1)."""


@runtime_checkable
class Pool(Protocol):
    """Training samples that are handed out by number."""

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        ...

    def take(self, index: Tensor) -> Tensor:
        """Samples by number, ``[*i]`` int64 -> ``[*i, *x]``, 8-bit or floating point, on the CPU."""
        ...

    def prefetch(self, index: Tensor) -> None:
        """Begin to fetch what :meth:`take` will be asked for soon, in the background."""
        ...


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        train: The training pool, ``[N, *x]`` float32, or 8-bit images (channels first). Of a pool that is streamed, a
            fixed sample of it.
        test: Held-out samples, ``[N', *x]`` float32; images are channels first, in ``pixel_range``.
        train_labels: Class of each sample in ``train``, ``[N]`` int64, or None.
        test_labels: Class of each test sample, ``[N']`` int64, or None.
        mixture: The exact distribution, where it is known.
        endless: Draws ``n`` fresh training samples from a ``torch.Generator``, or None where only the pool exists.
        streamed: The training pool where it does not lie in ``train``.
        origin: The data set from whose samples those of this one are composed, or None.
        flips: Whether every training image is mirrored left to right with probability ½.
        pixel_range: What 8-bit 0 and 255 become.
        columns: Names of the columns of a table, in order; empty where there are none.
        classes: Names of the classes, in the order of their numbers; empty where there are none.
        mean: Per column, what was taken off to standardise; empty where the samples are in their own units.
        deviation: Per column, what they were divided by; empty likewise.
        facts: What a reader of the report should know (source, counts, hash).
    """

    train: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    mixture: Mixture | None = None
    endless: Callable[[int, torch.Generator], Tensor] | None = None
    streamed: Pool | None = None
    origin: Dataset | None = None
    flips: bool = False
    pixel_range: Range = (-1.0, 1.0)
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train.shape[1:])

    @property
    def size(self) -> int:
        """How many samples the training pool has."""
        return len(self.train) if self.streamed is None else len(self.streamed)

    @property
    def specification(self) -> SampleSpec:
        """What one sample looks like, for whoever will not have the data at hand."""
        return SampleSpec(
            shape=self.shape,
            pool=self.size,
            pixel_range=self.pixel_range,
            mean=self.mean,
            deviation=self.deviation,
            columns=self.columns,
            classes=self.classes,
        )

    def floats(self, samples: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Samples as the networks see them: 8-bit images in ``pixel_range``, anything else as it is, in ``dtype``."""
        return to_floats(samples, dtype, self.pixel_range)


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


def rescaled(values: Tensor, *, was: Range, becomes: Range) -> Tensor:
    """Values of one range in the units of another; what lies outside stays outside.

    Example:
        >>> rescaled(torch.tensor([0.0, 0.5, 1.5]), was=(0, 1), becomes=(-1, 1))
        tensor([-1.,  0.,  2.])
    """
    if was == becomes:
        return values
    return (values - was[0]) * ((becomes[1] - becomes[0]) / (was[1] - was[0])) + becomes[0]


def to_floats(samples: Tensor, dtype: torch.dtype, pixel_range: Range = (-1.0, 1.0)) -> Tensor:
    """8-bit pixels as numbers in ``pixel_range``: x / 127.5 - 1 for [-1, 1], x / 255 for [0, 1]; others only cast.

    Example:
        >>> to_floats(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.float32)
        tensor([-1.0000, -0.6000,  1.0000])
        >>> to_floats(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.float32, (0.0, 1.0))
        tensor([0.0000, 0.2000, 1.0000])
    """
    if samples.dtype != torch.uint8:
        return samples.to(dtype)
    low, high = pixel_range
    return samples.to(dtype).div_(255 / (high - low)).add_(low)
