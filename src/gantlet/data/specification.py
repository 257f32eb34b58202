"""What one sample of a data set looks like: everything that networks, images and samplers need once the data are gone.

A study keeps it in ``study.json``, so that ``load``, ``sample`` and ``report`` never touch the training data.

Legend: ``d`` columns, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SampleSpec", "restored"]


@dataclass(frozen=True)
class SampleSpec:
    """The specification of a sample.

    Attributes:
        shape: Of one sample: ``(d,)`` for points, ``(C, H, W)`` for images.
        pool: How many samples the training pool has.
        pixel_range: What black and white are, where samples are images.
        mean: Per column, what was taken off when the data were standardised; empty where they were not.
        deviation: Per column, what they were divided by; empty where they were not standardised.
        columns: Names of the columns of a table, in order; empty where they have none.
        classes: Names of the classes, in the order of their numbers; empty where they have none.
        extent: Half the side of the window in which points in the plane are drawn, in the networks' own units; 0: no window.

    Example:
        >>> SampleSpec((2,), pool=100).standardised
        False
    """

    shape: tuple[int, ...]
    pool: int
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    extent: float = 0.0

    @property
    def standardised(self) -> bool:
        """Whether the networks see the data shifted and scaled."""
        return bool(self.mean)


def restored(samples: Tensor, specification: SampleSpec) -> Tensor:
    """Samples in the data's own units, from those of the networks, ``[..., *x]`` -> ``[..., *x]``: the inverse of standardising.

    Example:
        >>> import torch
        >>> restored(torch.tensor([[0.0, 1.0]]), SampleSpec((2,), pool=9, mean=(5.0, 0.0), deviation=(2.0, 10.0)))
        tensor([[ 5., 10.]])
    """
    import torch

    if not specification.standardised:
        return samples
    mean, deviation = (
        torch.tensor(column, device=samples.device) for column in (specification.mean, specification.deviation)
    )
    return samples * deviation + mean
