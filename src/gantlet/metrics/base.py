"""What a metric is: columns of the results, computed for many members at once from their samples and scores.

Legend: ``S`` members, ``N`` fake samples, ``N'`` test samples, ``*x`` sample shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    from gantlet.data.base import Dataset

__all__ = ["NEEDS", "Metric", "MetricColumn", "MetricFactory", "MetricInput"]

NEEDS = frozenset({"samples", "scores", "owners", "labels", "mixture"})
"""What a metric may say that it ``needs``.

- ``samples``: the members' samples; ``scores``: those of their discriminators, on these and on the test set, which are
  computed only if a metric needs them; ``owners``: which generator of a team made each sample.
- ``labels``: classes of the training and test samples; ``mixture``: the exact distribution of the data.
"""


@dataclass(frozen=True)
class MetricColumn:
    """A column of the results table.

    Attributes:
        name: As in ``runs.parquet``.
        help: The quantity, its unit and its source in one line.
        better: Whether higher or lower is better, None where neither is.
        teams: Whether only teams of several generators have it.
    """

    name: str
    help: str
    better: Literal["higher", "lower"] | None = None
    teams: bool = False


@dataclass(frozen=True)
class MetricInput:
    """What members produced, for metrics to evaluate.

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
    def columns(self) -> tuple[MetricColumn, ...]: ...

    @property
    def samples(self) -> int: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def __call__(self, inputs: MetricInput, /) -> dict[str, list[Any]]:
        """One value per member and column: floats, ints, bools or lists (nan where a quantity has no meaning)."""
        ...


@runtime_checkable
class MetricFactory(Protocol):
    """The class of a metric, as the catalogue has it.

    A class attribute ``needs``, some of :data:`NEEDS`, says what it uses; without it, it is given everything.
    """

    def of(self, dataset: Dataset, /) -> Metric:
        """The metric for a data set (a classmethod).

        Raises:
            BadData: The data lack what it needs, such as labels.
            TooFewSamples: There are too few of them.
        """
        ...
