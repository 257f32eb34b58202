r"""How often a discriminator is wrong: the classification error on test reals and fakes, half each.

.. math::
    e = \tfrac12 \, \mathbb{E}_\text{real} \, w(b - D(x)) + \tfrac12 \, \mathbb{E}_\text{fake} \, w(D(x) - b),
    \qquad w(t) = [t > 0] + \tfrac12 [t = 0]

A score exactly at the boundary b counts half. An error of 0.5 means that the discriminator cannot tell the two apart.

Legend: ``S`` members, ``N`` fake samples, ``N'`` test samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadValue

from .base import MetricColumn, MetricInput

__all__ = ["ClassificationErrorMetric"]

_MOST = 25_000
_NUMBERS = 1 << 27  # numbers of one member's fakes: 512 MiB


@dataclass(frozen=True)
class ClassificationErrorMetric:
    """The classification error of each member's discriminator, in [0, 1]; nan where nothing can be decided.

    It is nan for critics (no boundary) and where scores are missing. A score that is nan counts as undecided.

    Arguments:
        samples: Fakes per member that it wants.

    Raises:
        BadValue: ``samples`` is below 1.

    Example:
        >>> import torch
        >>> scores = {"fake_scores": torch.tensor([[-1.0, 2.0]]), "real_scores": torch.tensor([[3.0, 0.0]])}
        >>> ClassificationErrorMetric()(MetricInput(fake=torch.zeros(1, 2, 2), boundary=0.0, **scores))
        {'classification_error': [0.375]}
    """

    samples: int = _MOST

    needs: ClassVar[frozenset[str]] = frozenset({"samples", "scores"})
    columns: ClassVar[tuple[MetricColumn, ...]] = (
        MetricColumn(
            "classification_error", "discriminator's error on test reals and fakes, half each; 0.5: undecided"
        ),
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise BadValue(f"samples={self.samples} is out of range: expected 1 ≤ samples.")

    @classmethod
    def of(cls, dataset: Dataset) -> ClassificationErrorMetric:
        """25,000 fakes, fewer of images so large that they would not fit into memory."""
        return cls(min(_MOST, max(200, _NUMBERS // dataset.test[0].numel())))

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the number with others."""
        return {"samples": self.samples, "reference": "every test sample"}

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member."""
        fake, real, boundary = inputs.fake_scores, inputs.real_scores, inputs.boundary
        if fake is None or real is None or boundary is None:
            return {"classification_error": [math.nan] * len(inputs.fake)}
        wrong_fakes, wrong_reals = _share_above(fake, boundary), _share_above(-real, -boundary)
        return {"classification_error": (0.5 * (wrong_fakes + wrong_reals)).tolist()}


def _share_above(scores: Tensor, boundary: float) -> Tensor:  # [S, N] -> [S]
    # Half of "not below" and "above": ties and nan, which compare as neither, come to one half.
    above, below = (scores > boundary).double(), (scores < boundary).double()
    return (0.5 * (1 + above - below)).mean(1)
