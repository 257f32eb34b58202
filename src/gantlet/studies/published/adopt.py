"""Which settings of a study are those of a published table: all values equal but the length and what is kept of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantlet.errors import StoreError
from gantlet.requests.resolve import Resolved
from gantlet.settings import Scalar

from ..plan import plan_of
from ..record import StudyRecord
from .table import PublishedTable

__all__ = ["Match", "matching"]

_APART = frozenset({"steps", "epochs", "evaluations", "checkpoints", "data_path"})
"""Keys that change no number of a run at its end, or only its length, which a comparison looks at itself."""


@dataclass(frozen=True)
class Match:
    """The setting of a study that is nearest to one of a table.

    Attributes:
        label: Its label in the study.
        differs: What differs, as ``key=theirs instead of the table's``; empty where it is the same.
        counts: Whether its runs are of the table's setting.
    """

    label: str
    differs: str
    counts: bool


def matching(
    table: PublishedTable, wanted: Iterable[Resolved], record: StudyRecord, folder: Path, *, begun: bool
) -> Mapping[str, Match]:
    """By the labels of a table's settings, the nearest settings of a study.

    Arguments:
        table: The table.
        wanted: Its settings.
        record: The study's record.
        folder: Where the study is, for the error.
        begun: Whether the study was begun as this table's: then all count, since presets may have changed since.

    Raises:
        StoreError: The study is of another task, or has none of the settings; the error names the values that differ most nearly.
    """
    if record.task.name != table.task:
        raise StoreError(
            f"{folder} is a study of {record.task.name}, the table {table.name} of {table.task}; its numbers are of other data."
        )
    present = [(setting.label, _compared(setting)) for setting in plan_of(record).settings]
    found = {setting.label: _nearest(_compared(setting), present, begun=begun) for setting in wanted}
    if not any(match.counts for match in found.values()):
        label, match = next(iter(found.items()))
        raise StoreError(
            f"{folder} has no setting of the table {table.name}; nearest to {label} is {match.label}, with {match.differs}."
        )
    return found


def _nearest(values: Mapping[str, Scalar], present: Sequence[tuple[str, dict[str, Scalar]]], *, begun: bool) -> Match:
    differing = [(_differing(values, theirs), label) for label, theirs in present]
    nearest, label = min(differing, key=lambda pair: len(pair[0]))
    said = f"{', '.join(nearest[:4])}{' and more' if len(nearest) > 4 else ''}"
    return Match(label, said, begun or not nearest)


def _compared(setting: Resolved) -> dict[str, Scalar]:
    values = {name: value for name, value in setting.values.items() if name not in _APART}
    return values | {"method": setting.method.name}


def _differing(wanted: Mapping[str, Scalar], theirs: Mapping[str, Scalar]) -> list[str]:
    """What differs, as ``key=theirs instead of wanted``."""
    return [
        f"{name}={theirs.get(name)} instead of {wanted.get(name)}"
        for name in sorted({*wanted, *theirs})
        if wanted.get(name) != theirs.get(name)
    ]
