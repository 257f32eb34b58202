r"""How many of the thousand modes of Stacked MNIST samples cover, as a classifier of digits reads them.

The three channels of an image are read one by one; its mode is the triple of the likeliest digits, and its confidence

.. math::
    c = \prod_{k=1}^3 \max_y p(y | x_k)

the product of their probabilities. ``modes`` counts the triples that occur at all, ``modes_cC_nN`` those that occur at
least N times with a confidence of at least C %. The distribution over modes is that of *all* samples, see
:mod:`gantlet.metrics.divergences`; the true one is the product of the digits' shares in the training images.

N draws from a thousand equally likely modes cover 1000 (1 - (1 - 1/1000)^N) of them on average: all but 10⁻⁸ of 25,000.

Legend: ``S`` members, ``N`` fake samples, ``C`` digits, ``M`` = C³ modes, ``K`` generators of a team.

References:
    | Unrolled generative adversarial networks (Metz et al., 2017), https://arxiv.org/abs/1611.02163: the modes
    | Towards addressing GAN training instabilities: dual-objective GANs with tunable parameters (Welfert et al., 2023),
      https://arxiv.org/abs/2302.14320: the counts
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from gantlet.data.base import Dataset, Range, rescaled
from gantlet.errors import BadData, BadValue

from .base import MetricColumn, MetricInput
from .classifier import Classifier, train_classifier
from .divergences import DIVERGENCES, divergences
from .teams import SHARED_MODES, generators_of, ownership, shared_modes

__all__ = ["StackedModes"]

_COUNTS = tuple((percent, least) for percent in (0, 20, 50, 90) for least in (1, 3))
_NATIVE: Range = (-1.0, 1.0)
"""The range of the images that classifiers read."""

_UNLABELLED = (
    "The modes of stacked images are counted by the single digits that they are composed of, which need labels; put the "
    "label files into the same folder."
)


@dataclass(frozen=True, eq=False)
class StackedModes:
    """Modes and distribution over modes of images whose three channels are digits.

    Pixels are brought from ``data.pixel_range`` to the classifier's; what a generator puts outside stays outside. An image
    that is not finite belongs to no mode.

    Of teams alone it also reports how the generators share the modes, see :mod:`gantlet.metrics.teams`: a mode belongs to
    the generator that made most of its samples (the first on a tie), so ``modes_by_generator`` adds up to ``modes``.

    Arguments:
        classifier: Who reads the channels.
        data: The data set, with labels of the digits it is composed of.
        samples: Fakes per member that it wants.

    Raises:
        BadValue: ``samples`` is below 1, or the samples do not have three channels.
        BadData: The data set is not composed of labelled digits.
    """

    classifier: Classifier
    data: Dataset
    samples: int = 25_000

    needs: ClassVar[frozenset[str]] = frozenset({"samples", "owners", "labels"})

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise BadValue(f"samples={self.samples} is out of range: expected 1 ≤ samples.")
        if self.data.origin is None or self.data.origin.train_labels is None:
            raise BadData(_UNLABELLED)

    @classmethod
    def of(cls, dataset: Dataset) -> StackedModes:
        """With a classifier that is trained on the digits of which the images are composed.

        Raises:
            BadData: They have no labels, or the images are not composed of any.
        """
        digits = dataset.origin
        if digits is None or digits.train_labels is None or digits.test_labels is None:
            raise BadData(_UNLABELLED)
        train = digits.floats(digits.train)
        classifier = train_classifier(train, digits.train_labels, test=digits.test, test_labels=digits.test_labels)
        return cls(classifier, dataset)

    @property
    def columns(self) -> tuple[MetricColumn, ...]:
        """What it reports."""
        modes = f"modes, of {self._modes},"
        return (
            MetricColumn("modes", f"{modes} with at least one sample", "higher"),
            *(
                MetricColumn(
                    _name(percent, least), f"{modes} with ≥ {least} samples of confidence ≥ {percent} %", "higher"
                )
                for percent, least in _COUNTS[1:]
            ),
            *SHARED_MODES,
            MetricColumn("confidence", "mean confidence: the product of the three digits' probabilities", "higher"),
            *DIVERGENCES,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know to compare the numbers with others."""
        return {
            "classifier": dict(self.classifier.facts),
            "classifier_accuracy": self.classifier.accuracy,
            "classifier_sha256": self.classifier.fingerprint,
            "modes": self._modes,
            "samples": self.samples,
            "distribution": "all samples; truth: product of the digits' shares; one added to each count; natural log",
            "real_images": self._floor,
        }

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        """One value per member and column."""
        modes, confidence = self._read(inputs.fake)
        result = self._count(modes, confidence)
        if inputs.owners is not None:
            counts = self._by_generator(inputs, modes)
            result |= shared_modes(counts, counts)
        return result

    @property
    def modes_are(self) -> str:
        """What the columns of :meth:`ownership` are."""
        return "mode"

    def ownership(self, inputs: MetricInput) -> Tensor:
        """Samples by generator and mode, ``[S, K, M]`` int64."""
        return self._by_generator(inputs, self._read(inputs.fake)[0])

    def _by_generator(self, inputs: MetricInput, modes: Tensor) -> Tensor:  # [S, N] -> [S, K, M]
        owners = torch.zeros_like(modes) if inputs.owners is None else inputs.owners
        return ownership(owners=owners, labels=modes, generators=generators_of(inputs), modes=self._modes)

    def _read(self, fake: Tensor) -> tuple[Tensor, Tensor]:  # [S, N, 3, H, W] -> [S, N] int64, [S, N]
        """The mode of each sample, M where it has none, and how sure the classifier is of it."""
        if fake.dim() != 5 or fake.shape[2] != 3:
            raise BadValue(
                f"Stacked images are [members, samples, 3, height, width], but these are {list(fake.shape)}."
            )
        channels = rescaled(fake.detach(), was=self.data.pixel_range, becomes=_NATIVE).flatten(0, 2).unsqueeze(1)
        sure, digit = self.classifier.probabilities(channels).max(1)  # [S N 3]
        places = torch.tensor([self._digits**2, self._digits, 1], device=digit.device)
        modes = (digit.unflatten(0, fake.shape[:3]) * places).sum(2)
        confidence = sure.unflatten(0, fake.shape[:3]).prod(2)
        return modes.where(confidence.isfinite(), self._modes), confidence.nan_to_num(0.0)

    def _count(self, modes: Tensor, confidence: Tensor) -> dict[str, list[Any]]:  # [S, N], [S, N]
        result: dict[str, list[Any]] = {}
        for percent, least in _COUNTS:
            kept = modes.where(confidence >= percent / 100, self._modes)
            result[_name(percent, least)] = (self._tally(kept)[:, :-1] >= least).sum(1).tolist()
        result["confidence"] = confidence.double().mean(1).tolist()
        return result | divergences(self._tally(modes), self._weights)

    def _tally(self, modes: Tensor) -> Tensor:  # [S, N] -> [S, M + 1] int64
        counts = torch.zeros(len(modes), self._modes + 1, dtype=torch.int64, device=modes.device)
        return counts.scatter_add_(1, modes, torch.ones_like(modes))

    @property
    def _digits(self) -> int:
        return self.classifier.net.classes

    @property
    def _modes(self) -> int:
        return self._digits**3

    @cached_property
    def _weights(self) -> Tensor:  # [M]
        assert self.data.origin is not None
        assert self.data.origin.train_labels is not None
        share = self.data.origin.train_labels.cpu().bincount(minlength=self._digits).double()
        share = share / share.sum()
        return torch.einsum("i,j,k->ijk", share, share, share).flatten()

    @cached_property
    def _floor(self) -> dict[str, Any]:
        """What as many test images score as there are, at most as many as the metric wants of fakes."""
        real = self.data.test[: self.samples]
        found = self._count(*self._read(real[None]))
        kept = ("modes", _name(90, 1), "confidence", "kl", "reverse_kl")
        return {"count": len(real), **{name: found[name][0] for name in kept}}


def _name(percent: int, least: int) -> str:
    return "modes" if (percent, least) == _COUNTS[0] else f"modes_c{percent}_n{least}"
