"""``gantlet compare``: scores between two sets of images, with intervals, counts, cards, and the floor of the first set.

The first set is the reference (real images), the second is judged. The floor is what one half of the reference scores
against the other; it has half the samples of each side, so distances in it are on the large side.

Legend: ``N`` images, ``d`` features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gantlet._version import VERSION
from gantlet.errors import BadData, BadValue
from gantlet.metrics import features
from gantlet.metrics.distances import Moments, fixed_order, frechet
from gantlet.metrics.feature_scores import (
    LEAST_SAMPLES,
    MOST_NEIGHBOURS,
    SCORES,
    FeatureScore,
    Reference,
    Scoring,
    available,
    check_scores,
    score_name,
)
from gantlet.metrics.features.base import Extractor, ExtractorCard, Features, extract
from gantlet.metrics.gaussian_fit import check_statistics_name, moments_of, write_statistics
from gantlet.metrics.read_features import read_features
from gantlet.places import check_free

from .image_sets import FeatureSet, ImageSet, StatisticsSet, open_set

__all__ = ["Comparison", "compare_sets"]

_Notify = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        scores: By the name that was asked for.
        floor: The same scores of the reference's halves against each other; empty where it cannot be halved.
        card: The extractor's.
        sets: Of each set, its source, count and facts.
    """

    scores: dict[str, FeatureScore]
    floor: dict[str, float]
    card: ExtractorCard
    sets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def record(self) -> dict[str, dict[str, Any]]:
        """As JSON values: value, low, high (null where there is no interval), floor and card of each score."""
        return {
            name: {
                "value": _plain(score.value),
                "low": _plain(score.low),
                "high": _plain(score.high),
                "floor": _plain(self.floor.get(name, math.nan)),
                "card": {
                    "name": score_name(_kind(name), self.card),
                    "help": SCORES[_kind(name)].help,
                    "better": SCORES[_kind(name)].better,
                    "extractor": self.card.record(),
                    "sets": self.sets,
                    "interval": "95 %",
                    "gantlet": VERSION,
                },
            }
            for name, score in self.scores.items()
        }


def compare_sets(  # noqa: PLR0913 - each argument is an option of the command line
    reference: str,
    judged: str,
    *,
    train: str = "",
    metrics: Collection[str] = (),
    extractor: str = "efficientnet-lite0",
    most: int = 0,
    seed: int = 1,
    trust: bool = False,
    save: Path | None = None,
    notify: _Notify | None = None,
) -> Comparison:
    """Compare two sets.

    Arguments:
        reference: Real images, held out from training; see :mod:`gantlet.api.image_sets`.
        judged: The images to judge.
        train: Images that the model was trained on, for memorisation and authenticity; none of them in ``reference``.
        metrics: Scores by name; none for all that can be had.
        extractor: Its name, where the sets are images.
        most: Images of a set, at most; 0 for all.
        seed: Of the latents of a study's member.
        trust: Whether parts of a study's author's own may run.
        save: Write the statistics of ``reference`` to this ``.npz`` or ``.pt``.
        notify: Called with a set's source, the number of images read, and how many there are.

    Raises:
        BadData: A set cannot be read, or is too small.
        BadValue: The sets are of different kinds, or a score needs what is not there.
        FolderInUse: Something is in the place of ``save`` already.
        UnknownName: There is no such score or extractor.
    """
    if save is not None:
        check_statistics_name(save)
        check_free(save, file=True, option="--save-statistics")
    if train and _place(train) == _place(reference):
        raise BadValue(
            "--train and the reference are the same images; memorisation needs images that the model never saw."
        )
    opened = [open_set(name, most=most, seed=seed, trust=trust) for name in (reference, judged, train) if name]
    for one in opened if not any(isinstance(one, StatisticsSet) for one in opened[:2]) else ():
        if isinstance(one, ImageSet):
            _check_enough(one.source, one.count)
    reader = _Reader(extractor, notify or _silent)
    card = reader.card if any(isinstance(one, ImageSet) for one in opened) else _given(opened)
    asked = check_scores(metrics, card, train=bool(train))
    if any(isinstance(one, StatisticsSet) for one in opened[:2]):
        return _of_moments(opened, reader, card, list(metrics), save)
    if not metrics and any(
        isinstance(one, FeatureSet) for one in opened[:2]
    ):  # arrays of features say nothing of classes
        asked = [name for name in asked if SCORES[name].needs != "probabilities"]
    read = [reader.read(one, keep=place != 1) for place, one in enumerate(opened)]
    sets = _facts(opened, read)
    if save is not None:
        write_statistics(save, moments_of(read[0].features))
    kinds = [_kind(name) for name in asked]
    scoring = Scoring(Reference(read[0], read[2] if train else None), read[1])
    found = scoring.scores(list(dict.fromkeys(kinds)))
    scores = {name: found[_kind(name)] for name in asked}
    halves = _floor(read[0], [kind for kind in kinds if kind in available(card, train=False)])
    return Comparison(scores, {name: halves[_kind(name)] for name in asked if _kind(name) in halves}, card, sets)


@dataclass(frozen=True)
class _Reader:
    name: str
    notify: _Notify

    @cached_property
    def extractor(self) -> Extractor:
        return features.get(self.name)

    @property
    def card(self) -> ExtractorCard:
        return self.extractor.card

    def read(self, given: ImageSet | FeatureSet | StatisticsSet, *, keep: bool) -> Features:
        if isinstance(given, FeatureSet):
            return given.features
        if isinstance(given, StatisticsSet):
            raise BadValue(f"{given.source} holds statistics, with which only fd can be had.")

        def told(done: int) -> None:
            self.notify(given.source, done, given.count)

        if keep:
            return read_features(self.extractor, given.batches, notify=told)
        return extract(self.extractor, given.batches(), notify=told)


def _given(opened: list[ImageSet | FeatureSet | StatisticsSet]) -> ExtractorCard:
    """The card of features that somebody else read."""
    first = opened[0]
    dimension = len(first.moments.mean) if isinstance(first, StatisticsSet) else _dimension(first)
    return ExtractorCard(
        "given", "", None, (0.0, 0.0), "unknown: the features were given", dimension, quantisation="unknown"
    )


def _dimension(given: ImageSet | FeatureSet) -> int:
    return given.features.features.shape[1] if isinstance(given, FeatureSet) else 0


def _of_moments(
    opened: list[ImageSet | FeatureSet | StatisticsSet],
    reader: _Reader,
    card: ExtractorCard,
    asked: list[str],
    save: Path | None,
) -> Comparison:
    """The Fréchet distance where a side has only statistics.

    Raises:
        BadValue: Another score is asked for, or the statistics are of other features.
    """
    if any(_kind(name) != "fd" for name in asked):
        raise BadValue("Of statistics (mu and sigma) only the Fréchet distance can be had: give --metrics fd.")
    moments: list[Moments] = []
    sets: dict[str, dict[str, Any]] = {}
    for title, one in zip(("reference", "judged"), opened, strict=False):
        if isinstance(one, StatisticsSet):
            moments.append(one.moments)
            sets[title] = {"source": one.source, "count": None}
            continue
        read = reader.read(one, keep=title == "reference")
        moments.append(moments_of(read.features))
        sets[title] = {"source": one.source, "count": len(read.features)}
    first, second = (len(side.mean) for side in moments)
    if first != second:
        raise BadValue(
            f"The sides have {first} and {second} features; statistics are compared with features of their own network."
        )
    if save is not None:
        write_statistics(save, moments[0])
    value = float(frechet(*moments[0], *moments[1]))
    return Comparison({asked[0] if asked else "fd": FeatureScore(value)}, {}, card, sets)


def _floor(real: Features, kinds: list[str]) -> dict[str, float]:
    halves = fixed_order(len(real.features)).tensor_split(2)
    if min(map(len, halves)) < LEAST_SAMPLES:
        return {}
    first, second = (real.part(half) for half in halves)
    return {
        name: score.value for name, score in Scoring(Reference(first), second, intervals=False).scores(kinds).items()
    }


def _check_enough(source: str, count: int) -> None:
    """See that a set is large enough for scores, before anything is read where its size is known.

    Raises:
        BadData: It is not.
    """
    if count < LEAST_SAMPLES:
        raise BadData(f"{source} holds {count} images; scores need at least {LEAST_SAMPLES} of each set.")


def _facts(opened: list[ImageSet | FeatureSet | StatisticsSet], read: list[Features]) -> dict[str, dict[str, Any]]:
    titles = ("reference", "judged", "train")
    found: dict[str, dict[str, Any]] = {}
    for title, one, got in zip(titles, opened, read, strict=False):
        facts = one.facts if isinstance(one, ImageSet) else {}
        found[title] = {"source": one.source, "count": len(got.features), **facts}
        _check_enough(one.source, len(got.features))
    for facts in found.values():
        if facts["count"] > MOST_NEIGHBOURS:
            facts["neighbours"] = f"of {MOST_NEIGHBOURS} of them"
    half = len(read[0].features) // 2
    return found | {"floor": {"between": f"{half} and {len(read[0].features) - half} of the reference"}}


def _place(source: str) -> str:
    """A source by which two names of one place are told to be one: paths in full, behind their kind."""
    kind, colon, path = source.partition(":")
    if colon and Path(path).expanduser().exists():
        return f"{kind}:{Path(path).expanduser().resolve()}"
    whole = Path(source).expanduser()
    return f"folder:{whole.resolve()}" if whole.is_dir() else str(whole.resolve()) if whole.exists() else source


def _silent(source: str, done: int, count: int) -> None:
    """Nobody listens."""


def _kind(name: str) -> str:
    return "fd" if name == "fid" else name


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
