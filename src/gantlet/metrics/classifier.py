"""A classifier of 28×28 grey images, trained once, by which generated images are evaluated.

It is trained on the training images alone, a tenth of which is held back to choose the epoch. The test images are
looked at once, at the end: the accuracy on them is honest, and belongs to every number that rests on the classifier.

Differs from the classifier of the (α_D, α_G)-GAN experiments in: the epoch is chosen on held-out training images
(there: on the test images), the learning rate follows a cycle, and the images are warped.

Legend: ``N`` images, ``N'`` test images, ``C`` classes.

Reference:
    | (α_D, α_G)-GANs (Welfert, Otstot, Kurri, Sankar, 2023), https://arxiv.org/abs/2302.14320
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from gantlet.errors import BadData, TooFewSamples
from gantlet.randomness import seeded

from .cache import ClassifierCard, load_classifier, store_classifier, weights_digest
from .lenet import ClassifierRecipe, LeNet, accuracy_of, fit

__all__ = ["Classifier", "Reading", "train_classifier"]

_SHAPE = (1, 28, 28)
_LEAST = 20  # images to train on, so that two are held back
_CHUNK = 2048  # images read at once


class Reading(NamedTuple):
    """What a classifier sees in images."""

    features: Tensor  # [N, 84], the layer before the last
    probabilities: Tensor  # [N, C]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier; it works on whatever device the images lie.

    Attributes:
        net: The network, in eval mode.
        card: Its accuracies and the hash of its weights.
        recipe: How it was trained.
    """

    net: LeNet
    card: ClassifierCard
    recipe: ClassifierRecipe

    @property
    def accuracy(self) -> float:
        """The share of the test images that it names rightly."""
        return self.card.accuracy

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its weights."""
        return self.card.fingerprint

    @property
    def facts(self) -> Mapping[str, Any]:
        """Its card, for whoever compares numbers that rest on it."""
        return {"network": "LeNet-5", **asdict(self.card), "recipe": self.recipe.described()}

    @torch.no_grad()
    def read(self, images: Tensor) -> Reading:
        """Features and class probabilities of images in [-1, 1], ``[N, 1, 28, 28] -> [N, 84], [N, C]``.

        Raises:
            BadData: The images have another shape.
        """
        _check_shape(images)
        weights = {name: value.to(images.device) for name, value in self.net.state_dict().items()}
        parts = [functional_call(self.net, weights, (part.float(),)) for part in images.split(_CHUNK)]
        features, logits = (torch.cat(side) for side in zip(*parts, strict=True))
        return Reading(features, logits.softmax(1))

    def features(self, images: Tensor) -> Tensor:  # [N, 1, 28, 28] -> [N, 84]
        """The layer before the last."""
        return self.read(images).features

    def probabilities(self, images: Tensor) -> Tensor:  # [N, 1, 28, 28] -> [N, C]
        """The probability of each class."""
        return self.read(images).probabilities


def train_classifier(
    train: Tensor,
    train_labels: Tensor,
    *,
    test: Tensor,
    test_labels: Tensor,
    seed: int = 1,
    epochs: int | None = None,
    recipe: ClassifierRecipe | None = None,
) -> Classifier:
    """Train a classifier, or take it from the cache where the same one was trained before.

    It follows from the arguments alone (on one kind of machine); torch's global random state is left as it was.
    4,000 digits take about 15 s and give 98.7 %.

    Arguments:
        train: ``[N, 1, 28, 28]`` in [-1, 1], -1 being the background.
        train_labels: ``[N]`` int64, from 0.
        test: ``[N', 1, 28, 28]``; nothing but the reported accuracy depends on it.
        test_labels: ``[N']`` int64.
        seed: Of everything random.
        epochs: Passes over the training images; None: 160,000 images in all, but 8 to 40 passes.
        recipe: All of how it is trained, ``seed`` and ``epochs`` included; None: gantlet's own recipe with those.

    Raises:
        BadData: Images of another shape, or labels that do not belong to them.
        TooFewSamples: Fewer than 20 training images.
    """
    for images, labels in ((train, train_labels), (test, test_labels)):
        _check_shape(images)
        _check_labels(images, labels)
    if len(train) < _LEAST:
        raise TooFewSamples(f"A classifier cannot be trained on {len(train)} images; give at least {_LEAST}.")
    data = [value.detach().cpu() for value in (train.float(), train_labels, test.float(), test_labels)]
    if recipe is None:
        recipe = ClassifierRecipe(seed=seed, epochs=epochs or min(40, max(8, round(160_000 / len(train)))))
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    key = weights_digest(data, recipe.described())
    with _apart(recipe.seed):
        net = LeNet(classes, recipe)
        card = load_classifier(key, net)
        if card is None:
            held_back = fit(net, data[0], data[1], recipe)
            card = ClassifierCard(
                accuracy_of(net, data[2], data[3]), held_back, weights_digest(net.state_dict().values())
            )
            store_classifier(key, net, card, recipe.described())
    return Classifier(net.eval().requires_grad_(False), card, recipe)


@contextmanager
def _apart(seed: int) -> Generator[None, None, None]:
    """Torch's global random state seeded, and one thread; both are put back as they were."""
    threads = torch.get_num_threads()
    # One thread: sums are then the same at every thread count, and a busy machine does not stall small steps.
    torch.set_num_threads(1)
    try:
        with seeded(seed), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def _check_shape(images: Tensor) -> None:
    if images.ndim != 4 or tuple(images.shape[1:]) != _SHAPE or not len(images):
        raise BadData(
            f"The classifier reads images of shape [N, 1, 28, 28], but these have {list(images.shape)}. "
            "Give 28×28 grey images, channels first."
        )


def _check_labels(images: Tensor, labels: Tensor) -> None:
    if labels.shape != images.shape[:1] or labels.is_floating_point() or int(labels.min()) < 0:
        raise BadData(
            f"The labels of {len(images)} images must be as many whole numbers from 0, "
            f"not {labels.dtype} of shape {list(labels.shape)}."
        )
