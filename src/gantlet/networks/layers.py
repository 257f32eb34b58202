"""Building blocks that several families share.

Legend: ``B`` batch, ``K`` generators, ``d`` features, ``*x`` sample shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

__all__ = [
    "Heads",
    "Initialiser",
    "MeanProbability",
    "Norm",
    "Output",
    "Score",
    "dense",
    "dense_discriminator",
    "dense_generator",
    "discriminator_norm",
    "heads",
    "initialised",
    "normal",
    "normalisation",
    "square_image",
]

Output = Literal["linear", "tanh"]
"""How a generator ends: any number, or within (-1, 1)."""

Norm = Literal["batch", "none", "layer"]
"""Which statistics normalise an image's channels: the batch's, none, or those of the sample's whole layer."""

Initialiser = Callable[[Tensor], object]
"""Draws a weight in place, from torch's global random state."""


class MeanProbability(nn.Module):
    """Discriminators side by side: the logit of the mean of their probabilities.

    log of the mean of s(l_j), less that of s(-l_j): finite at any logits.

    Arguments:
        paths: Each ``[B, *x] -> [B]``, logits.

    Example:
        >>> import torch
        >>> out = MeanProbability([nn.Identity(), nn.Identity()])(torch.tensor([0.3, -80.0]))
        >>> [round(value, 4) for value in out.tolist()]
        [0.3, -80.0]
    """

    def __init__(self, paths: Sequence[nn.Module]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:  # [B, *x] -> [B]
        """One logit per sample."""
        logits = torch.stack([path(x) for path in self.paths])  # [J, B]
        return logsigmoid(logits).logsumexp(0) - logsigmoid(-logits).logsumexp(0)


class Score(nn.Module):
    """One number per sample: drops the last axis of ``[B, 1]``.

    Example:
        >>> import torch
        >>> Score()(torch.tensor([[1.0], [2.0]]))
        tensor([1., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:  # [B, 1] -> [B]
        """Drop the last axis."""
        return x.squeeze(-1)


def dense(sizes: Sequence[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Linear layers from each size to the next, the activation between them and none after the last.

    Example:
        >>> [type(layer).__name__ for layer in dense([2, 3, 1], nn.ReLU)]
        ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return layers[:-1]


def dense_generator(body: Sequence[nn.Module], *, output: Output, shape: tuple[int, ...]) -> nn.Sequential:
    """Layers that end in ``prod(shape)`` numbers, as a generator of that sample shape."""
    bound = [nn.Tanh()] if output == "tanh" else []
    return nn.Sequential(*body, *bound, nn.Unflatten(-1, shape))


def dense_discriminator(
    hidden: Sequence[int], *, slope: float, shape: tuple[int, ...]
) -> nn.Sequential:  # [B, *x] -> [B]
    """Flattened samples through hidden layers of the given widths, leaky rectifiers between, to one score."""
    sizes = [math.prod(shape), *hidden, 1]
    return nn.Sequential(nn.Flatten(), *dense(sizes, lambda: nn.LeakyReLU(slope)), Score())


class Heads(nn.Module):
    """Two linear heads on the same features: the score, and one logit for each generator of a team.

    Example:
        >>> import torch
        >>> output = Heads(5, generators=3)(torch.zeros(2, 5))
        >>> output.score.shape, output.generator_logits.shape
        (torch.Size([2]), torch.Size([2, 3]))
    """

    def __init__(self, features: int, *, generators: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.generator = nn.Linear(features, generators)

    def forward(self, x: Tensor) -> DiscriminatorOutput:  # [B, d] -> score [B], generator_logits [B, K]
        """Both heads' output."""
        return DiscriminatorOutput(self.score(x).squeeze(-1), generator_logits=self.generator(x))


def heads(features: int, *, generators: int) -> list[nn.Module]:
    """How a discriminator of a team ends: in :class:`Heads`, or in the score alone for a single generator.

    Example:
        >>> [type(layer).__name__ for layer in heads(5, generators=1)]
        ['Linear', 'Score']
    """
    return [nn.Linear(features, 1), Score()] if generators == 1 else [Heads(features, generators=generators)]


def normalisation(kind: Norm, channels: int) -> list[nn.Module]:
    """The layers that normalise ``[B, channels, height, width]``, each with a gain and a bias per channel.

    Example:
        >>> [type(layer).__name__ for layer in normalisation("layer", 8)], normalisation("none", 8)
        (['GroupNorm'], [])
    """
    if kind == "none":
        return []
    return [nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(1, channels)]


def discriminator_norm(default: Norm = "batch") -> Norm:
    """The setting ``d_norm`` of a family whose discriminator can be normalised in each of these ways."""
    text = "the discriminator's normalisation (none or layer for gradient penalties)"
    return setting(default, text, choices=("batch", "none", "layer"))


def normal(deviation: float) -> Initialiser:
    """Draws from N(0, deviation²)."""
    return partial(nn.init.normal_, std=deviation)


def initialised(layers: Iterable[nn.Module], weights: Initialiser | None) -> list[nn.Module]:
    """The layers, with the weights of all linear maps and (transposed) convolutions drawn anew and their biases 0.

    Normalisations keep their gains of 1 and biases of 0. Without ``weights`` everything stays as PyTorch made it.

    Example:
        >>> layers = initialised([nn.Linear(2, 1)], nn.init.ones_)
        >>> [parameter.tolist() for parameter in layers[0].parameters()]
        [[[1.0, 1.0]], [0.0]]
    """
    drawn = list(layers)
    if weights is None:
        return drawn
    for part in (part for layer in drawn for part in layer.modules()):
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weights(part.weight)
            if part.bias is not None:  # pyright: ignore[reportUnnecessaryComparison] - None when built with bias=False
                nn.init.zeros_(part.bias)
    return drawn


def square_image(
    network: str, shape: tuple[int, ...], *, fits: Callable[[int], bool], sides: str
) -> tuple[int, int]:  # -> channels, side in pixels
    """Colour channels and side of the square images that a family is made for; ``sides`` says in words which fit.

    Raises:
        Refused: Samples that are not square images, or whose side does not fit.

    Example:
        >>> square_image("dcgan4", (3, 32, 32), fits=lambda side: side % 16 == 0, sides="divisible by 16")
        (3, 32)
    """
    if len(shape) != 3 or min(shape) < 1 or shape[1] != shape[2] or not fits(shape[1]):
        sample_size = "×".join(str(size) for size in shape)
        raise Refused(
            f"The network '{network}' is made for square images with sides {sides}, but a sample has the shape {sample_size}: "
            f"resize the images, or choose a network for that shape, such as 'fc-mnist'."
        )
    return shape[0], shape[1]
