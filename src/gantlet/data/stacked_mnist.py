"""Stacked MNIST: colour images whose three channels are three digits, and so a thousand modes of known weight.

Red, green and blue are independent uniform draws, with replacement, from the images of MNIST: training images from its
training part, test images from its test part. Both are drawn once, by ``data_seed``, and are the same for every member.

Legend: ``N`` images, ``H`` x ``W`` pixels.

References:
    | Unrolled generative adversarial networks (Metz et al., 2017), https://arxiv.org/abs/1611.02163
    | Towards addressing GAN training instabilities: dual-objective GANs with tunable parameters (Welfert et al., 2023),
      https://arxiv.org/abs/2302.14320: the sizes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gantlet.randomness import keyed_generator
from gantlet.settings import setting

from .base import Dataset, Range, rescaled
from .digits import mnist
from .pool import LEAST, with_facts

__all__ = ["StackedDigits"]

_RANGES: dict[str, Range] = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0)}


@dataclass(frozen=True)
class StackedDigits:
    """Three digits stacked into one image: ``[N, 3, H, W]``, 8-bit to train on, float32 to test.

    The label of an image is its digits read as a number, red first: 100 r + 10 g + b of ten classes. What the channels are
    drawn from stays at hand as the ``origin`` of the data set.

    25,000 test images take 235 MB as float32, 100,000 training images as much as 8-bit ones.
    """

    data_path: str = setting("", "the folder that holds the idx files of MNIST", path=True)
    train_size: int = setting(100_000, "training images, drawn from MNIST's training part", low=LEAST)
    test_size: int = setting(25_000, "test images, drawn from MNIST's test part", low=LEAST)
    data_seed: int = setting(1, "seed of the draws; the same for all members", low=0)
    pixel_range: Literal["-1..1", "0..1"] = setting("-1..1", "what black and white become", choices=tuple(_RANGES))
    card: ClassVar[str] = "stacked-mnist"
    """The named set that is read where no folder was given."""

    def load(self) -> Dataset:
        """Read the files, and draw.

        Raises:
            BadData: No folder was given, a file is missing or wrong, or files disagree with each other.
        """
        digits = mnist(data_path=self.data_path).load()
        span = _RANGES[self.pixel_range]
        train = self._draw("train", count=self.train_size, choices=digits.size)  # [N, 3]
        test = self._draw("test", count=self.test_size, choices=len(digits.test))
        classes = _classes(digits)
        data = Dataset(
            train=digits.train.squeeze(1)[train],
            test=rescaled(digits.test.squeeze(1), was=digits.pixel_range, becomes=span)[test],
            train_labels=_stacked(digits.train_labels, train, classes),
            test_labels=_stacked(digits.test_labels, test, classes),
            origin=digits,
            pixel_range=span,
        )
        source = f"three independent uniform draws per image from {digits.facts['source']}"
        return with_facts(data, source=source, scaled_from="8-bit, 0..255", data_seed=self.data_seed)

    def _draw(self, part: str, *, count: int, choices: int) -> Tensor:  # -> [count, 3] int64
        generator = keyed_generator(self.data_seed, f"stacked/{part}", namespace="data")
        return torch.randint(choices, (count, 3), generator=generator)


def _classes(digits: Dataset) -> int:
    labels = [part for part in (digits.train_labels, digits.test_labels) if part is not None]
    return 1 + max((int(part.max()) for part in labels), default=0)


def _stacked(labels: Tensor | None, index: Tensor, classes: int) -> Tensor | None:  # [n], [N, 3] -> [N]
    if labels is None:
        return None
    red, green, blue = labels[index].unbind(1)
    return (red * classes + green) * classes + blue
