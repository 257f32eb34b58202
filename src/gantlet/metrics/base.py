"""What a metric is: a judgement of many members at once, from their samples and scores in hand.

Legend: ``S`` members, ``N`` fake samples, ``N'`` test samples, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Column", "Metric", "Outcome"]


@dataclass(frozen=True)
class Column:
    """A column of the results table.

    ``better`` says which way is up for a reader, None where neither is; ``help`` names the quantity, its unit and
    its source in one line.
    """

    name: str
    help: str
    better: Literal["higher", "lower"] | None = None


@dataclass(frozen=True)
class Outcome:
    """What members produced, for metrics to judge.

    Attributes:
        fake: Samples, ``[S, N, *x]``.
        fake_scores: The discriminator's scores of ``fake``, ``[S, N]``, or None.
        real_scores: The discriminator's scores of the test set, ``[S, N']``, or None.
        boundary: The score at which a discriminator is undecided; None for critics.
        owners: Which generator of the team made each sample, ``[S, N]`` int64, or None for single generators.
    """

    fake: Tensor
    fake_scores: Tensor | None = None
    real_scores: Tensor | None = None
    boundary: float | None = None
    owners: Tensor | None = None


@runtime_checkable
class Metric(Protocol):
    """A family of columns computed together.

    Attributes:
        columns: What it reports.
        samples: How many fakes per member it wants.
        facts: Its card: what a reader must know to compare the number with another.
    """

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def samples(self) -> int: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def __call__(self, outcome: Outcome) -> dict[str, list[Any]]:
        """One value per member and column: floats, ints or bools (nan where a quantity has no meaning)."""
        ...
