"""gantlet's own classifier of 28×28 grey images as an extractor: 84 features before its last layer, and its classes.

It is trained once per machine on the data set at hand, or on a named one, and kept in the cache
(:mod:`gantlet.metrics.classifier`). Colour images become grey, others are brought to 28 pixels.

Reference:
    | Gradient-based learning applied to document recognition (LeCun et al., 1998), https://doi.org/10.1109/5.726791
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, Self

from torch import Tensor

from gantlet import data
from gantlet.data.base import Dataset
from gantlet.errors import BadData
from gantlet.metrics.classifier import Classifier, train_classifier
from gantlet.settings import setting

from .base import ExtractorCard, Features
from .pixels import ANTIALIASED, as_grey, resized

__all__ = ["LeNetFeatures"]


@dataclass(frozen=True)
class LeNetFeatures:
    """gantlet's own classifier of 28×28 grey images: 84 features and the classes of the data that it was trained on."""

    trained_on: Literal["digits", "mnist", "fashion-mnist"] = setting(
        "digits",
        "what it is trained on, where the data at hand are not known",
        choices=("digits", "mnist", "fashion-mnist"),
    )
    dataset: Dataset | None = None

    any_device: ClassVar[bool] = True

    def trained_for(self, dataset: Dataset) -> Self:
        """Trained on these images."""
        return replace(self, dataset=dataset)

    @property
    def card(self) -> ExtractorCard:
        """Its card.

        Raises:
            BadData: The data set has no labels, or other images.
        """
        return ExtractorCard(
            name="lenet",
            sha256=self._classifier.fingerprint,
            input_size=(28, 28),
            input_range=(-1.0, 1.0),
            resizer=ANTIALIASED,
            dimension=84,
            classes=self._classifier.net.classes,
        )

    def __call__(self, images: Tensor) -> Features:
        """Features and class probabilities, ``[N, C, H, W]`` uint8 -> ``[N, 84], [N, Y]``."""
        pixels = resized(as_grey(images), (28, 28)) / 127.5 - 1
        return Features(*self._classifier.read(pixels))

    @cached_property
    def _classifier(self) -> Classifier:
        source: Dataset = self.dataset if self.dataset is not None else data.get(self.trained_on).load()
        if source.train_labels is None or source.test_labels is None:
            raise BadData(
                "The extractor 'lenet' is trained on labelled images; put the label files into the same folder."
            )
        train = source.floats(source.train)
        return train_classifier(train, source.train_labels, test=source.test, test_labels=source.test_labels)
