"""What a user asks of Slurm for the jobs of a study: ``--slurm KEY=VALUE``, a ``[slurm]`` table, or a mapping in Python.

None of it changes a number of the study but ``cpus``, which is how many threads a fleet is trained with.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gantlet.errors import BadValue, UnknownName

__all__ = ["SlurmOptions", "minutes_of", "parse_slurm", "slurm_words"]

_TIME = re.compile(r"(?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?")
_NAME = re.compile(r"[A-Za-z0-9_.,:*&|!@+=/\[\]()-]{1,200}")
_MEMORY = re.compile(r"\d{1,9}[KMGT]?B?", re.IGNORECASE)
_GPUS = re.compile(r"(?:[A-Za-z0-9_.-]{1,40}:)?\d{1,3}")
_LINE = re.compile(r"[^\x00-\x1f\x7f]{1,1000}")  # one line of a shell script
_EXTRA = re.compile(r"-{0,2}[a-z][a-z0-9-]{0,60}(?:=[^\x00-\x1f\x7f]{1,500})?")
_LISTS = ("setup", "sbatch")
_OURS = ("job-name", "output", "error", "open-mode", "array", "signal", "requeue", "no-requeue", "wrap", "parsable")


_FORMS = {
    "time": (_TIME, "a time limit"),
    "gpus": (_GPUS, "GPUs of a job: a number, or TYPE:NUMBER"),
    "mem": (_MEMORY, "memory, such as 16G"),
    "setup": (_LINE, "one line of shell"),
    "sbatch": (_EXTRA, "an option of sbatch, such as reservation=NAME"),
}
_LEAST = {"max_jobs": 0}


@dataclass(frozen=True)
class SlurmOptions:
    """What the jobs of a study ask for; an empty text and 0 leave a choice to Slurm's own defaults.

    Attributes:
        partition: The partition or partitions.
        time: The time limit of a job, in minutes or as Slurm has it (``4:00:00``, ``1-12``). A job that reaches it saves, and
            goes on in the queue.
        gpus: GPUs of a job: a number, or ``TYPE:NUMBER``.
        cpus: Cores of a job, over which ``workers`` of its processes are spread.
        mem: Memory of a node, such as ``16G``.
        account: Who pays.
        qos: The quality of service.
        constraint: Features that a node must have.
        nodelist: Nodes to use.
        exclude: Nodes not to use.
        nodes: Nodes of a job, over which the processes of a member (``--processes``) are spread evenly; ``gpus``, ``cpus`` and
            ``mem`` are then those of each node, process and node.
        per_job: How many fleets a job trains.
        workers: How many of them side by side.
        max_jobs: The most jobs at once; 0: no limit.
        grace: Seconds before the time limit at which a job is told to save.
        setup: Lines of shell that a job runs first.
        sbatch: Further options of ``sbatch``, such as ``reservation=name``.

    Example:
        >>> parse_slurm(["partition=gpu time=4:00:00", "setup=module load cuda"]).setup
        ('module load cuda',)
    """

    partition: str = ""
    time: str = "60"
    gpus: str = ""
    cpus: int = 1
    mem: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    nodelist: str = ""
    exclude: str = ""
    nodes: int = 1
    per_job: int = 1
    workers: int = 1
    max_jobs: int = 0
    grace: int = 90
    setup: tuple[str, ...] = ()
    sbatch: tuple[str, ...] = ()

    def checked(self) -> SlurmOptions:
        """These options, whose values have the form that they must have: nothing of them ends a line of a script.

        Raises:
            BadValue: One has another.
        """
        for each in fields(self):
            _check(each.name, getattr(self, each.name))
        if self.grace >= 60 * minutes_of(self.time):
            raise BadValue(
                f"grace={self.grace} leaves no second of time={self.time} to train in. Give a longer time, or a shorter grace."
            )
        for line in self.sbatch:
            if (name := line.lstrip("-").partition("=")[0]) in _OURS:
                raise BadValue(f"sbatch={line} is not possible: gantlet sets {name} itself.")
        return self

    @property
    def lines(self) -> tuple[str, ...]:
        """What of it is handed to a shell or to ``sbatch`` as it stands, and can run a program by that."""
        return (*self.setup, *self.sbatch)

    @property
    def uses_gpu(self) -> bool:
        """Whether a job has a GPU."""
        return bool(self.gpus) and self.gpus.rpartition(":")[2].strip("0") != ""

    def changed(self, given: Mapping[str, Any]) -> SlurmOptions:
        """These options with others in the place of some.

        Raises:
            UnknownName: There is no such option.
            BadValue: A value is not what the option takes.
        """
        known = {each.name: each for each in fields(self)}
        for name in given:
            if name not in known:
                raise UnknownName("Slurm option", name, known)
        return replace(
            self, **{name: _typed(name, value, known[name].default) for name, value in given.items()}
        ).checked()


def parse_slurm(given: Iterable[str] | Mapping[str, Any], base: SlurmOptions | None = None) -> SlurmOptions:
    """The options behind ``--slurm KEY=VALUE`` or a mapping.

    Arguments:
        given: Words of ``KEY=VALUE``, several in one text divided by blanks; one that begins with ``setup=`` or ``sbatch=`` is
            a single line. Or a mapping.
        base: What they change.

    Raises:
        UnknownName: There is no such option.
        BadValue: A word is not ``KEY=VALUE``, or a value is not what the option takes.
    """
    return (base or SlurmOptions()).changed(given if isinstance(given, Mapping) else slurm_words(given))


def slurm_words(given: Iterable[str]) -> dict[str, Any]:
    """Words of ``KEY=VALUE`` as a mapping; ``setup`` and ``sbatch`` gather their lines.

    Raises:
        BadValue: A word is not ``KEY=VALUE``, or a key is given twice.

    Example:
        >>> slurm_words(["partition=gpu gpus=1", "setup=module load cuda", "setup=ulimit -n 4096"])
        {'partition': 'gpu', 'gpus': '1', 'setup': ['module load cuda', 'ulimit -n 4096']}
    """
    found: dict[str, Any] = {}
    for text in given:
        for word in [text] if text.partition("=")[0].strip() in _LISTS else _split(text):
            key, equals, value = word.partition("=")
            if not equals:
                raise BadValue(f"--slurm {text[:80]} is not KEY=VALUE, such as partition=gpu or time=4:00:00.")
            key = key.strip().replace("-", "_")
            if key in _LISTS:
                found.setdefault(key, []).append(value.strip())
            elif key in found:
                raise BadValue(f"--slurm gives {key} twice, as '{found[key]}' and '{value}'. Leave one out.")
            else:
                found[key] = value.strip()
    return found


def minutes_of(time: str) -> int:
    """A time limit as Slurm writes it, in whole minutes, rounded up.

    Raises:
        BadValue: It is not one, or less than a minute.

    Example:
        >>> [minutes_of(text) for text in ("90", "4:30", "4:00:00", "1-12", "1-12:30")]
        [90, 5, 240, 2160, 2190]
    """
    match = _TIME.fullmatch(time)
    if match is None:
        raise BadValue(f"time={time} is not a time limit: give minutes, hours:minutes:seconds or days-hours.")
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:  # minutes[:seconds]
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    whole = (int(days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds
    if whole < 60:
        raise BadValue(f"time={time} is less than a minute, the shortest limit that Slurm has.")
    return -(-whole // 60)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadValue(f"--slurm {text[:80]} cannot be read: {error}.") from None


def _typed(name: str, value: object, default: object) -> Any:
    if isinstance(default, tuple):
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, (list, tuple)):
            raise BadValue(f"{name}={str(value)[:60]} is not a text, or a list of texts.")
        return tuple(str(line) for line in lines)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadValue(f"{name}={str(value)[:60]} is not a text or a whole number.")
    if not isinstance(default, int):
        return str(value).strip()
    text = str(value).strip()
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadValue(f"{name}={text[:60]} is not a whole number.")
    return int(text)


def _check(name: str, value: str | int | tuple[str, ...]) -> None:
    if isinstance(value, int):
        if value < _LEAST.get(name, 1):
            raise BadValue(f"{name}={value} is not at least {_LEAST.get(name, 1)}.")
        return
    pattern, words = _FORMS.get(name, (_NAME, "a name of the cluster's"))
    for text in value if isinstance(value, tuple) else (value,) if value else ():
        if not pattern.fullmatch(text):
            raise BadValue(f"{name}={text[:60]!r} is not {words}.")
