"""A finding, a symptom, and what a symptom may look at: the record of one member, never its training data unless trusted.

Legend: ``T`` recorded steps, ``K`` generators of a team, ``n`` samples, ``d`` numbers of a sample.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from gantlet.settings import Scalar

from .samples import CopyDistances, MemberSamples

__all__ = ["Course", "Finding", "MemberCase", "Symptom", "shortened"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """One quantity of a member over its training: ``steps`` ``[T]`` ascending, and ``values`` ``[T]``."""

    steps: _Floats
    values: _Floats

    def part(self, begin: float, end: float) -> _Floats:
        """The values between two shares of the training.

        Example:
            >>> Course(np.arange(1.0, 11), np.arange(10.0)).part(0.8, 1).tolist()
            [8.0, 9.0]
        """
        last = self.steps[-1]
        return self.values[(self.steps > begin * last) & (self.steps <= end * last)]

    def median(self, begin: float, end: float) -> float:
        """The median between two shares of the training; nan where nothing was recorded."""
        part = self.part(begin, end)
        return float(np.median(part)) if len(part) else math.nan


@dataclass(frozen=True)
class Finding:
    """What is wrong with one member.

    Attributes:
        symptom: Which one, such as ``mode-collapse``.
        run: The member's number.
        setting: The label of its setting.
        seed: Its seed.
        evidence: What was seen, in sentences.
        numbers: The same as numbers.
        images: Files of the study that show it.
        advice: What may help, in a sentence.
        remedy: The same as a command that can be pasted into a shell.
    """

    symptom: str
    run: int
    setting: str
    seed: int
    evidence: tuple[str, ...]
    numbers: Mapping[str, float]
    advice: str
    remedy: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberCase:
    """What is known of one member.

    Attributes:
        folder: The study.
        run: Its number.
        label: The label of its setting.
        method: Its method.
        seed: Its seed.
        values: Every setting by its key.
        user_keys: The keys that the user decided.
        row: Its row of results; without metrics while it trains.
        courses: What was logged, by name.
        modes: How many modes or classes the data have; 0 where that is not known.
        extent: About how large the data are: half the side of the window, or half the range of pixels; 0 where not known.
        pool: Training samples.
        images: Whether the samples are images.
        batch_statistics: Whether its discriminator has them, so that a gradient penalty has no meaning.
        undecided: The discriminator's least loss if it gave all samples one score; nan where that means nothing.
        samples: What its generators make; None where that cannot be drawn.
        copies: How near its samples are to training data; None unless the data may be looked at.
    """

    folder: Path
    run: int
    label: str
    method: str
    seed: int
    values: Mapping[str, Scalar]
    user_keys: frozenset[str]
    row: Mapping[str, Any]
    courses: Mapping[str, Course]
    modes: int = 0
    extent: float = 0.0
    pool: int = 0
    images: bool = False
    batch_statistics: bool = False
    undecided: float = math.nan
    samples: MemberSamples | None = None
    copies: CopyDistances | None = None

    @cached_property
    def steps(self) -> int:
        """How far the member is."""
        last = [course.steps[-1] for course in self.courses.values() if len(course.steps)]
        return int(max(last, default=0))

    def course(self, name: str, *, least: int = 10) -> Course | None:
        """What was logged under a name, if it has at least so many points."""
        found = self.courses.get(name)
        return found if found is not None and len(found.steps) >= least else None

    def number(self, *names: str) -> float:
        """The first of these columns that the results have, as a number; nan where there is none."""
        for name in names:
            value = self.row.get(name)
            if isinstance(value, (bool, int, float)) and math.isfinite(value):
                return float(value)
        return math.nan

    def setting(self, name: str) -> float:
        """A numeric setting; nan where it has none of this name."""
        value = self.values.get(name)
        return float(value) if isinstance(value, (int, float)) else math.nan

    def choice(self, name: str) -> Scalar | None:
        """A setting as it is; None where it has none of this name."""
        return self.values.get(name)

    def picture(self, *names: str) -> tuple[str, ...]:
        """Those of the member's images that exist."""
        found = [self.folder / "samples" / str(self.run) / name for name in names]
        return tuple(str(path) for path in found if path.is_file())

    def regularised(self) -> tuple[str, dict[str, object]]:
        """What keeps its discriminator from being sure of itself: in words, and as settings that gantlet accepts for it."""
        if self.batch_statistics:
            return "noise on all that the discriminator sees", {"instance_noise": 0.1}
        return "a gradient penalty on real samples", {"penalties": "r1"}

    def extend(self, method: str = "", /, **changes: object) -> str:
        """The command that adds this setting with other values, or another method, to the study."""
        words = [f"{key}={_shown(value)}" for key, value in changes.items()]
        return shlex.join(["gantlet", "extend", str(self.folder), method or self.method, *words])

    def found(
        self,
        symptom: str,
        evidence: Sequence[str],
        numbers: Mapping[str, float],
        advice: str,
        remedy: str,
        *images: str,
    ) -> Finding:
        """A finding about this member."""
        return Finding(
            symptom,
            self.run,
            self.label,
            self.seed,
            tuple(evidence),
            dict(numbers),
            advice,
            remedy,
            self.picture(*images),
        )


@runtime_checkable
class Symptom(Protocol):
    """One thing that may be wrong."""

    @property
    def name(self) -> str:
        """As it is called in tables."""
        ...

    @property
    def summary(self) -> str:
        """One line about it."""
        ...

    def look(self, member: MemberCase) -> Finding | None:
        """What was found, or None."""
        ...


def shortened(value: float) -> str:
    """A number for a sentence.

    Example:
        >>> shortened(0.012345), shortened(1234567.0), shortened(8.0)
        ('0.0123', '1.23e+06', '8')
    """
    return f"{value:.3g}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)
