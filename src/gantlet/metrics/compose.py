"""Several metrics as one: their columns side by side, each metric with the samples that it wants.

Legend: ``S`` members.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantlet.catalogue import is_path
from gantlet.data.base import Dataset
from gantlet.errors import BadValue, GantletError, TooFewSamples

from . import get, split_argument
from .base import NEEDS, Metric, MetricColumn, MetricInput
from .teams import Owning

__all__ = ["Composed", "compose", "joined"]


@dataclass(frozen=True, eq=False)
class Composed:
    """Metrics by name, which are one metric together; it may be empty.

    Attributes:
        metrics: Each metric by its name, in the order of the columns.
        notes: Sentences on what was left out.
    """

    metrics: Mapping[str, Metric]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """The columns of all of them, each name once."""
        named: dict[str, MetricColumn] = {}
        for column in (column for metric in self.metrics.values() for column in metric.columns):
            named.setdefault(column.name, column)
        return tuple(named.values())

    @property
    def samples(self) -> int:
        """The most fakes per member that any of them wants; 0 if there is none."""
        return max((metric.samples for metric in self.metrics.values()), default=0)

    @property
    def facts(self) -> dict[str, Any]:
        """The card of an only metric; of several each card by the metric's name. With the ``notes``, if there are any."""
        cards = {name: dict(metric.facts) for name, metric in self.metrics.items()}
        found: dict[str, Any] = next(iter(cards.values())) if len(cards) == 1 else {**cards}
        return found | ({"notes": list(self.notes)} if self.notes else {})

    @property
    def needs(self) -> frozenset[str]:
        """What any of them needs."""
        return frozenset[str]().union(*(getattr(metric, "needs", NEEDS) for metric in self.metrics.values()))

    @property
    def owning(self) -> Owning | None:
        """The first of them that can say which generator of a team made what."""
        return next((metric for metric in self.metrics.values() if isinstance(metric, Owning)), None)

    def only(self, column: str) -> Composed:
        """The metric that has this column, alone; none if none has it."""
        having = (column in {each.name for each in metric.columns} for metric in self.metrics.values())
        return Composed({name: m for (name, m), has in zip(self.metrics.items(), having, strict=True) if has})

    def by_samples(self) -> list[Composed]:
        """The same metrics, those together that want equally many samples; none if it is empty."""
        groups: dict[int, dict[str, Metric]] = {}
        for name, metric in self.metrics.items():
            groups.setdefault(metric.samples, {})[name] = metric
        return [Composed(group) for group in groups.values()]

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column, all metrics on the same samples; the columns of teams are last.

        Raises:
            BadValue: A metric returned other columns than it declares, or not one value per member.
        """
        found: dict[str, list[Any]] = {}
        for name, metric in self.metrics.items():
            found |= _checked(name, metric, metric(inputs), len(inputs.fake))
        teams = {column.name for column in self.columns if column.teams}
        return dict(sorted(found.items(), key=lambda entry: entry[0] in teams))


def compose(
    names: Sequence[str], dataset: Dataset, *, chosen_by_user: bool = False, reserved: Collection[str] = ()
) -> Composed:
    """Make metrics for a data set.

    Arguments:
        names: Of the catalogue, or ``package.module:Name`` or ``file.py:Name``.
        dataset: What they compare with.
        chosen_by_user: Whether the user named them. A metric that was not asked for is left out, with a note, where the
            data are too few for it.
        reserved: Names that the results use otherwise.

    Raises:
        UnknownName: No such metric.
        BadValue: Something else than a metric, or a column whose name is taken.
        BadData: The data lack what a metric needs.
    """
    made: dict[str, Metric] = {}
    notes: list[str] = []
    for name in names:
        try:
            made[name] = _made(name, dataset)
        except TooFewSamples as error:
            if chosen_by_user:
                raise
            notes.append(f"The metric '{name}' is left out. {error}")
    _check_names(made, reserved)
    return Composed(made, tuple(notes))


def joined(parts: Iterable[Composed]) -> Composed:
    """The metrics of several settings, for a record of their columns and cards; of equal names the first counts."""
    metrics: dict[str, Metric] = {}
    notes: dict[str, None] = {}
    for part in parts:
        metrics |= {name: metric for name, metric in part.metrics.items() if name not in metrics}
        notes |= dict.fromkeys(part.notes)
    return Composed(metrics, tuple(notes))


def _made(name: str, dataset: Dataset) -> Metric:
    factory: Any = get(name)  # what it makes is checked below
    try:
        metric = factory.of(dataset)
    except Exception as error:  # whatever a user's class does when it is made
        if isinstance(error, GantletError) or not is_path(split_argument(name)[0]):
            raise
        raise BadValue(f"The metric '{name}' could not be made: {type(error).__name__}: {error}.") from error
    if not (isinstance(metric, Metric) and _positive(metric.samples)):
        raise BadValue(
            f"The metric '{name}' made a {type(metric).__name__} that is not a metric: expected columns, samples (a whole "
            "number from 1), facts and __call__(inputs)."
        )
    return metric


def _positive(samples: object) -> bool:
    return isinstance(samples, int) and samples >= 1


def _check_names(metrics: Mapping[str, Metric], taken: Collection[str]) -> None:
    owners: dict[str, str] = {}
    for name, metric in metrics.items():
        for column in (column.name for column in metric.columns):
            if column in taken:
                raise BadValue(
                    f"The metric '{name}' has a column '{column}', which the results already have. Rename it."
                )
            if column in owners:
                raise BadValue(
                    f"The metrics '{owners[column]}' and '{name}' both have a column '{column}'. Name only one of them, or "
                    "rename the column."
                )
            owners[column] = name


def _checked(name: str, metric: Metric, values: Mapping[str, Any], members: int) -> dict[str, list[Any]]:
    declared = {column.name: column for column in metric.columns}
    missing = [column.name for column in metric.columns if column.name not in values and not column.teams]
    if missing or not set(values) <= set(declared):
        raise BadValue(
            f"The metric '{name}' returned the columns {', '.join(values) or 'none'}, but declares {', '.join(declared)}."
        )
    plain = {column: [_plain(value) for value in found] for column, found in values.items()}
    for column, found in plain.items():
        if len(found) != members:
            raise BadValue(
                f"The metric '{name}' returned {len(found)} values of '{column}' for {members} members; expected one each."
            )
    return plain


def _plain(value: Any) -> Any:
    """Numbers of PyTorch and NumPy as Python's own, which results are written with."""
    return value.tolist() if hasattr(value, "tolist") else value
