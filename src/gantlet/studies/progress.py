"""How far a study is, from what its fleets report: a share, a rate and the time left; and who is told of it in Python.

Work is counted in members: a fleet of four that is half way has done two of them. What was trained before, in a study that
goes on, counts as done but not as work of this session, so that the time left is right from the first report on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .executors.base import Callbacks, FleetResult
from .record import FleetPlan
from .runner import Progress
from .store import Store

__all__ = ["Evaluation", "Tally", "speed", "watched"]

_LINE_SECONDS = 15.0


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a fleet's members at one step, as ``on_evaluation`` is given them.

    Attributes:
        folder: The study's folder.
        fleet: The fleet's id.
        step: The step, from 1.
        steps: How many there will be.
        rows: By run, the metrics by name.
    """

    folder: Path
    fleet: str
    step: int
    steps: int
    rows: Mapping[int, Mapping[str, Any]]

    @property
    def images(self) -> dict[int, Path]:
        """The images of samples that were drawn at this step, by run; a study draws those of about eight members."""
        paths = {run: self.folder / "samples" / str(run) / f"{self.step:09d}.png" for run in self.rows}
        return {run: path for run, path in paths.items() if path.is_file()}


class Tally:
    """What the fleets of a session reported last.

    Arguments:
        fleets: Those that will be trained.
    """

    def __init__(self, fleets: Iterable[FleetPlan]) -> None:
        self.members = {fleet.id: len(fleet.runs) for fleet in fleets}
        self.latest: dict[str, Progress] = {}
        self.ended: dict[str, FleetResult] = {}
        self._began: dict[str, float] = {}  # the members that a fleet counted for when it went on
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the session began."""
        return time.monotonic() - self._started

    def report(self, progress: Progress) -> None:
        """Take a report in; a fleet's first one, with rate 0, says where it goes on from."""
        self.latest[progress.fleet] = progress
        self._began.setdefault(progress.fleet, 0.0 if progress.rate else _done(progress))

    def end(self, result: FleetResult) -> None:
        """A fleet has ended."""
        self.ended[result.fleet] = result

    def active(self) -> list[Progress]:
        """The last reports of the fleets that are being trained."""
        return [progress for name, progress in self.latest.items() if name.rstrip("ab") not in self.ended]

    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        done = sum(self.members.get(name, 0) for name in self.ended) + sum(map(_done, self.active()))
        return done / max(1, sum(self.members.values()))

    def left(self) -> str:
        """The time left in words, ``?`` before the first step."""
        share = self.share()
        worked = share - sum(self._began.values()) / max(1, sum(self.members.values()))
        if worked <= 0:
            return "?"
        left = self.seconds * (1 - share) / worked
        return f"{left / 60:.1f} min" if left > 90 else f"{left:.0f} s"

    def line(self) -> str:
        """Share, speed, divergences and the time left."""
        out = sum(progress.out for progress in self.latest.values())
        return f"{self.share():5.1%}  {speed(self.active())}  {out} diverged  {self.left()} left"


def speed(reports: Iterable[Progress]) -> str:
    """How fast fleets are: member-steps a second, or seconds a step where the slowest takes longer than one.

    Example:
        >>> fleet = Progress("0000", step=5, steps=9, members=4, rate=80.0, out=0)
        >>> speed([fleet]).strip(), speed([Progress("0001", step=1, steps=9, members=4, rate=0.5, out=0)]).strip()
        ('80 member-steps/s', '8.0 s/step')
    """
    known = [progress for progress in reports if progress.rate]
    slowest = max((progress.members / progress.rate for progress in known), default=0.0)
    if slowest > 1:
        return f"{slowest:8.1f} s/step"
    return f"{sum(progress.rate for progress in known):8,.0f} member-steps/s"


def watched(
    store: Store,
    fleets: Iterable[FleetPlan],
    go: Callable[[Callbacks], Store],
    *,
    progress: bool,
    on_evaluation: Callable[[Evaluation], object] | None,
) -> Store:
    """Train under the eyes of whoever called from Python.

    Arguments:
        store: The study.
        fleets: Those that will be trained.
        go: Trains, and is given whom to tell.
        progress: Whether to print a line of progress, which a terminal or notebook overwrites.
        on_evaluation: Called after each evaluation of a fleet. An error in it stops training, with everything saved, and
            is raised.
    """
    tally, errors, said = Tally(fleets), list[BaseException](), [0.0]
    live = sys.stdout.isatty() or "ipykernel" in sys.modules

    def say(*, last: bool = False) -> None:
        if progress and (live or last or tally.seconds - said[0] >= _LINE_SECONDS):
            said[0] = tally.seconds
            print(f"\r{tally.line():<79}" if live else tally.line(), end="\n" if last or not live else "", flush=True)

    def report(told: Progress) -> None:
        tally.report(told)
        say()
        if told.rows is None or on_evaluation is None or errors:
            return
        try:
            on_evaluation(Evaluation(store.folder, told.fleet, told.step, told.steps, told.rows))
        except BaseException as error:
            errors.append(error)

    trained = go(Callbacks(progress=report, ended=tally.end, stopping=lambda: bool(errors)))
    say(last=True)
    if errors:
        raise errors[0]
    return trained


def _done(progress: Progress) -> float:
    return progress.members * progress.step / progress.steps
