r"""How a classifier sees generated images: which classes, how surely, and how far from real ones.

.. math::
    \text{classifier\_is} = \exp \mathbb{E}\, \mathrm{KL}(p(y|x) \,\|\, p(y)), \qquad
    \text{classifier\_fd} = d^2(\text{features of fakes}, \text{features of test images})

Both rest on a small classifier of the same kind of images, not on the standard Inception network: they are named for
what they are, and can be compared only where the classifier's hash is the same.

Legend: ``S`` members, ``N`` fake images, ``N'`` test images, ``C`` classes, ``K`` generators of a team.

Reference:
    | Improved techniques for training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498: the score
    | GANs trained by a two time-scale update rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500: the distance
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.special import entr

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue, TooFewSamples

from .base import MetricColumn, MetricInput
from .classifier import Classifier, train_classifier
from .distances import Moments, fixed_order, frechet, inception_score, moments
from .teams import balance, best, generators_of, mode_overlap, owned, ownership

__all__ = ["ClassifierMetric"]

_SPLITS = 10
"""Parts of the inception score, as in the field."""


@dataclass(frozen=True, eq=False)
class ClassifierMetric:
    """Classes, inception score and Fréchet distance as a classifier reads them.

    An image that is not finite belongs to no class, and leaves its member without score and distance (nan).

    Of teams alone it also reports how the generators share the classes, see :mod:`gantlet.metrics.teams`: a covered
    class belongs to the generator that made most of its sure fakes (the first on a tie), so the numbers of
    ``classes_by_generator`` add up to ``class_coverage``.

    Arguments:
        classifier: It reads the images.
        test: Real images that neither classifier nor generators were trained on, ``[N', 1, 28, 28]``.
        test_labels: Their classes, ``[N']`` int64.
        samples: Fakes per member that it wants.
        coverage_at: A class is covered if at least this share of the fakes are surely of it.
        sure_at: A fake is surely of a class from this probability on.
        train: Training images, for the distance between real and real; without them it is taken between the halves
            of ``test``, which is larger.

    Raises:
        BadValue: ``samples`` below 2, or a share outside its range.
        BadData: Labels that do not belong to the test images.
        TooFewSamples: Fewer than four test images.
    """

    classifier: Classifier
    test: Tensor
    test_labels: Tensor
    samples: int = 5000
    coverage_at: float = 0.01
    sure_at: float = 0.9
    train: Tensor | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"samples", "owners", "labels"})

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise BadValue(f"samples={self.samples} is out of range: expected 2 ≤ samples.")
        for name in ("coverage_at", "sure_at"):
            if not 0 < getattr(self, name) <= 1:
                raise BadValue(f"{name}={getattr(self, name)} is out of range: expected 0 < {name} ≤ 1.")
        if self.test_labels.shape != self.test.shape[:1]:
            raise BadData(
                f"{len(self.test)} test images have labels of shape {list(self.test_labels.shape)}; give one for each."
            )
        if len(self.test) < 4:
            raise TooFewSamples(f"Evaluation by a classifier needs at least 4 test images; there are {len(self.test)}.")

    @classmethod
    def of(cls, dataset: Dataset) -> ClassifierMetric:
        """With a classifier that is trained on the data set's own images, once per machine.

        Raises:
            BadData: They have no labels, or are not grey images of 28×28 pixels.
            TooFewSamples: There are too few of them.
        """
        if dataset.train_labels is None or dataset.test_labels is None:
            raise BadData(
                "The metric 'classifier' needs labels beside the images; put the label files into the same folder."
            )
        train = dataset.floats(dataset.train)
        classifier = train_classifier(train, dataset.train_labels, test=dataset.test, test_labels=dataset.test_labels)
        return cls(classifier, dataset.test, dataset.test_labels, train=train)

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        classes = len(self._shares)
        sure, least = f"{self.sure_at:.0%}", f"{self.coverage_at:.3g}"
        return (
            MetricColumn(
                "class_coverage", f"classes, of {classes}, with a share ≥ {least} of {sure}-sure fakes", "higher"
            ),
            MetricColumn("class_entropy", f"entropy of the fakes' classes, in nats (at most ln {classes})", "higher"),
            MetricColumn("class_tvd", "total variation distance of the fakes' classes from the test labels'", "lower"),
            MetricColumn(
                "classifier_is", f"inception score by the classifier, {_SPLITS} splits; not the standard IS", "higher"
            ),
            MetricColumn(
                "classifier_fd", "Fréchet distance of the classifier's features to test images'; not FID", "lower"
            ),
            MetricColumn(
                "classes_by_generator", "covered classes that each generator of a team owns; teams only", teams=True
            ),
            MetricColumn(
                "class_entropy_by_generator", "entropy of each generator's classes, in nats; teams only", teams=True
            ),
            MetricColumn(
                "best_generator_coverage",
                "class_coverage of the best generator by itself; teams only",
                "higher",
                teams=True,
            ),
            MetricColumn(
                "team_balance", "entropy of who owns the covered classes, over ln K: 1 is even; teams only", teams=True
            ),
            MetricColumn(
                "team_overlap", "what two generators' classes have in common, in [0, 1]; teams only", teams=True
            ),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        return {
            "classifier": dict(self.classifier.facts),
            "classifier_accuracy": self.classifier.accuracy,
            "classifier_sha256": self.classifier.fingerprint,
            "features": "84, before the last layer",
            "samples": self.samples,
            "reference": f"{len(self.test)} test images",
            "splits": _SPLITS,
            "coverage_at": self.coverage_at,
            "sure_at": self.sure_at,
            "real_against_real": self._floor,
        }

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        result: dict[str, list[Any]] = {}
        for place, images in enumerate(inputs.fake):
            features, probabilities = self.classifier.read(images)
            values = self._evaluate(features, probabilities)
            if inputs.owners is not None:
                values |= self._share_out(probabilities, inputs.owners[place], generators_of(inputs))
            for name, value in values.items():
                result.setdefault(name, []).append(value)
        return result

    @property
    def modes_are(self) -> str:
        """What the columns of :meth:`ownership` are."""
        return "class"

    def ownership(self, inputs: MetricInput) -> Tensor:
        """Sure fakes by generator and class, ``[S, K, C]`` int64."""
        sure = torch.stack([self._labels(self.classifier.probabilities(images))[1] for images in inputs.fake])
        owners = torch.zeros_like(sure) if inputs.owners is None else inputs.owners
        return ownership(owners=owners, labels=sure, generators=generators_of(inputs), modes=len(self._shares))

    def _evaluate(self, features: Tensor, probabilities: Tensor) -> dict[str, Any]:  # [N, d], [N, C]
        samples, classes = probabilities.shape
        every, sure = (labels[labels < classes].bincount(minlength=classes) for labels in self._labels(probabilities))
        share = every.double().cpu() / samples  # [C]
        finite = bool(probabilities.isfinite().all())
        return {
            "class_coverage": int(self._covered(sure, samples).sum()),
            "class_entropy": float(entr(share).sum()),
            "class_tvd": float((share - self._shares).abs().sum() + (1 - share.sum())) / 2,
            "classifier_is": float(_score(probabilities)) if finite else math.nan,
            "classifier_fd": float(self._distance(features)) if finite else math.nan,
        }

    def _share_out(self, probabilities: Tensor, owners: Tensor, generators: int) -> dict[str, Any]:  # [N, C], [N]
        samples, classes = probabilities.shape
        every, sure = (
            ownership(owners=owners[None], labels=labels[None], generators=generators, modes=classes)[0]  # [K, C]
            for labels in self._labels(probabilities)
        )
        made = owners.bincount(minlength=generators).to(every.device).unsqueeze(1)  # [K, 1]
        owns = owned(sure * self._covered(sure.sum(0), samples))
        return {
            "classes_by_generator": owns.tolist(),
            "class_entropy_by_generator": entr(every / made.double()).sum(1).tolist(),  # nan without a fake
            "best_generator_coverage": int(best(self._covered(sure, made) & (made > 0))),
            "team_balance": float(balance(owns)),
            "team_overlap": float(mode_overlap(every)),
        }

    def _labels(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:  # [N, C] -> [N], [N]
        """The class of every fake, and of those that are surely of one; C stands for none."""
        confidence, label = probabilities.max(1)
        none = probabilities.shape[1]
        return label.where(probabilities.isfinite().all(1), none), label.where(confidence >= self.sure_at, none)

    def _covered(self, sure: Tensor, samples: Tensor | int) -> Tensor:
        # The small slack: 0.07 * 100 is 7.000000000000001, and 7 of 100 are a share of 0.07.
        return sure >= self.coverage_at * samples - 1e-9

    def _distance(self, features: Tensor) -> Tensor:  # [N, 84] -> []
        # On the CPU, where small eigenvalue problems are quick and every build of torch can solve them.
        mean, covariance = moments(features)
        return frechet(mean.cpu(), covariance.cpu(), *self._reference)

    @cached_property
    def _shares(self) -> Tensor:  # [C]
        classes = self.classifier.net.classes
        return self.test_labels.cpu().bincount(minlength=classes).double() / len(self.test_labels)

    @cached_property
    def _reference(self) -> Moments:
        mean, covariance = moments(self.classifier.features(self.test))
        return Moments(mean.cpu(), covariance.cpu())

    @cached_property
    def _floor(self) -> dict[str, Any]:
        """What real images score, and the Fréchet distance between real and other real ones."""
        features, probabilities = self.classifier.read(self.test)
        if self.train is not None:
            some = self.train[fixed_order(len(self.train))[: self.samples]]
            distance = self._distance(self.classifier.features(some))
            between = f"{len(some)} training images, which the classifier knows, and {len(features)} test images"
        else:
            halves = features[fixed_order(len(features))].tensor_split(2)
            distance = frechet(*moments(halves[0]), *moments(halves[1]))
            between = f"{len(halves[0])} test images and the other {len(halves[1])}"
        return {
            "classifier_is_of_test_images": float(_score(probabilities)),
            "classifier_fd": float(distance),
            "between": between,
        }


def _score(probabilities: Tensor) -> Tensor:  # [N, C] -> []
    shuffled = probabilities[fixed_order(len(probabilities)).to(probabilities.device)]
    return inception_score(shuffled, splits=min(_SPLITS, len(shuffled)))
