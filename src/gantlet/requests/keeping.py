"""What the keys ``checkpoints``, ``stop`` and ``init_from`` say: which weights are kept, when a member ends, where it begins.

Example:
    >>> parse_keeping("best:modes + every:500")
    Keeping(every_evaluation=False, every=500, best='modes')
    >>> parse_stop("fid<=20:3")
    Criterion(column='fid', at_least=False, value=20.0, held=3)
    >>> parse_init("runs/a:3:best")
    InitialRun(folder=PosixPath('runs/a'), run=3, step='best')
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gantlet.errors import BadValue

from .criterion import Criterion, parse_criterion

__all__ = [
    "InitialRun",
    "Keeping",
    "check_keeping",
    "names_a_run",
    "names_runs",
    "parse_init",
    "parse_keeping",
    "parse_step",
    "parse_stop",
]

_INIT = re.compile(r"(.+?):(\d{1,10})(?::(\d{1,18}|best|last))?")


@dataclass(frozen=True)
class Keeping:
    """Which weights of a member are kept beside its last ones.

    Attributes:
        every_evaluation: Whether those of each evaluation.
        every: Those of every so many generator updates; 0 for none.
        best: The metric by which the best evaluation is chosen, whose weights are kept; empty for none.
    """

    every_evaluation: bool = False
    every: int = 0
    best: str = ""


@dataclass(frozen=True)
class InitialRun:
    """A trained member from whose weights others start.

    Attributes:
        folder: The folder of its study, or a model folder.
        run: Its number in the study; None of a model folder, which is one member.
        step: A number of generator updates, ``best`` or ``last``.
    """

    folder: Path
    run: int | None = None
    step: int | str = "last"


def check_keeping(checkpoints: str, stop: str, init_from: str) -> None:
    """Make sure that the three keys can be read.

    Raises:
        BadValue: One cannot.
    """
    for parse, text in ((parse_keeping, checkpoints), (parse_stop, stop), (parse_init, init_from)):
        parse(text)


def parse_keeping(text: str) -> Keeping:
    """What ``checkpoints`` says: ``last``, ``all``, ``every:N``, ``best:METRIC``, or several joined by ``+``.

    Raises:
        BadValue: It is something else.
    """
    every_evaluation, every, best = False, 0, ""
    for word in (word.strip() for word in text.split("+")):
        kind, _, argument = (part.strip() for part in word.partition(":"))
        if word == "all":
            every_evaluation = True
        elif kind == "every" and re.fullmatch(r"0*[1-9][0-9]{0,17}", argument):
            if every:
                raise BadValue(f"checkpoints={text} says every:N twice. Keep one.")
            every = int(argument)
        elif kind == "best" and re.fullmatch(r"[^\s<>=:,]+", argument):
            if best:
                raise BadValue(
                    f"checkpoints={text} says best:METRIC twice; a member has one best evaluation. Keep one."
                )
            best = argument
        elif word != "last":
            raise BadValue(
                f"checkpoints={text} is not last, all, every:N (every N steps), best:METRIC, or several of these joined "
                f"by +."
            )
    return Keeping(every_evaluation, every, best)


def parse_stop(text: str) -> Criterion | None:
    """What ``stop`` says: a :mod:`criterion <gantlet.requests.criterion>`, ``METRIC>=VALUE:K`` for K evaluations in a row; None if empty.

    Raises:
        BadValue: It is something else.
    """
    if not text.strip():
        return None
    try:
        return parse_criterion(text)
    except BadValue:
        raise BadValue(
            f"stop={text} is not METRIC>=VALUE or METRIC<=VALUE, with a finite number and :K behind it for K evaluations in a row. "
            f"In a shell it needs quotes: 'stop=modes>=8:2'."
        ) from None


def parse_init(text: str) -> InitialRun | None:
    """What ``init_from`` says: ``DIR:RUN``, with ``:STEP``, ``:best`` or ``:last`` behind it, or a model folder; None if empty.

    Whether there is such a folder is not looked at.

    Raises:
        BadValue: It can be neither.
    """
    if not text.strip():
        return None
    match = _INIT.fullmatch(text.strip())
    if match is None:
        if re.search(r":\d*(:|$)|:(best|last)$", text.strip()):
            raise BadValue(
                f"init_from={text} is not DIR:RUN, a study folder and the number of one of its runs, with :STEP, :best or "
                f":last behind it for other weights than its last ones; and a model folder has no such ending."
            )
        return InitialRun(Path(os.path.expanduser(text.strip())))
    return InitialRun(Path(os.path.expanduser(match.group(1))), int(match.group(2)), parse_step(match.group(3)))


def names_a_run(text: str) -> bool:
    """Whether a text is a run of a study, as ``init_from`` has it, and not a folder.

    Example:
        >>> names_a_run("runs/a:3"), names_a_run("exports/model")
        (True, False)
    """
    return _INIT.fullmatch(text.strip()) is not None


def names_runs(values: Sequence[str]) -> bool:
    """Whether all of these values of the key ``init`` are runs or folders: then it is ``init_from``, not a network's own ``init``.

    A folder is told by a slash in it, or by the ``config.json`` of a model folder.

    Example:
        >>> names_runs(["runs/a:3", "runs/a:3:best"]), names_runs(["./model"]), names_runs(["xavier"])
        (True, True, False)
    """
    return all(names_a_run(value) or "/" in value or _holds_a_model(value) for value in values)


def _holds_a_model(text: str) -> bool:
    return os.path.isfile(os.path.join(os.path.expanduser(text), "config.json"))


def parse_step(step: int | str | None) -> int | str:
    """Which weights of a member are meant: ``best``, ``last``, or a number of generator updates; None is ``last``.

    Raises:
        BadValue: It is something else.

    Example:
        >>> parse_step(None), parse_step("best"), parse_step("1000")
        ('last', 'best', 1000)
    """
    if step is None or step in ("best", "last"):
        return step or "last"
    text = str(step).replace(",", "").replace("_", "")
    if isinstance(step, bool) or not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadValue(f"--step {step} is not best, last, or a number of steps.")
    return int(text)
