"""Which settings of a study are those of a published table: all values equal but the length and what is kept of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gantlet.errors import StoreError
from gantlet.requests.resolve import Resolved
from gantlet.settings import Scalar

from ..plan import plan_of
from ..record import StudyRecord
from .table import PublishedTable

__all__ = ["matching"]

_APART = frozenset({"steps", "epochs", "evaluations", "checkpoints", "data_path"})
"""Keys that change no number of a run at its end, or only its length, which a comparison looks at itself."""


def matching(
    table: PublishedTable, wanted: Iterable[Resolved], record: StudyRecord, folder: Path, *, begun: bool
) -> Mapping[str, tuple[str, str]]:  # label in the table -> label in the study, and what differs
    """By the labels of a table's settings, those of the same settings in a study, and what differs of a study of the table.

    Arguments:
        table: The table.
        wanted: Its settings.
        record: The study's record.
        folder: Where the study is, for the error.
        begun: Whether the study was begun as this table's; presets may have changed since, which is no error then.

    Raises:
        StoreError: The study is of another task, or lacks a setting; the error names the values that differ most nearly.
    """
    if record.task.name != table.task:
        raise StoreError(
            f"{folder} is a study of {record.task.name}, the table {table.name} of {table.task}; its numbers are of other data."
        )
    present = [(setting.label, _compared(setting)) for setting in plan_of(record).settings]
    found: dict[str, tuple[str, str]] = {}
    for setting in wanted:
        values = _compared(setting)
        differing = [(_differing(values, theirs), label) for label, theirs in present]
        nearest, label = min(differing, key=lambda pair: len(pair[0]))
        said = f"{', '.join(nearest[:4])}{' and more' if len(nearest) > 4 else ''}"
        if nearest and not begun:
            raise StoreError(
                f"{folder} lacks the setting {setting.label} of the table {table.name}; nearest is {label}, with {said}."
            )
        found[setting.label] = label, said
    return found


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
