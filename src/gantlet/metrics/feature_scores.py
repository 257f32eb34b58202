r"""Every score on features, of one sample against another: values, 95 % intervals, and the names that they may carry.

========================  =========================================================================================
``fd``                    Fréchet distance of Gaussian fits; ``fid`` on the 2015 Inception alone
``kid``                   unbiased squared MMD with the cubic kernel
``mmd``                   the same with CMMD's Gaussian kernel, × 1000
``precision``, ``recall``     shares within the balls of three neighbours
``density``, ``coverage``     the same of five neighbours, less moved by outliers
``inception_score``       exp E KL(p(y|x) ‖ p(y)), where the extractor has classes
``class_coverage``        share of the reals whose class is a tenth as frequent among the fakes, at least
``class_tvd``             total variation distance of the classes' shares, in [0, 1]: their balance
``memorisation``          P(a fake is nearer to the training images than a held-out image is); ½ is none
``duplicates``            share of fakes with a twin
``authenticity``          share of fakes that are no near copy of a training image
========================  =========================================================================================

An interval says how far the value would move with other samples of the same number. Shares have Wilson's, taken over the
side that is counted; kernel distances Student's over blocks; the Fréchet distance a jackknife's; the classes' a bootstrap's.

Legend: ``n`` fakes, ``m`` reals, ``d`` features, ``Y`` classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from gantlet.errors import BadValue, TooFewSamples, UnknownName

from .distances import fixed_order, frechet, inception_score
from .features.base import ExtractorCard, Features
from .gaussian_fit import Moments, frechet_error, moments_of
from .kernels import KERNELS, block_discrepancy
from .manifolds import NEIGHBOURS, ManifoldScores, manifold_scores
from .memorisation import Copying, TrainingDistances, copying, replicas
from .neighbours import neighbour_radii

__all__ = [
    "LEAST_SAMPLES",
    "MOST_NEIGHBOURS",
    "SCORES",
    "FeatureScore",
    "Reference",
    "ScoreKind",
    "Scoring",
    "available",
    "check_scores",
    "score_name",
]

LEAST_SAMPLES = 20
MOST_NEIGHBOURS = 10_000
"""Images of a side whose neighbours are looked for, at most, by a fixed shuffle: of precision, recall, density, coverage,
memorisation, authenticity and duplicates, training images included. Means, covariances, kernels and classes take all."""

_SPLITS, _DRAWS = 10, 200
_COVERED = 0.1


@dataclass(frozen=True)
class ScoreKind:
    """What is known of a score.

    Attributes:
        help: In one line.
        better: Whether higher or lower is better; None where neither end is.
        needs: ``features``, ``probabilities``, or ``train`` images.
    """

    help: str
    better: Literal["higher", "lower"] | None
    needs: Literal["features", "probabilities", "train"] = "features"


SCORES: Mapping[str, ScoreKind] = {
    "fd": ScoreKind("Fréchet distance of Gaussian fits to the features", "lower"),
    "kid": ScoreKind("unbiased squared MMD of the features, cubic kernel", "lower"),
    "mmd": ScoreKind("unbiased squared MMD of unit features, Gaussian kernel, σ = 10, × 1000", "lower"),
    "precision": ScoreKind("share of fakes within 3-nearest-neighbour balls of reals", "higher"),
    "recall": ScoreKind("share of reals within 3-nearest-neighbour balls of fakes", "higher"),
    "density": ScoreKind("balls of 5 neighbours of reals that hold a fake, over 5; may exceed 1", "higher"),
    "coverage": ScoreKind("share of reals whose ball of 5 neighbours holds a fake", "higher"),
    "inception_score": ScoreKind("exp E KL(p(y|x) ‖ p(y)) over 10 splits", "higher", "probabilities"),
    "class_coverage": ScoreKind(
        "share of reals whose predicted class is a tenth as frequent among fakes, at least", "higher", "probabilities"
    ),
    "class_tvd": ScoreKind("total variation distance of the predicted classes' shares", "lower", "probabilities"),
    "memorisation": ScoreKind(
        "P(a fake is nearer to training images than a held-out one is); 0.5: none", "lower", "train"
    ),
    "duplicates": ScoreKind("share of fakes with another nearer than 99 % of held-out images have", "lower"),
    "authenticity": ScoreKind(
        "share of fakes farther from their training image than its neighbour is", "higher", "train"
    ),
}
"""Every score, in the order of columns."""


@dataclass(frozen=True)
class FeatureScore:
    """A number with its 95 % interval; nan where the interval is not known or was not asked for."""

    value: float
    low: float = math.nan
    high: float = math.nan


def score_name(score: str, card: ExtractorCard) -> str:
    """The name of a column: bare only where the field's own network makes it, else with the extractor's.

    Example:
        >>> score_name("fd", ExtractorCard("efficientnet-lite0", "", None, (0, 1), "none", 2))
        'fd_efficientnet-lite0'
    """
    standard = "fid" if score == "fd" else score
    return standard if standard in card.standard else f"{'is' if score == 'inception_score' else score}_{card.short}"


def available(card: ExtractorCard, *, train: bool) -> list[str]:
    """The scores that an extractor, with or without training images, allows."""
    return [
        name
        for name, kind in SCORES.items()
        if (kind.needs != "probabilities" or card.classes) and (kind.needs != "train" or train)
    ]


@dataclass(frozen=True, eq=False)
class Reference:
    """What all fakes are compared with; everything that does not depend on them is taken once.

    Arguments:
        real: Features of held-out images, ``[m, d]``, and probabilities.
        train: Features of training images, which ``real`` does not hold.
    """

    real: Features
    train: Features | None = None

    @cached_property
    def moments(self) -> Moments:
        """Of the reals."""
        return moments_of(self.real.features)

    @cached_property
    def some(self) -> Tensor:
        """The reals that are compared pair by pair."""
        return _some(self.real.features)

    @cached_property
    def radii(self) -> Tensor:
        """Of the balls around them."""
        return neighbour_radii(self.some, NEIGHBOURS)

    @cached_property
    def trained(self) -> Tensor:
        """The training images that are compared pair by pair."""
        assert self.train is not None
        return _some(self.train.features)

    @cached_property
    def training_distances(self) -> TrainingDistances:
        """From reals to training images, and among these."""
        return TrainingDistances.of(held_out=self.some, train=self.trained)


@dataclass(frozen=True, eq=False)
class Scoring:
    """Fakes against a reference; what several scores share is done once.

    Arguments:
        reference: Reals, and training images where there are some.
        fake: Features of the fakes, ``[n, d]``, and probabilities.
        intervals: Whether to take the intervals, which cost about five times the values.

    Raises:
        BadValue: The sides have different numbers of features.
        TooFewSamples: A side has fewer than 20 samples.

    Example:
        >>> x, y = torch.randn(2, 500, 4, generator=torch.Generator().manual_seed(1))
        >>> found = Scoring(Reference(Features(x)), Features(y + 1)).scores(["fd", "precision"])
        >>> {name: (round(score.low, 2), round(score.value, 2), round(score.high, 2)) for name, score in found.items()}
        {'fd': (3.51, 4.06, 4.61), 'precision': (0.84, 0.87, 0.89)}
    """

    reference: Reference
    fake: Features
    intervals: bool = True

    def __post_init__(self) -> None:
        given = (self.reference.real, self.fake, self.reference.train)
        sides = [side.features for side in given if side is not None]
        if len({side.shape[1] for side in sides}) > 1:
            counts = " and ".join(str(side.shape[1]) for side in sides)
            raise BadValue(f"Both sides need the features of one extractor; these have {counts} features.")
        if (least := min(map(len, sides))) < LEAST_SAMPLES:
            raise TooFewSamples(
                f"Scores on features need at least {LEAST_SAMPLES} samples of each side; there are {least}."
            )

    def scores(self, names: Iterable[str]) -> dict[str, FeatureScore]:
        """The scores by name, in the order asked for.

        Raises:
            UnknownName: No such score.
            BadValue: One that needs classes or training images that are not there.
        """
        return {name: self._score(name) for name in names}

    def _score(self, name: str) -> FeatureScore:
        if name not in SCORES:
            raise UnknownName("score", name, SCORES)
        if SCORES[name].needs == "train" and self.reference.train is None:
            raise BadValue(f"'{name}' compares with training images, which were not given.")
        if SCORES[name].needs == "probabilities" and (
            self.fake.probabilities is None or self.reference.real.probabilities is None
        ):
            raise BadValue(f"'{name}' needs an extractor that has classes.")
        if name in KERNELS:
            return self._kernel(name)
        if name in ManifoldScores._fields:
            return self._mean(getattr(self._manifold, name), share=name != "density")
        of: dict[str, Callable[[], FeatureScore]] = {
            "fd": self._frechet,
            "inception_score": self._inception,
            "class_coverage": lambda: self._classes(_class_coverage),
            "class_tvd": lambda: self._classes(_class_distance),
            "memorisation": lambda: self._normal(self._copying.memorisation, self._copying.error, 0.0, 1.0),
            "duplicates": self._duplicates,
            "authenticity": lambda: self._mean(self._copying.authentic, share=True),
        }
        return of[name]()

    def _frechet(self) -> FeatureScore:
        value = float(frechet(*self.reference.moments, *moments_of(self.fake.features)))
        if not self.intervals:
            return FeatureScore(value)
        error = frechet_error(real=self.reference.real.features, fake=self.fake.features)
        return self._normal(value, error, 0.0, degrees=9)

    def _kernel(self, kind: str) -> FeatureScore:
        found = block_discrepancy(kind, real=self.reference.real.features, fake=self.fake.features)
        return self._normal(found.value, found.error, degrees=found.blocks - 1)

    def _inception(self) -> FeatureScore:
        assert self.fake.probabilities is not None
        shuffled = self.fake.probabilities[fixed_order(len(self.fake.probabilities))]
        parts = torch.stack([inception_score(part, splits=1) for part in shuffled.tensor_split(_SPLITS)])
        return self._normal(float(parts.mean()), float(parts.std()) / math.sqrt(_SPLITS), 1.0, degrees=_SPLITS - 1)

    def _classes(self, of: Callable[[_Counts, _Counts], float]) -> FeatureScore:
        counts = [_counted(side.probabilities) for side in (self.reference.real, self.fake)]
        value = of(*counts)
        if not self.intervals:
            return FeatureScore(value)
        numbers = np.random.default_rng(1)
        draws = [of(*(numbers.multinomial(side.sum(), side / side.sum()) for side in counts)) for _ in range(_DRAWS)]
        return self._normal(value, float(np.std(draws)), 0.0, 1.0)

    def _duplicates(self) -> FeatureScore:
        found = replicas(fake=_some(self.fake.features), held_out=self.reference.some)
        return self._mean(found.duplicate, share=True)

    def _mean(self, parts: Tensor, *, share: bool) -> FeatureScore:
        value = float(parts.mean())
        if not self.intervals:
            return FeatureScore(value)
        if not share:
            return self._normal(value, float(parts.std()) / math.sqrt(len(parts)), 0.0)
        interval = stats.binomtest(int(parts.sum()), len(parts)).proportion_ci(method="wilson")
        return FeatureScore(value, float(interval.low), float(interval.high))

    def _normal(
        self, value: float, error: float, least: float = -math.inf, most: float = math.inf, *, degrees: int = 10**6
    ) -> FeatureScore:
        if not self.intervals or not math.isfinite(error):
            return FeatureScore(value)
        reach = float(stats.t.ppf(0.975, degrees)) * error
        return FeatureScore(value, max(least, value - reach), min(most, value + reach))

    @cached_property
    def _manifold(self) -> ManifoldScores:
        return manifold_scores(
            real=self.reference.some, fake=_some(self.fake.features), real_radius=self.reference.radii
        )

    @cached_property
    def _copying(self) -> Copying:
        reference = self.reference
        return copying(fake=_some(self.fake.features), train=reference.trained, known=reference.training_distances)


_Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


def _counted(probabilities: Tensor | None) -> _Counts:  # [n, Y] -> [Y]
    assert probabilities is not None
    return probabilities.argmax(1).bincount(minlength=probabilities.shape[1]).cpu().numpy()


def _class_coverage(real: _Counts, fake: _Counts) -> float:
    covered = fake / fake.sum() >= _COVERED * real / real.sum()
    return float(real[covered].sum() / real.sum())


def _class_distance(real: _Counts, fake: _Counts) -> float:
    return float(np.abs(real / real.sum() - fake / fake.sum()).sum() / 2)


def _some(features: Tensor) -> Tensor:
    """At most so many samples as are compared pair by pair, picked by a fixed shuffle."""
    return features if len(features) <= MOST_NEIGHBOURS else features[fixed_order(len(features))[:MOST_NEIGHBOURS]]


def check_scores(names: Collection[str], card: ExtractorCard, *, train: bool) -> list[str]:
    """The scores of an extractor by the names that a user gave; none stands for all. ``fid`` is taken where it is honest.

    Raises:
        UnknownName: No such score.
        BadValue: ``fid`` on other features than those of the 2015 Inception, or a score that needs what is not there.
    """
    possible = available(card, train=train)
    if not names:
        return possible
    for name in names:
        kind = "fd" if name == "fid" else name
        if kind not in SCORES:
            raise UnknownName("score", name, [*SCORES, "fid"])
        if name == "fid" and "fid" not in card.standard:
            raise BadValue(
                f"FID is the Fréchet distance on inception-2015 alone; on {card.name} ask for fd, which is called "
                f"{score_name('fd', card)}."
            )
        if kind not in possible:
            lacks = "training images (--train)" if SCORES[kind].needs == "train" else "an extractor that has classes"
            raise BadValue(f"'{name}' needs {lacks}.")
    return list(names)
