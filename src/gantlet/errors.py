"""Every error that gantlet raises on purpose.

::

    GantletError                 anything below; the message is one whole sentence or two
    ├── UsageError               the request is wrong (command line: exit status 2)
    │   ├── UnknownName          no such task, method, key, …; the nearest names are offered
    │   ├── BadValue             a value of the wrong type, or out of its range
    │   ├── BadGrid              a grid that is empty, contradictory or ambiguous
    │   ├── BadData              a file that is missing, truncated, corrupt, too small or not finite
    │   │   ├── BadImage         one image of many that cannot be read
    │   │   └── TooFewSamples    samples that are too few for a metric
    │   ├── Refused              two parts that cannot play together, with the reason
    │   ├── FolderInUse          an output folder that is not empty
    │   ├── Untrusted            a study whose own parts would run, and whose author this user has not trusted
    │   └── MissingExtra         an optional dependency that is not installed
    ├── TrainingFailed           no member of a study could be trained
    ├── ClusterError             Slurm is not here, does not answer, or refuses a job
    ├── StoreError               the disk is full, or a study folder cannot be read or written
    │   └── Damaged              a file of a study is not what was written there
    ├── ReplayMismatch           a replayed member differs from its record
    └── ExportMismatch           an exported generator makes other samples than gantlet does
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BadData",
    "BadGrid",
    "BadImage",
    "BadValue",
    "ClusterError",
    "Damaged",
    "ExportMismatch",
    "FolderInUse",
    "GantletError",
    "MissingExtra",
    "Refused",
    "ReplayMismatch",
    "StoreError",
    "TooFewSamples",
    "TrainingFailed",
    "UnknownName",
    "Untrusted",
    "UsageError",
]


class GantletError(Exception):
    """The root of all errors that gantlet raises on purpose."""


class UsageError(GantletError):
    """The request is wrong; nothing was written."""


class UnknownName(UsageError):
    """No such name in a family.

    Arguments:
        kind: What was looked for, such as ``"method"``.
        name: What came.
        known: Every name that would have been accepted.
        first: Those to list first where no name is near; the others follow in order.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, first: Iterable[str] = ()) -> None:
        names = sorted(known)
        listed = dict.fromkeys([*(entry for entry in first if entry in names), *names])
        near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        hint = f"Did you mean {_alternatives(near)}?" if near else f"Known: {', '.join(listed) or 'none'}."
        super().__init__(f"There is no {kind} called '{name}'. {hint}")


class BadValue(UsageError):
    """A value of the wrong type, or out of its range."""


class BadGrid(UsageError):
    """A grid of settings that is empty, contradictory or ambiguous."""


class BadData(UsageError):
    """A data file that is missing, truncated, corrupt, too small or not finite."""


class BadImage(BadData):
    """One image of many that cannot be read; the message is the bare reason, to be listed beside the image's name."""


class TooFewSamples(BadData):
    """A data set with too few samples for a metric; a task's own metrics are then left out, a user's refused."""


class Refused(UsageError):
    """Two parts that cannot play together; the message says why."""


class FolderInUse(UsageError):
    """An output folder that already holds something."""


class Untrusted(UsageError):
    """A study names parts of somebody's own, and this user has neither started it here nor said that they may run."""


class MissingExtra(UsageError):
    """An optional dependency that is not installed.

    Arguments:
        package: The distribution that is missing.
        extra: The extra of gantlet that brings it.
        purpose: What needs it.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed. "
            f"Install it with: pip install 'gantlet[{extra}]'"
        )


class ClusterError(GantletError):
    """Slurm is not on this machine, does not answer, or refuses a job."""


class StoreError(GantletError):
    """A study folder that cannot be read or written."""


class Damaged(StoreError):
    """A file of a study that is missing, cut, or not what was written; one that merely cannot be read now is not."""


class TrainingFailed(GantletError):
    """No member of a study could be trained; the message has the cause of the first."""


class ReplayMismatch(GantletError):
    """A replayed member differs from its record."""


class ExportMismatch(GantletError):
    """An exported generator makes other samples than gantlet does; nothing was written."""


def _alternatives(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
